"""The rows of a PostgreSQL log as an auditor reads them."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from adapters.audit.rows import LEAF_COLUMNS, Extent, LeafRow, Place, Row
from adapters.postgres.datastore import Datastore
from adapters.postgres.streaming import Span, streamed
from adapters.settings import LIMITS

_PAGE = b"""
SELECT number, stream, version, kind, recorded, recordedby, state, content_hmac, id, source, occurred
FROM lifecircle.touchpoints WHERE bucket = %s AND number > %s AND number <= %s ORDER BY number
"""

_LEAF_ROWS = b"""
SELECT number, stream, version, kind, recorded, recordedby, state, content_hmac
FROM lifecircle.touchpoints WHERE bucket = $1 AND number > $2 AND number <= $3 ORDER BY number
"""

_LAST_STREAM = b"""
SELECT stream FROM lifecircle.touchpoints WHERE bucket = %s AND stream > %s ORDER BY stream LIMIT 1 OFFSET %s
"""

_PLACES = b"""
SELECT number, stream, version FROM lifecircle.touchpoints WHERE bucket = %s AND stream > %s
ORDER BY stream, version
"""

_PLACES_UPTO = b"""
SELECT number, stream, version FROM lifecircle.touchpoints WHERE bucket = %s AND stream > %s AND stream <= %s
ORDER BY stream, version
"""

_STREAM = b"""
SELECT number, stream, version, kind, recorded, recordedby, state, content_hmac, id, source, occurred
FROM lifecircle.touchpoints WHERE bucket = %s AND stream = %s AND number <= %s ORDER BY version
"""

# The sums keep the count out of the indexes.
_EXTENTS = b"""
SELECT bucket + 0, count(number + 0), max(number + 0) FROM lifecircle.touchpoints GROUP BY bucket + 0 ORDER BY 1
"""


_AT_ONCE = 5_000
"""Up to how many rows are read by one look: to a follower, who has few to read, a connection of its own is dear."""


class PostgresAuditRows:
    """Reads a log's table as it stands, whatever has been done to it."""

    def __init__(self, url: str) -> None:
        self._datastore = Datastore(url)

    def page(self, bucket: int, after: int, last: int) -> list[Row]:
        """The rows of a bucket with numbers above `after`, up to `last`, by number."""
        return self._fetch(_PAGE, bucket, after, last)

    def leaf_rows(self, bucket: int, after: int, last: int) -> Iterator[list[LeafRow]]:
        """The same, what leaves are made of alone, a few at a time: the next come while those before are used."""
        if last - after <= _AT_ONCE:
            yield [row[:LEAF_COLUMNS] for row in self.page(bucket, after, last)]
            return
        span = Span(bucket, after, last)
        yield from streamed(
            self._datastore, _LEAF_ROWS, span, LIMITS.read_page_touchpoints, tuple, number_at=0, prepare=_prepared
        )

    def end_of_part(self, bucket: int, after: bytes, size: int) -> bytes | None:
        """The stream that holds the row that comes `size` after the streams up to `after`; None at the end."""
        found: list[tuple[bytes]] = self._fetch(_LAST_STREAM, bucket, after.decode(), size)
        return found[0][0] if found else None

    def places(self, bucket: int, after: bytes, last: bytes | None) -> list[Place]:
        """Where the touchpoints stand of the streams above `after`, up to `last` or the end; by stream and version."""
        if last is None:
            return self._fetch(_PLACES, bucket, after.decode())
        return self._fetch(_PLACES_UPTO, bucket, after.decode(), last.decode())

    def stream(self, bucket: int, stream: bytes, last: int) -> list[Row]:
        """The rows of one stream with numbers up to `last`, by version."""
        return self._fetch(_STREAM, bucket, stream.decode(), last)

    def extents(self) -> list[Extent]:
        """What buckets there are, counted in the table itself and not in an index."""
        return list(map(Extent._make, self._fetch(_EXTENTS)))

    def damage(self) -> list[str]:
        """Nothing: the server checks its pages when it reads them, and rows are counted without indexes."""
        return []

    # Any, for each statement has columns of its own.
    def _fetch(self, sql: bytes, *given: int | str) -> list:  # type: ignore[type-arg]
        def fetched(connection: Connection[Any]) -> list[Any]:
            with connection.transaction(), connection.cursor(binary=True, row_factory=tuple_row) as cursor:
                cursor.adapters.register_loader("text", ByteaBinaryLoader)
                connection.execute("SET LOCAL enable_sort = off")  # streams and pages are ranges of an index
                return cursor.execute(sql, given).fetchall()

        return self._datastore.patiently(fetched)

    def close(self) -> None:
        """Give the connections back."""
        self._datastore.close()


def _prepared(connection: Connection[Any]) -> None:
    connection.adapters.register_loader("text", ByteaBinaryLoader)  # as leaves need it: the bytes of a text
    connection.execute("SET enable_sort = off")  # pages are ranges of an index
