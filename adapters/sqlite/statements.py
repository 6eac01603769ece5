"""A small store in a SQLite file of its own."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import RLock
from typing import Any

from adapters.statements import Run


class SQLiteRun:
    """Runs statements on a connection to a SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __call__(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement; answer its rows."""
        return self._connection.execute(sql, _named(parameters)).fetchall()

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each row of parameters; answer how many rows were written."""
        return self._connection.executemany(sql, map(_named, rows)).rowcount


def _named(parameters: Sequence[Any]) -> dict[str, Any]:
    return {str(place): value for place, value in enumerate(parameters, 1)}


class SQLiteStatements:
    """One connection to a file. Safe to share between threads."""

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], in_our_words: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """Take the file; it is opened when it is first needed.

        Args:
            connect: opens it, in autocommit mode and for any thread.
            in_our_words: tells errors of SQLite as errors of this store.
        """
        self._connect, self._in_our_words = connect, in_our_words
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[Run]:
        """One transaction; under `alone` nobody else writes meanwhile."""
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE" if alone else "BEGIN")
            try:
                yield SQLiteRun(connection)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def statement(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement, which is a transaction of its own; answer its rows."""
        with self._opened() as connection:
            return SQLiteRun(connection)(sql, *parameters)

    def write(self, sql: str, *parameters: Any) -> int:
        """Run one statement, which is a transaction of its own; answer how many rows it wrote."""
        with self._opened() as connection:
            return connection.execute(sql, _named(parameters)).rowcount

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._in_our_words():
            self._connection = self._connection or self._connect()
            yield self._connection

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None
