"""The whole of a SQLite log, stream by stream, in parts that several processes can read."""

import sqlite3
from operator import attrgetter

from adapters.addresses import read_sqlite_url
from adapters.codec import Foldable, foldable_of
from adapters.cursor import Cursor
from adapters.log import bucket_of
from adapters.settings import LIMITS
from adapters.sqlite.datastore import connect
from adapters.views.sweep import Part

_LAST_STREAM = """
SELECT stream FROM touchpoints INDEXED BY touchpoints_stream WHERE bucket = ? AND stream > ?
ORDER BY stream LIMIT 1 OFFSET ?
"""

# By number, for so each page of the table is read once, in the order in which they lie in the file; stream by stream,
# each row would be on another. LIMIT -1 is none, but keeps SQLite from dropping the order.
# To SQLite a blob comes after all texts, so the last part has an end too: where one may be missing, the index is read
# to its own.
_PART = """
SELECT t.bucket, t.number, stream, version, occurred, recorded, state
FROM (
    SELECT number FROM touchpoints INDEXED BY touchpoints_stream
    WHERE bucket = ?1 AND stream > ?2 AND stream <= coalesce(?3, x'') AND number <= ?4 ORDER BY number LIMIT -1
) AS part CROSS JOIN touchpoints AS t
WHERE t.bucket = ?1 AND t.number = part.number
"""

_STREAM = """
SELECT bucket, number, stream, version, occurred, recorded, state
FROM touchpoints WHERE bucket = ? AND stream = ? AND number <= ? ORDER BY version
"""

_BY_STREAM = attrgetter("stream", "version")


class SQLiteSweep:
    """Reads a log in parts, each with all touchpoints of its streams within a cut."""

    def __init__(self, url: str) -> None:
        self._connection = connect(read_sqlite_url(url).reading, LIMITS.views_lock_wait_s)

    def end_of_part(self, bucket: int, after: str, size: int) -> str | None:
        """The stream that holds the touchpoint that comes `size` after the streams up to `after`; None at the end."""
        found = self._connection.execute(_LAST_STREAM, (bucket, after, size)).fetchone()
        return str(found[0]) if found else None

    def read(self, part: Part, cut: Cursor) -> list[Foldable]:
        """The touchpoints of a part within a cut, by stream and version."""
        numbers = (part.bucket, part.after, part.last, cut.numbers[part.bucket - 1])
        cursor: sqlite3.Cursor = self._connection.execute(_PART, numbers)
        return sorted(map(foldable_of, cursor), key=_BY_STREAM)

    def stream(self, subject: str, cut: Cursor) -> list[Foldable]:
        """One stream within a cut, by version."""
        bucket = bucket_of(subject, len(cut.numbers))
        numbers = (bucket, subject, cut.numbers[bucket - 1])
        return list(map(foldable_of, self._connection.execute(_STREAM, numbers)))

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
