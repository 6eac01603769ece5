"""Subscriptions beside a PostgreSQL log: in schema `lifecircle_outgoing` of its database."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import blake2b

import psycopg

from adapters.outgoing.store import TABLES
from adapters.postgres.datastore import in_our_words, place
from adapters.postgres.statements import PostgresRun, PostgresStatements
from adapters.statements import Run

# Writers wait for the first of these advisory locks; who leads a subscription holds one of the second kind.
_ALONE = f"SELECT pg_advisory_xact_lock({0x6C63_7700})"
_LEADS = 0x6C63_7701
_THERE = "SELECT to_regclass('lifecircle_outgoing.held')"
_LEAD = "SELECT pg_try_advisory_lock($1, $2)"


class PostgresOutgoing:
    """The subscriptions of the log in one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._statements = PostgresStatements(url, "lifecircle_outgoing", _ALONE, self._in_our_words, _make)
        self.close = self._statements.close

    @property
    def there(self) -> bool:
        """Whether the tables were made."""
        with self._in_our_words(), self._statements.connect() as connection:
            return PostgresRun(connection)(_THERE) != [(None,)]

    def transaction(self) -> AbstractContextManager[Run]:
        """One transaction, in which nobody else writes; after a lost connection on another one."""
        return self._statements.transaction(alone=True)

    @contextmanager
    def reading(self) -> Iterator[Run | None]:
        """What stands at this moment, read while others write; None where nothing was ever made."""
        with self._in_our_words(), self._statements.connect() as connection:
            run = PostgresRun(connection)
            yield None if run(_THERE) == [(None,)] else run

    @contextmanager
    def lead(self, name: str) -> Iterator[Run | None]:
        """Be the only one to deliver for a subscription until the block, or this process, ends; None where one is."""
        mark = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), signed=True)
        with self._in_our_words(), self._statements.connect() as connection:
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

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if ours := in_our_words(error, place(self._url)):
                raise ours from error
            raise


def _make(run: Run) -> None:
    run(_ALONE)
    if run(_THERE) == [(None,)]:
        run("CREATE SCHEMA IF NOT EXISTS lifecircle_outgoing")
        for statement in TABLES:
            run(statement)
