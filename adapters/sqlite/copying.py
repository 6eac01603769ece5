"""A SQLite log read whole, and one made whole by a copy."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from adapters.addresses import read_sqlite_url
from adapters.settings import LIMITS
from adapters.sqlite.datastore import connect, explained
from adapters.sqlite.ddl import quoted
from adapters.sqlite.installation import making
from adapters.transfer import Row
from domain.company import Company

_PAGE = """
    SELECT bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac
    FROM touchpoints WHERE bucket = ? AND number > ? AND number <= ? ORDER BY number
"""

_INSERT = """
    INSERT OR FAIL INTO touchpoints
        (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class SQLiteReading:
    """The tables of one log, read whole."""

    def __init__(self, url: str) -> None:
        address = read_sqlite_url(url)
        self._path = address.path
        with explained(self._path):
            self._connection = connect(address.reading, LIMITS.sqlite_lock_timeout_s)

    def touchpoints(self, bucket: int, upto: int) -> Iterator[Row]:
        """The touchpoints of a bucket by number, up to a number."""
        with explained(self._path):
            yield from _touchpoints(self._connection, bucket, upto)

    def table(self, name: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
        """The columns and the rows of a table that lies beside them."""
        with explained(self._path):
            cursor = self._connection.execute(f"SELECT * FROM {quoted(name)} ORDER BY 1")  # noqa: S608 - a name of ours
        return [column[0] for column in cursor.description], cursor

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class SQLiteWriting:
    """A log that is being made, in one transaction that nobody sees before its end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.log_id: bytes = connection.execute("SELECT log_id FROM log").fetchone()[0]

    @classmethod
    @contextmanager
    def making(cls, url: str, company: Company, buckets: int, log_id: bytes | None = None) -> Iterator[Self]:
        """Make a log that is there, whole, after the block, or not at all.

        A killed copy leaves the file to SQLite's rollback journal: whoever opens it next finds it empty.
        """
        with making(url, company, buckets, log_id) as connection:
            connection.execute(f"PRAGMA cache_size = -{LIMITS.sqlite_cache_size_kib:d}")
            yield cls(connection)

    def write(self, rows: Iterable[Row]) -> None:
        """Write touchpoints under the positions that they carry."""
        self._connection.executemany(_INSERT, rows)

    def touchpoints(self, bucket: int, upto: int) -> Iterator[Row]:
        """What was written to a bucket, by number."""
        return _touchpoints(self._connection, bucket, upto)

    def fill(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write rows of a table that lies beside the touchpoints."""
        listed, places = ", ".join(map(quoted, columns)), ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO {quoted(name)} ({listed}) VALUES ({places})", rows)  # noqa: S608 - names of tables and columns only


def _touchpoints(connection: sqlite3.Connection, bucket: int, upto: int) -> Iterator[Row]:
    number = 0
    while page := connection.execute(
        _PAGE, (bucket, number, min(upto, number + LIMITS.copy_page_touchpoints))
    ).fetchall():
        yield from map(Row._make, page)
        number = page[-1][1]
