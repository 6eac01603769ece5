"""The key store: a key for each person, wrapped, in a database of its own apart from the log.

One store may serve several logs; `realm` tells their keys apart. It is a SQLite file, or a schema `lifecircle_keys` in
a PostgreSQL database. The SQL is the same for both but where it is given apart.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from adapters.addresses import class_of, path_beside, read_sqlite_url
from adapters.configuration import configured, variable
from adapters.statements import Statements
from domain.errors import KeysUnusable

PLACE = variable("keys")
"""The environment variable that says at which address the key store is, if not at its usual place."""

# `destroyed` counts all destructions, so that whoever keeps keys in memory can ask for those since.
TABLES = (
    """CREATE TABLE IF NOT EXISTS epoch (
        only_row integer PRIMARY KEY CHECK (only_row = 1), number bigint NOT NULL, wrapped bytea NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS data_keys (
        realm bytea NOT NULL, subject text NOT NULL, wrapped bytea, destroyed bigint, PRIMARY KEY (realm, subject))""",
    "CREATE UNIQUE INDEX IF NOT EXISTS data_keys_destroyed ON data_keys (destroyed) WHERE destroyed IS NOT NULL",
)

EPOCH = "SELECT number, wrapped FROM epoch"
_BEGIN = "INSERT INTO epoch (only_row, number, wrapped) VALUES (1, $1, $2) ON CONFLICT DO NOTHING RETURNING number"
_NEXT_EPOCH = "UPDATE epoch SET number = $1, wrapped = $2"
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
        self._keys = _keys_class(url)(url)
        self._statements = self._keys.statements
        self.where = self._keys.where
        self.transaction = self._statements.transaction

    @classmethod
    def make(cls, url: str) -> "KeyStore":
        """Open the store at an address; make it where there is none."""
        _keys_class(url).make(url)
        return cls(url)

    def empty(self) -> bool:
        """Whether no epoch has begun yet."""
        return not self._statements.statement(EPOCH)

    def begin(self, wrapped: bytes) -> bool:
        """Begin the first epoch; False where it has begun."""
        return bool(self._statements.statement(_BEGIN, 1, wrapped))

    def keys(self, realm: bytes, subjects: Iterable[str]) -> tuple[Epoch, dict[str, bytes | None]]:
        """The epoch, and the keys of some subjects: None for those destroyed, and nothing for those that never were.

        Raises:
            KeysUnusable: no epoch has begun.
        """
        rows = self._keys.keys(realm, list(subjects))
        if not rows:
            raise KeysUnusable(
                "the key store holds no keys",
                where=self.where,
                rule="its first key is made with the log",
                way_out=f"give the address of the right key store in {PLACE}",
            )
        found = {subject: wrapped and bytes(wrapped) for _, _, subject, wrapped in rows if subject is not None}
        return Epoch(rows[0][0], bytes(rows[0][1])), found

    def ensure(self, realm: bytes, wrapped: Mapping[str, bytes], epoch: int) -> set[str] | None:
        """Keep keys of subjects that have none; answer which those were, or None where another epoch has begun."""
        return self._keys.add(realm, wrapped, epoch)

    def destroy(self, realm: bytes, subjects: Iterable[str]) -> None:
        """Destroy the keys of subjects, for good: none of them gets another."""
        self._keys.see_that_it_clears_up()
        with self._statements.transaction(alone=True) as run:
            for subject in sorted(subjects):
                run(_DESTROY, realm, subject)
        self._keys.clear_up()

    def destroyed(self, after: int) -> list[tuple[int, bytes, str]]:
        """What was destroyed after a count: the count, realm and subject of each."""
        rows = self._statements.statement(_DESTROYED, after)
        return [(count, bytes(realm), subject) for count, realm, subject in rows]

    def rotate(self, epoch: Epoch, rewrapped: Callable[[bytes, str, bytes], bytes]) -> bool:
        """Begin the next epoch, with all living keys in the form that `rewrapped` gives them; False if others did."""
        self._keys.see_that_it_clears_up()
        with self._statements.transaction(alone=True) as run:
            if [number for number, _ in run(EPOCH)] != [epoch.number - 1]:
                return False
            realm, subject = b"", ""
            while page := run(_PAGE, realm, subject):
                keys = [(bytes(realm), subject, bytes(wrapped)) for realm, subject, wrapped in page]
                run.many(_REWRAP, [(realm, subject, rewrapped(realm, subject, key)) for realm, subject, key in keys])
                realm, subject, _ = keys[-1]
            run(_NEXT_EPOCH, *epoch)
        self._keys.clear_up()
        return True

    def copy_to(self, other: "KeyStore", realm: bytes) -> int | None:
        """Write the keys of one realm, and the marks of those destroyed, into a store that holds nothing.

        Returns:
            The epoch; None, and nothing is written, where the other store holds keys.

        Raises:
            KeysUnusable: this one holds none, or they were rotated meanwhile.
        """
        with other.transaction(alone=True) as put, self.transaction() as run:
            if put(EPOCH):
                return None
            epoch, place = run(EPOCH), (b"", "")
            while page := run(_OF_REALM, realm, *place):
                keys = [
                    (bytes(realm), subject, wrapped and bytes(wrapped), gone) for realm, subject, wrapped, gone in page
                ]
                put.many(_PUT, keys)
                place = keys[-1][:2]
            # Not all databases show one state to the whole of a transaction.
            if not epoch or run(EPOCH) != epoch:
                raise KeysUnusable(
                    "the key store holds no keys, or they were rotated meanwhile",
                    where=self.where,
                    rule="a copy of the keys is of one epoch",
                    way_out="do the same again",
                )
            ((number, wrapped_epoch),) = epoch
            put(_BEGIN, number, bytes(wrapped_epoch))
            return int(number)

    def close(self) -> None:
        """Give the connection back."""
        self._statements.close()


class Keys(Protocol):
    """Where a database keeps wrapped keys, and what it does its own way."""

    def __init__(self, url: str) -> None:
        """Open what is at an address.

        Raises:
            KeysUnusable: there is none.
        """

    @classmethod
    def make(cls, url: str) -> None:
        """Make the tables where there are none."""
        ...

    @classmethod
    def told(cls, url: str) -> str:
        """Where they are, for people and without a password."""
        ...

    @classmethod
    def readable(cls, url: str) -> bool:
        """Whether they are there, for this account to read."""
        ...

    where: str

    @property
    def statements(self) -> Statements:
        """What runs statements on it."""
        ...

    def keys(self, realm: bytes, subjects: Sequence[str]) -> list[tuple[Any, ...]]:
        """Number and wrapped key of the epoch, with subject and wrapped key of each subject that has a row."""
        ...

    def add(self, realm: bytes, wrapped: Mapping[str, bytes], epoch: int) -> set[str] | None:
        """As `KeyStore.ensure`."""
        ...

    def see_that_it_clears_up(self) -> None:
        """See that this account can do so.

        Raises:
            KeysUnusable: it cannot.
        """
        ...

    def clear_up(self) -> None:
        """Leave nothing of what was overwritten: at once, or when its last reader has gone on."""
        ...


def keystore_url(url: str) -> str:
    """The address of the key store of the log at an address: `shop.keys.db` beside `shop.db`."""
    return configured().keys or f"sqlite:///{path_beside(url, '.keys.db')}"


def keystore_file(url: str) -> Path | None:
    """The file that a key store's address names; None where it is no file."""
    return None if url.startswith("postgres") else read_sqlite_url(url).path


def keystore_told(url: str) -> str:
    """Where the key store of the log at this address is, for people and without a password."""
    address = keystore_url(url)
    return _keys_class(address).told(address)


def _keys_class(url: str) -> "type[Keys]":
    """The sort of key store that an address names."""
    keys: type[Keys] = class_of(url, "Keys", ".keys")
    return keys


def keystore_readable(url: str) -> bool:
    """Whether the key store of the log at this address is there, for this account to read."""
    address = keystore_url(url)
    return _keys_class(address).readable(address)


def missing(where: str) -> KeysUnusable:
    """The error for a key store that is not there."""
    return KeysUnusable(
        "the log's key store is not there",
        where=where,
        rule="without its keys personal data can be neither sealed nor opened",
        way_out=f"put it back from its safe copy, or give its address in {PLACE}",
    )


def unusable(where: str, rule: str) -> KeysUnusable:
    """The error for one that cannot be read or written, in the words of its database."""
    return KeysUnusable(
        "the key store cannot be used",
        where=where,
        rule=rule,
        way_out=f"check that it can be reached and written, or give its address in {PLACE}; then do the same again",
    )
