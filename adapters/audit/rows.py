"""The rows of a log as an auditor reads them: every column, texts as bytes, many at once and without objects."""

from typing import NamedTuple, Protocol

Row = tuple[int, bytes, int, bytes, int, bytes, bytes, bytes | None]
"""Number, stream, version, kind, recorded, recordedby, stored bytes, HMAC of the content: what a leaf is made of."""

WholeRow = tuple[int, bytes, int, bytes, int, bytes, bytes, bytes | None, bytes, bytes, int]
"""The same, and id, source, occurred: what the stored bytes say once more."""


class Extent(NamedTuple):
    """How many rows a bucket has, and its highest number."""

    bucket: int
    rows: int
    last: int


class AuditRows(Protocol):
    """Reads a log's table as it stands, whatever has been done to it."""

    def page(self, bucket: int, after: int, last: int) -> list[Row]:
        """The rows of a bucket with numbers above `after`, up to `last`, by number."""
        ...

    def end_of_part(self, bucket: int, after: bytes, size: int) -> bytes | None:
        """The stream that holds the row that comes `size` after the streams up to `after`; None at the end."""
        ...

    def part(self, bucket: int, after: bytes, last: bytes | None) -> list[WholeRow]:
        """The rows of the streams of a bucket above `after`, up to `last` or the end, by stream and version."""
        ...

    def stream(self, bucket: int, stream: bytes, last: int) -> list[WholeRow]:
        """The rows of one stream with numbers up to `last`, by version."""
        ...

    def extents(self) -> list[Extent]:
        """What buckets there are, counted in the table itself and not in an index."""
        ...

    def damage(self) -> list[str]:
        """What the database finds wrong with its own table and indexes."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...
