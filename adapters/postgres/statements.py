"""A small store in a schema of its own of a PostgreSQL database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import RLock
from typing import Any

import psycopg
from psycopg import Connection

from adapters.settings import LIMITS
from adapters.statements import Run


class PostgresRun:
    """Runs statements on a connection to a PostgreSQL database whose cursors are raw."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def __call__(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement; answer its rows."""
        cursor = self._connection.execute(sql.encode(), parameters)
        return cursor.fetchall() if cursor.description is not None else []

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each row of parameters; answer how many rows were written."""
        with self._connection.cursor() as cursor:
            cursor.executemany(sql.encode(), list(rows))
            return cursor.rowcount


class PostgresStatements:
    """One connection to a schema, made anew where it was lost. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        schema: str,
        alone: str,
        in_our_words: Callable[[], AbstractContextManager[None]],
        make: Callable[[Run], None] = lambda _: None,
    ) -> None:
        """Take the schema; the server is called when it is first needed.

        Args:
            url: the database.
            schema: where its tables are.
            alone: the statement that waits until nobody else writes.
            in_our_words: tells errors of the server as errors of this store.
            make: makes the tables where they are not there, alone.
        """
        self._url, self._schema, self._alone = url, schema, alone
        self._in_our_words, self._make = in_our_words, make
        self._lock = RLock()
        self._connection: Connection[Any] | None = None

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[Run]:
        """One transaction; under `alone` nobody else writes meanwhile."""
        with self._opened() as connection, connection.transaction():
            run = PostgresRun(connection)
            if alone:
                run(self._alone)
            yield run

    def statement(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement, which is a transaction of its own; answer its rows."""
        with self._opened() as connection:
            return PostgresRun(connection)(sql, *parameters)

    def connect(self) -> Connection[Any]:
        """A connection of the caller's own."""
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=LIMITS.postgres_connect_s,
            cursor_factory=psycopg.RawCursor,
        )
        connection.execute("SELECT set_config('search_path', $1, false)", (self._schema,))
        return connection

    @contextmanager
    def _opened(self) -> Iterator[Connection[Any]]:
        with self._lock, self._in_our_words():
            if self._connection is None or self._connection.closed:
                self._connection = self.connect()
                with self._connection.transaction():
                    self._make(PostgresRun(self._connection))
            yield self._connection

    def __del__(self) -> None:
        self.close()  # whoever looked at keys for one call lets go of all at once

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
