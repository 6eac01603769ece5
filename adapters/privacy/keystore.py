"""The key store: a key for each person, wrapped, in a database of its own apart from the log.

One store may serve several logs; `realm` tells their keys apart. It is a SQLite file, or a schema `lifecircle_keys` in
a PostgreSQL database. The SQL is the same for both but where it is given apart.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from adapters.addresses import path_beside, read_sqlite_url
from adapters.configuration import configured, variable
from adapters.settings import LIMITS
from adapters.statements import PostgresRun, Run, SQLiteRun
from domain.errors import KeysUnusable

PLACE = variable("keys")
"""The environment variable that says at which address the key store is, if not at its usual place."""

# `destroyed` counts all destructions, so that whoever keeps keys in memory can ask for those since.
_TABLES = (
    """CREATE TABLE IF NOT EXISTS epoch (
        only_row integer PRIMARY KEY CHECK (only_row = 1), number bigint NOT NULL, wrapped bytea NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS data_keys (
        realm bytea NOT NULL, subject text NOT NULL, wrapped bytea, destroyed bigint, PRIMARY KEY (realm, subject))""",
    "CREATE UNIQUE INDEX IF NOT EXISTS data_keys_destroyed ON data_keys (destroyed) WHERE destroyed IS NOT NULL",
)

_EPOCH = "SELECT number, wrapped FROM epoch"
_SET_EPOCH = """
    INSERT INTO epoch (only_row, number, wrapped) VALUES (1, $1, $2)
    ON CONFLICT (only_row) DO UPDATE SET number = excluded.number, wrapped = excluded.wrapped
"""
_ADD = "INSERT INTO data_keys (realm, subject, wrapped) VALUES ($1, $2, $3)"
_DESTROY = """
    INSERT INTO data_keys (realm, subject, wrapped, destroyed)
    VALUES ($1, $2, NULL, (SELECT coalesce(max(destroyed), 0) + 1 FROM data_keys))
    ON CONFLICT (realm, subject) DO UPDATE SET wrapped = NULL, destroyed = excluded.destroyed
    WHERE data_keys.wrapped IS NOT NULL
"""
_DESTROYED = "SELECT destroyed, realm, subject FROM data_keys WHERE destroyed > $1 ORDER BY destroyed"
_PAGE = """
    SELECT realm, subject, wrapped FROM data_keys
    WHERE (realm, subject) > ($1, $2) AND wrapped IS NOT NULL ORDER BY realm, subject LIMIT 1000
"""
_OF_REALM = """
    SELECT realm, subject, wrapped, destroyed FROM data_keys
    WHERE realm = $1 AND (realm, subject) > ($2, $3) ORDER BY realm, subject LIMIT 1000
"""
_PUT = "INSERT INTO data_keys (realm, subject, wrapped, destroyed) VALUES ($1, $2, $3, $4)"
_REWRAP = "UPDATE data_keys SET wrapped = $3 WHERE realm = $1 AND subject = $2"

_SQLITE_KEYS = """
    SELECT subject, wrapped FROM data_keys WHERE realm = $1 AND subject IN (SELECT value FROM json_each($2))
"""
_POSTGRES_KEYS = """
    SELECT subject, wrapped FROM data_keys
    WHERE realm = $1 AND subject IN (SELECT value FROM json_array_elements_text($2::json) AS t (value))
"""
_POSTGRES_ALONE = "LOCK TABLE epoch IN EXCLUSIVE MODE"


class Epoch(NamedTuple):
    """Which key protects the data keys: its number, counted from 1, and itself as the key-encryption key wrapped it."""

    number: int
    wrapped: bytes


class KeyStore:
    """The keys of one store, in wrapped form. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        """Open the store at an address.

        Raises:
            KeysUnusable: there is none.
        """
        self._database: _SQLite | _Postgres = _Postgres(url) if url.startswith("postgres") else _SQLite(url)
        self.where = self._database.where
        self.transaction = self._database.transaction

    @classmethod
    def make(cls, url: str) -> "KeyStore":
        """Open the store at an address; make it where there is none."""
        (_Postgres if url.startswith("postgres") else _SQLite).make(url)
        return cls(url)

    def empty(self) -> bool:
        """Whether no epoch has begun yet."""
        with self.transaction() as run:
            return _epoch(run) is None

    def begin(self, wrapped: bytes) -> bool:
        """Begin the first epoch; False where it has begun."""
        with self.transaction(alone=True) as run:
            if _epoch(run):
                return False
            run(_SET_EPOCH, 1, wrapped)
            return True

    def keys(self, realm: bytes, subjects: Iterable[str]) -> tuple[Epoch, dict[str, bytes | None]]:
        """The epoch, and the keys of some subjects: None for those destroyed, and nothing for those that never were.

        Raises:
            KeysUnusable: no epoch has begun.
        """
        with self.transaction() as run:
            if (epoch := _epoch(run)) is None:
                raise KeysUnusable(
                    "the key store holds no keys",
                    where=self.where,
                    rule="its first key is made with the log",
                    way_out=f"give the address of the right key store in {PLACE}",
                )
            rows = run(self._database.keys, realm, json.dumps(list(subjects)))
            return epoch, {subject: None if wrapped is None else bytes(wrapped) for subject, wrapped in rows}

    def ensure(self, realm: bytes, wrapped: Mapping[str, bytes], epoch: int) -> set[str] | None:
        """Keep keys of subjects that have none; answer which those were, or None where another epoch has begun."""
        with self.transaction(alone=True) as run:
            now = _epoch(run)
            if now is None or now.number != epoch:
                return None
            known = {subject for subject, _ in run(self._database.keys, realm, json.dumps(list(wrapped)))}
            new = wrapped.keys() - known
            run.many(_ADD, [(realm, subject, wrapped[subject]) for subject in sorted(new)])
            return new

    def destroy(self, realm: bytes, subjects: Iterable[str]) -> None:
        """Destroy the keys of subjects, for good: none of them gets another."""
        with self.transaction(alone=True) as run:
            for subject in sorted(subjects):
                run(_DESTROY, realm, subject)
        self._database.clear_up()

    def destroyed(self, after: int) -> list[tuple[int, bytes, str]]:
        """What was destroyed after a count: the count, realm and subject of each."""
        with self.transaction() as run:
            return [(count, bytes(realm), subject) for count, realm, subject in run(_DESTROYED, after)]

    def rotate(self, epoch: Epoch, rewrapped: Callable[[bytes, str, bytes], bytes]) -> bool:
        """Begin the next epoch, with all living keys in the form that `rewrapped` gives them; False if others did."""
        with self.transaction(alone=True) as run:
            now = _epoch(run)
            if now is None or now.number != epoch.number - 1:
                return False
            realm, subject = b"", ""
            while page := run(_PAGE, realm, subject):
                keys = [(bytes(realm), subject, bytes(wrapped)) for realm, subject, wrapped in page]
                run.many(_REWRAP, [(realm, subject, rewrapped(realm, subject, key)) for realm, subject, key in keys])
                realm, subject, _ = keys[-1]
            run(_SET_EPOCH, *epoch)
        self._database.clear_up()
        return True

    def copy_to(self, other: "KeyStore", realm: bytes) -> int | None:
        """Write the keys of one realm, and the marks of those destroyed, into a store that holds nothing.

        Returns:
            The epoch; None, and nothing is written, where the other store holds keys.

        Raises:
            KeysUnusable: this one holds none, or they were rotated meanwhile.
        """
        with other.transaction(alone=True) as put, self.transaction() as run:
            if _epoch(put):
                return None
            epoch, place = _epoch(run), (b"", "")
            while page := run(_OF_REALM, realm, *place):
                keys = [
                    (bytes(realm), subject, wrapped and bytes(wrapped), gone) for realm, subject, wrapped, gone in page
                ]
                put.many(_PUT, keys)
                place = keys[-1][:2]
            # Not all databases show one state to the whole of a transaction.
            if epoch is None or _epoch(run) != epoch:
                raise KeysUnusable(
                    "the key store holds no keys, or they were rotated meanwhile",
                    where=self.where,
                    rule="a copy of the keys is of one epoch",
                    way_out="do the same again",
                )
            put(_SET_EPOCH, *epoch)
            return epoch.number

    def close(self) -> None:
        """Give the connection back."""
        self._database.close()


def _epoch(run: Run) -> Epoch | None:
    rows = run(_EPOCH)
    return Epoch(rows[0][0], bytes(rows[0][1])) if rows else None


class _SQLite:
    """A key store in a file."""

    keys = _SQLITE_KEYS

    def __init__(self, url: str) -> None:
        address = read_sqlite_url(url)
        self.where = str(address.path)
        self._lock = RLock()
        if not address.path.exists():
            raise _missing(self.where)
        try:
            self._connection = sqlite3.connect(
                address.uri, LIMITS.sqlite_lock_timeout_s, isolation_level=None, check_same_thread=False, uri=True
            )
            # What is destroyed is overwritten with zeros where it stood.
            for setting in ("secure_delete = ON", "journal_mode = WAL", "synchronous = FULL"):
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.execute(_EPOCH)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    @classmethod
    def make(cls, url: str) -> None:
        """Make the file, which only its owner may read, and its tables."""
        address = read_sqlite_url(url)
        try:
            if not address.path.exists():
                os.close(os.open(address.path, os.O_WRONLY | os.O_CREAT, 0o600))
            connection = sqlite3.connect(address.path, LIMITS.sqlite_lock_timeout_s, isolation_level=None)
            try:
                for statement in _TABLES:
                    connection.execute(statement)
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            raise _lost(str(address.path), str(error)) from error

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[Run]:
        """A transaction; under `alone` nobody else writes meanwhile."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE" if alone else "BEGIN")
                try:
                    yield SQLiteRun(self._connection)
                    self._connection.execute("COMMIT")
                finally:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    def clear_up(self) -> None:
        """Leave nothing of what was overwritten in the file beside: at once, or when its last reader has gone on."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _unusable(self, error: sqlite3.Error) -> KeysUnusable:
        return _lost(self.where, getattr(error, "sqlite_errorname", type(error).__name__))


class _Postgres:
    """A key store in a schema of a PostgreSQL database."""

    keys = _POSTGRES_KEYS

    def __init__(self, url: str) -> None:
        from adapters.postgres.datastore import place

        self.where = place(url)
        self._url = url
        self._lock = RLock()
        self._connection: Any = None
        with self.transaction() as run:
            if run("SELECT to_regclass('lifecircle_keys.epoch')") == [(None,)]:
                raise _missing(self.where)

    @classmethod
    def make(cls, url: str) -> None:
        """Make the schema and its tables."""
        import psycopg

        from adapters.postgres.datastore import place

        try:
            with psycopg.connect(url, connect_timeout=LIMITS.postgres_connect_s) as connection:
                connection.execute("SELECT pg_advisory_xact_lock(1818453603, -1)")
                connection.execute("CREATE SCHEMA IF NOT EXISTS lifecircle_keys")
                connection.execute("SET LOCAL search_path = lifecircle_keys")
                for statement in _TABLES:
                    connection.execute(statement.encode())
        except psycopg.Error as error:
            raise _lost(place(url), str(error).partition("\n")[0]) from error

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[Run]:
        """A transaction; under `alone` nobody else writes meanwhile. After a lost connection, on another one."""
        import psycopg

        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self._url,
                        autocommit=True,
                        connect_timeout=LIMITS.postgres_connect_s,
                        cursor_factory=psycopg.RawCursor,
                        options="-c search_path=lifecircle_keys",
                    )
                with self._connection.transaction():
                    if alone:
                        self._connection.execute(_POSTGRES_ALONE)
                    yield PostgresRun(self._connection)
            except psycopg.Error as error:
                raise _lost(self.where, str(error).partition("\n")[0]) from error

    def clear_up(self) -> None:
        """Leave nothing of what was overwritten in the tables."""
        import psycopg

        with self._lock:
            try:
                self._connection.execute("VACUUM data_keys, epoch")
            except psycopg.Error as error:
                raise _lost(self.where, str(error).partition("\n")[0]) from error

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()


def keystore_url(url: str) -> str:
    """The address of the key store of the log at an address: `shop.keys.db` beside `shop.db`."""
    return configured().keys or f"sqlite:///{path_beside(url, '.keys.db')}"


def keystore_file(url: str) -> Path | None:
    """The file that a key store's address names; None where it is no file."""
    return None if url.startswith("postgres") else read_sqlite_url(url).path


def keystore_told(url: str) -> str:
    """Where the key store of the log at this address is, for people and without a password."""
    address = keystore_url(url)
    if path := keystore_file(address):
        return str(path)
    from adapters.postgres.datastore import place

    return place(address)


def _missing(where: str) -> KeysUnusable:
    return KeysUnusable(
        "the log's key store is not there",
        where=where,
        rule="without its keys personal data can be neither sealed nor opened",
        way_out=f"put it back from its safe copy, or give its address in {PLACE}",
    )


def _lost(where: str, rule: str) -> KeysUnusable:
    return KeysUnusable(
        "the key store cannot be used",
        where=where,
        rule=rule,
        way_out=f"check that it can be reached and written, or give its address in {PLACE}; then do the same again",
    )
