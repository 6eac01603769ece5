"""Keys of persons in a schema of a PostgreSQL database, wrapped."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import psycopg

from adapters.postgres.datastore import place
from adapters.postgres.statements import PostgresStatements
from adapters.privacy.keystore import TABLES, missing, unusable
from adapters.settings import LIMITS
from domain.errors import KeysUnusable

SCHEMA = "lifecircle_keys"

_KEYS = """
    SELECT epoch.number, epoch.wrapped, found.subject, found.wrapped FROM epoch LEFT JOIN data_keys AS found
    ON found.realm = $1 AND found.subject = ANY($2::text[])
"""
# All in one round trip: the server waits until nobody rotates before it looks which epoch it is.
_ADD = """
    WITH made AS (
        INSERT INTO data_keys (realm, subject, wrapped)
        SELECT $1, new.subject, new.wrapped
        FROM epoch, unnest($2::text[], $3::bytea[]) AS new (subject, wrapped) WHERE epoch.number = $4
        ORDER BY new.subject ON CONFLICT DO NOTHING RETURNING subject
    )
    SELECT number, ARRAY(SELECT subject FROM made) FROM epoch
"""
# Whoever adds keys holds a weaker lock on this table, and goes on once this one is given back. Others may read.
_ALONE = "LOCK TABLE data_keys IN SHARE ROW EXCLUSIVE MODE"
_MAY_VACUUM = """
    SELECT bool_and(CASE WHEN current_setting('server_version_num')::int < 170000
        THEN pg_has_role(relowner, 'USAGE') ELSE has_table_privilege(oid, 'MAINTAIN') END)
    FROM pg_class WHERE oid IN ('data_keys'::regclass, 'epoch'::regclass)
"""
_MAY_READ = "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'lifecircle_keys'"


class PostgresKeys:
    """A key store in a schema of a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self.where = place(url)
        self.statements = PostgresStatements(url, SCHEMA, _ALONE, partial(_in_our_words, self.where))
        with ExitStack() as unless_it_is_there:
            unless_it_is_there.callback(self.statements.close)
            if self.statements.statement("SELECT to_regclass('lifecircle_keys.epoch')") == [(None,)]:
                raise missing(self.where)
            unless_it_is_there.pop_all()

    @classmethod
    def make(cls, url: str) -> None:
        """Make the schema and its tables."""
        with _in_our_words(place(url)), psycopg.connect(url, connect_timeout=LIMITS.postgres_connect_s) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(1818453603, -1)")
            connection.execute("CREATE SCHEMA IF NOT EXISTS lifecircle_keys")
            connection.execute("SET LOCAL search_path = lifecircle_keys")
            for statement in TABLES:
                connection.execute(statement.encode())

    @classmethod
    def told(cls, url: str) -> str:
        """The database's address without its password."""
        return place(url)

    @classmethod
    def readable(cls, url: str) -> bool:
        """Whether the schema is there, for this account to use."""
        with _in_our_words(place(url)), psycopg.connect(url, connect_timeout=LIMITS.postgres_connect_s) as connection:
            return connection.execute(_MAY_READ).fetchone() == (True,)

    def keys(self, realm: bytes, subjects: Sequence[str]) -> list[tuple[Any, ...]]:
        """Number and wrapped key of the epoch, with subject and wrapped key of each subject that has a row."""
        return self.statements.statement(_KEYS, realm, subjects)

    def add(self, realm: bytes, wrapped: Mapping[str, bytes], epoch: int) -> set[str] | None:
        """Keep keys of subjects that have none; answer which those were, or None where another epoch has begun."""
        found = self.statements.statement(_ADD, realm, list(wrapped), list(wrapped.values()), epoch)
        return set(found[0][1]) if found and found[0][0] == epoch else None

    def see_that_it_clears_up(self) -> None:
        """See that this account may vacuum."""
        # A table that it may not vacuum the server passes over, with no more than a warning.
        if self.statements.statement(_MAY_VACUUM) != [(True,)]:
            raise KeysUnusable(
                "this account may not vacuum the key store",
                where=self.where,
                rule="the old rows of keys that are destroyed or wrapped anew must not stay in its files",
                way_out="make it a member of the log's role operator: lifecircle roles; before PostgreSQL 17 let the "
                "owner of lifecircle_keys.data_keys do this",
            )

    def clear_up(self) -> None:
        """Leave nothing of what was overwritten."""
        self.statements.statement("VACUUM data_keys, epoch")


@contextmanager
def _in_our_words(where: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise unusable(where, str(error).partition("\n")[0]) from error
