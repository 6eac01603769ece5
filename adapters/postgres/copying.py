"""A PostgreSQL log read whole, and one made whole by a copy."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from adapters.postgres.datastore import SCHEMA, in_our_words, place
from adapters.postgres.installation import install, log_exists, read_meta
from adapters.settings import LIMITS
from adapters.transfer import Row
from domain.company import Company

_PAGE = b"""
    SELECT bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state, content_hmac
    FROM lifecircle.touchpoints WHERE bucket = %s AND number > %s AND number <= %s ORDER BY number
"""

# Into tables that this transaction made and nobody else can see: no append function, for none could be met by it.
_COPY = b"""
    COPY lifecircle.touchpoints (bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby,
                                 state, content_hmac) FROM STDIN (FORMAT binary)
"""

_TYPES = ("int4", "int8", "text", "int8", "text", "text", "text", "int8", "int8", "text", "bytea", "bytea")


class PostgresReading:
    """The tables of one log, read whole."""

    def __init__(self, url: str) -> None:
        self._where = place(url)
        with _in_our_words(self._where):
            self._connection = psycopg.connect(url, autocommit=True, connect_timeout=LIMITS.postgres_connect_s)
            # A page is a range of the key, also on a table without statistics.
            self._connection.execute("SET enable_seqscan = off")

    def touchpoints(self, bucket: int, upto: int) -> Iterator[Row]:
        """The touchpoints of a bucket by number, up to a number."""
        with _in_our_words(self._where):
            yield from _touchpoints(self._connection, bucket, upto)

    def table(self, name: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
        """The columns and the rows of a table that lies beside them."""
        asked = SQL("SELECT * FROM {} ORDER BY 1").format(Identifier(SCHEMA, name))
        with _in_our_words(self._where):
            described = self._connection.execute(asked + SQL(" LIMIT 0")).description or ()
        return [column.name for column in described], self._streamed(asked)

    def _streamed(self, asked: Composed) -> Iterator[Sequence[Any]]:
        # Row by row: a quarantine may be as large as what was imported.
        with _in_our_words(self._where), self._connection.cursor() as cursor:
            yield from cursor.stream(asked)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class PostgresWriting:
    """A log that is being made, in one transaction that nobody sees before its end."""

    def __init__(self, connection: Connection[Any], log_id: bytes) -> None:
        self.log_id = log_id
        self._connection = connection

    @classmethod
    @contextmanager
    def making(cls, url: str, company: Company, buckets: int, log_id: bytes | None = None) -> Iterator[Self]:
        """Make a log that is there, whole, after the block, or not at all."""
        where = place(url)
        with (
            _in_our_words(where),
            psycopg.connect(url, autocommit=True, connect_timeout=LIMITS.postgres_connect_s) as connection,
            connection.transaction(),
        ):
            if not install(connection.cursor(), company, buckets, log_id):
                read_meta(connection.cursor(), where)
                raise log_exists(where)
            connection.execute("SET LOCAL enable_seqscan = off")
            yield cls(connection, read_meta(connection.cursor(), where).log_id)

    def write(self, rows: Iterable[Row]) -> None:
        """Write touchpoints under the positions that they carry."""
        with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(row)

    def touchpoints(self, bucket: int, upto: int) -> Iterator[Row]:
        """What was written to a bucket, by number."""
        return _touchpoints(self._connection, bucket, upto)

    def fill(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write rows of a table that lies beside the touchpoints."""
        listed = SQL(", ").join(map(Identifier, columns))
        copying = SQL("COPY {} ({}) FROM STDIN").format(Identifier(SCHEMA, name), listed)
        with self._connection.cursor() as cursor, cursor.copy(copying) as copy:
            for row in rows:
                copy.write_row(row)


def _touchpoints(connection: Connection[Any], bucket: int, upto: int) -> Iterator[Row]:
    number = 0
    with connection.cursor(binary=True) as cursor:
        while page := cursor.execute(
            _PAGE, (bucket, number, min(upto, number + LIMITS.copy_page_touchpoints))
        ).fetchall():
            yield from map(Row._make, page)
            number = page[-1][1]


@contextmanager
def _in_our_words(where: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        if ours := in_our_words(error, where):
            raise ours from error
        raise
