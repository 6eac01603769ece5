"""The rows of a SQLite log as an auditor reads them."""

from collections.abc import Iterator
from contextlib import closing

from adapters.addresses import read_sqlite_url
from adapters.audit.rows import Extent, LeafRow, Place, Row
from adapters.settings import LIMITS
from adapters.sqlite.datastore import connect, explained

_PAGE = """
SELECT number, stream, version, kind, recorded, recordedby, state, content_hmac, id, source, occurred
FROM touchpoints WHERE bucket = ? AND number > ? AND number <= ? ORDER BY number
"""

_LEAF_ROWS = """
SELECT number, stream, version, kind, recorded, recordedby, state, content_hmac
FROM touchpoints WHERE bucket = ? AND number > ? AND number <= ? ORDER BY number
"""

# Streams come and go as bytes, for a damaged text may be no UTF-8.
_LAST_STREAM = """
SELECT stream FROM touchpoints INDEXED BY touchpoints_stream WHERE bucket = ? AND stream > CAST(? AS TEXT)
ORDER BY stream LIMIT 1 OFFSET ?
"""

# All of it stands in the index. Two statements, for where an end may be missing the index is read to its own.
_PLACES = """
SELECT number, stream, version FROM touchpoints INDEXED BY touchpoints_stream
WHERE bucket = ? AND stream > CAST(? AS TEXT) AND stream <= CAST(? AS TEXT) ORDER BY stream, version
"""

_LAST_PLACES = """
SELECT number, stream, version FROM touchpoints INDEXED BY touchpoints_stream
WHERE bucket = ? AND stream > CAST(? AS TEXT) ORDER BY stream, version
"""

_STREAM = """
SELECT number, stream, version, kind, recorded, recordedby, state, content_hmac, id, source, occurred
FROM touchpoints WHERE bucket = ? AND stream = CAST(? AS TEXT) AND +number <= ? ORDER BY version
"""

# The plus keeps the count out of the indexes.
_EXTENTS = "SELECT +bucket, count(+number), max(+number) FROM touchpoints GROUP BY +bucket ORDER BY 1"


class SQLiteAuditRows:
    """Reads a log's table as it stands, whatever has been done to it."""

    def __init__(self, url: str) -> None:
        self._path = read_sqlite_url(url).path
        self._connection = connect(read_sqlite_url(url).reading, LIMITS.sqlite_lock_timeout_s)
        self._connection.text_factory = bytes
        self._connection.execute(f"PRAGMA cache_size = -{LIMITS.sqlite_cache_size_kib:d}")

    def page(self, bucket: int, after: int, last: int) -> list[Row]:
        """The rows of a bucket with numbers above `after`, up to `last`, by number."""
        return self._fetch(_PAGE, bucket, after, last)

    def leaf_rows(self, bucket: int, after: int, last: int) -> Iterator[list[LeafRow]]:
        """The same, what leaves are made of alone, a few at a time."""
        with explained(self._path), closing(self._connection.execute(_LEAF_ROWS, (bucket, after, last))) as cursor:
            while rows := cursor.fetchmany(LIMITS.read_page_touchpoints):
                yield rows

    def end_of_part(self, bucket: int, after: bytes, size: int) -> bytes | None:
        """The stream that holds the row that comes `size` after the streams up to `after`; None at the end."""
        found: list[tuple[bytes]] = self._fetch(_LAST_STREAM, bucket, after, size)
        return found[0][0] if found else None

    def places(self, bucket: int, after: bytes, last: bytes | None) -> list[Place]:
        """Where the touchpoints stand of the streams above `after`, up to `last` or the end; by stream and version."""
        if last is None:
            return self._fetch(_LAST_PLACES, bucket, after)
        return self._fetch(_PLACES, bucket, after, last)

    def stream(self, bucket: int, stream: bytes, last: int) -> list[Row]:
        """The rows of one stream with numbers up to `last`, by version."""
        return self._fetch(_STREAM, bucket, stream, last)

    def extents(self) -> list[Extent]:
        """What buckets there are, counted in the table itself and not in an index."""
        return list(map(Extent._make, self._fetch(_EXTENTS)))

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file: pages, and indexes that are not as their table."""
        found: list[tuple[bytes]] = self._fetch("PRAGMA integrity_check(3)")
        return [said.decode("utf-8", "replace") for (said,) in found if said != b"ok"]

    # Any, for each statement has columns of its own.
    def _fetch(self, sql: str, *given: int | bytes | None) -> list:  # type: ignore[type-arg]
        with explained(self._path), closing(self._connection.execute(sql, given)) as cursor:
            return cursor.fetchall()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
