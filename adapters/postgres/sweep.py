"""The whole of a PostgreSQL log, stream by stream, in parts that several processes can read."""

import psycopg

from adapters.codec import Foldable, foldable_of
from adapters.cursor import Cursor
from adapters.log import bucket_of
from adapters.settings import LIMITS
from adapters.views.sweep import Part

_LAST_STREAM = """
SELECT stream FROM lifecircle.touchpoints WHERE bucket = %s AND stream > %s ORDER BY stream LIMIT 1 OFFSET %s
"""

_PART = """
SELECT bucket, number, stream, version, occurred, recorded, state
FROM lifecircle.touchpoints WHERE bucket = %s AND stream > %s AND number <= %s ORDER BY stream, version
"""

_PART_UPTO = """
SELECT bucket, number, stream, version, occurred, recorded, state
FROM lifecircle.touchpoints WHERE bucket = %s AND stream > %s AND number <= %s AND stream <= %s
ORDER BY stream, version
"""

_STREAM = """
SELECT bucket, number, stream, version, occurred, recorded, state
FROM lifecircle.touchpoints WHERE bucket = %s AND stream = %s AND number <= %s ORDER BY version
"""


class PostgresSweep:
    """Reads a log in parts, each with all touchpoints of its streams within a cut."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, connect_timeout=LIMITS.postgres_connect_s)
        # A part is a range of the index, also on a table without statistics.
        self._connection.execute("SET enable_seqscan = off")
        self._connection.execute("SET enable_sort = off")
        self._connection.execute("SET enable_bitmapscan = off")

    def end_of_part(self, bucket: int, after: str, size: int) -> str | None:
        """The stream that holds the touchpoint that comes `size` after the streams up to `after`; None at the end."""
        found = self._connection.execute(_LAST_STREAM, (bucket, after, size)).fetchone()
        return str(found[0]) if found else None

    def read(self, part: Part, cut: Cursor) -> list[Foldable]:
        """The touchpoints of a part within a cut, by stream and version."""
        begin = (part.bucket, part.after, cut.numbers[part.bucket - 1])
        with self._connection.cursor(binary=True) as cursor:
            if part.last is None:
                cursor.execute(_PART, begin)
            else:
                cursor.execute(_PART_UPTO, (*begin, part.last))
            # All at once, for a cursor hands out rows one by one in Python.
            return list(map(foldable_of, cursor.fetchall()))

    def stream(self, subject: str, cut: Cursor) -> list[Foldable]:
        """One stream within a cut, by version."""
        bucket = bucket_of(subject, len(cut.numbers))
        numbers = (bucket, subject, cut.numbers[bucket - 1])
        return list(map(foldable_of, self._connection.execute(_STREAM, numbers)))

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
