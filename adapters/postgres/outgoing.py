"""Subscriptions beside a PostgreSQL log: in schema `lifecircle_outgoing` of its database."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from threading import Lock
from typing import Any

import psycopg

from adapters.outgoing.store import TABLES
from adapters.postgres.datastore import in_our_words, place
from adapters.settings import LIMITS
from adapters.statements import PostgresRun, Run

# Writers wait for the first of these advisory locks; who leads a subscription holds one of the second kind.
_LOCKS, _LEADS = 0x6C63_7700, 0x6C63_7701
_THERE = "SELECT to_regclass('lifecircle_outgoing.held')"
_ALONE = "SELECT pg_advisory_xact_lock($1)"
_LEAD = "SELECT pg_try_advisory_lock($1, $2)"


class PostgresOutgoing:
    """The subscriptions of the log in one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = Lock()

    @property
    def there(self) -> bool:
        """Whether the tables were made."""
        with self._in_our_words(), self._connect() as connection:
            return PostgresRun(connection)(_THERE) != [(None,)]

    @contextmanager
    def transaction(self) -> Iterator[Run]:
        """One transaction, in which nobody else writes; after a lost connection on another one."""
        with self._lock, self._in_our_words():
            if self._connection is None or self._connection.closed:
                self._connection = self._connect()
                with self._connection.transaction():
                    run = PostgresRun(self._connection)
                    run(_ALONE, _LOCKS)
                    if run(_THERE) == [(None,)]:
                        run("CREATE SCHEMA IF NOT EXISTS lifecircle_outgoing")
                        for statement in TABLES:
                            run(statement)
            with self._connection.transaction():
                run = PostgresRun(self._connection)
                run(_ALONE, _LOCKS)
                yield run

    @contextmanager
    def reading(self) -> Iterator[Run | None]:
        """What stands at this moment, read while others write; None where nothing was ever made."""
        with self._in_our_words(), self._connect() as connection:
            run = PostgresRun(connection)
            yield None if run(_THERE) == [(None,)] else run

    @contextmanager
    def lead(self, name: str) -> Iterator[Run | None]:
        """Be the only one to deliver for a subscription until the block, or this process, ends; None where one is."""
        mark = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), signed=True)
        with self._in_our_words(), self._connect() as connection:
            run = PostgresRun(connection)
            if run(_LEAD, _LEADS, mark) != [(True,)]:
                yield None
                return
            try:
                yield run
            finally:
                # The server may notice only later that a connection was closed, and the next to lead would be refused.
                with suppress(psycopg.OperationalError):
                    run("SELECT pg_advisory_unlock_all()")

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=LIMITS.postgres_connect_s,
            cursor_factory=psycopg.RawCursor,
        )
        connection.execute("SELECT set_config('search_path', 'lifecircle_outgoing', false)")
        return connection

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if ours := in_our_words(error, place(self._url)):
                raise ours from error
            raise

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
