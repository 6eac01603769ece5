"""Keys of persons in a SQLite file, wrapped."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from adapters.addresses import read_sqlite_url
from adapters.privacy.keystore import TABLES, missing, unusable
from adapters.settings import LIMITS
from adapters.sqlite.statements import SQLiteStatements

# The epoch comes with each key, and alone where there is none.
_KEYS = """
    SELECT epoch.number, epoch.wrapped, found.subject, found.wrapped FROM epoch LEFT JOIN data_keys AS found
    ON found.realm = $1 AND found.subject IN (SELECT value FROM json_each($2))
"""
# All in one step, for which nobody in this process need wait; the keys, all of one length, come in one piece.
_ADD = """
    INSERT INTO data_keys (realm, subject, wrapped)
    SELECT $1, new.value, substr($3, 1 + new.key * $4, $4) FROM epoch, json_each($2) AS new WHERE epoch.number = $5
    ON CONFLICT DO NOTHING
"""


class SQLiteKeys:
    """A key store in a file."""

    def __init__(self, url: str) -> None:
        self._address = read_sqlite_url(url)
        self.where = str(self._address.path)
        if not self._address.path.exists():
            raise missing(self.where)
        self.statements = SQLiteStatements(self._connect, partial(_in_our_words, self.where))

    @classmethod
    def make(cls, url: str) -> None:
        """Make the file, which only its owner may read, and its tables."""
        address = read_sqlite_url(url)
        try:
            if not address.path.exists():
                os.close(os.open(address.path, os.O_WRONLY | os.O_CREAT, 0o600))
            connection = sqlite3.connect(address.path, LIMITS.sqlite_lock_timeout_s, isolation_level=None)
            try:
                for statement in TABLES:
                    connection.execute(statement)
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            raise unusable(str(address.path), str(error)) from error

    @classmethod
    def told(cls, url: str) -> str:
        """The file's path."""
        return str(read_sqlite_url(url).path)

    @classmethod
    def readable(cls, url: str) -> bool:
        """Whether the file is there."""
        return read_sqlite_url(url).path.exists()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address.uri, LIMITS.sqlite_lock_timeout_s, isolation_level=None, check_same_thread=False, uri=True
        )
        # What is destroyed is overwritten with zeros where it stood.
        for setting in ("secure_delete = ON", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def keys(self, realm: bytes, subjects: Sequence[str]) -> list[tuple[Any, ...]]:
        """Number and wrapped key of the epoch, with subject and wrapped key of each subject that has a row."""
        return self.statements.statement(_KEYS, realm, json.dumps(subjects))

    def add(self, realm: bytes, wrapped: Mapping[str, bytes], epoch: int) -> set[str] | None:
        """Keep keys of subjects that have none; answer which those were, or None where another epoch has begun."""
        subjects, keys = json.dumps(list(wrapped)), list(wrapped.values())
        if self.statements.write(_ADD, realm, subjects, b"".join(keys), len(keys[0]), epoch) == len(keys):
            return set(wrapped)
        rows = self.statements.statement(_KEYS, realm, subjects)
        if not rows or rows[0][0] != epoch:
            return None
        # No two wrapped keys are alike: those that stand there as they were given are new.
        return {subject for _, _, subject, key in rows if subject is not None and key == wrapped[subject]}

    def see_that_it_clears_up(self) -> None:
        """Whoever may write the file can."""

    def clear_up(self) -> None:
        """Leave nothing of what was overwritten."""
        self.statements.statement("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _in_our_words(where: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise unusable(where, getattr(error, "sqlite_errorname", type(error).__name__)) from error
