"""Statements that both databases understand, with parameters as $1, $2 …, run on either."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # a database's driver is imported only when an address chooses it
    from psycopg import RawCursor


class Run(Protocol):
    """Runs statements in one transaction."""

    def __call__(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement; answer its rows."""
        ...

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters."""
        ...


class SQLiteRun:
    """Runs statements on a connection to a SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __call__(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement; answer its rows."""
        return self._connection.execute(sql, _named(parameters)).fetchall()

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters."""
        self._connection.executemany(sql, map(_named, rows))


def _named(parameters: Sequence[Any]) -> dict[str, Any]:
    return {str(place): value for place, value in enumerate(parameters, 1)}


class PostgresRun:
    """Runs statements on a connection to a PostgreSQL database whose cursors are raw."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __call__(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement; answer its rows."""
        cursor: RawCursor[Any] = self._connection.execute(sql, parameters)
        return cursor.fetchall() if cursor.description is not None else []

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters."""
        with self._connection.cursor() as cursor:
            cursor.executemany(sql, list(rows))
