"""The rows of a log as an auditor reads them: every column, texts as bytes, many at once and without objects."""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from adapters.addresses import class_of

Row = tuple[int, bytes, int, bytes, int, bytes, bytes, bytes | None, bytes, bytes, int]
"""Number, stream, version, kind, recorded, recordedby, stored bytes, HMAC of the content, which a leaf is made of; and
id, source, occurred, which the stored bytes say once more."""

LEAF_COLUMNS: Final = 8
"""How many of them make the leaf."""

LeafRow = tuple[int, bytes, int, bytes, int, bytes, bytes, bytes | None]
"""These alone."""

Place = tuple[int, bytes, int]
"""Number, stream and version: where a touchpoint stands."""

LOWEST = -(2**63)
"""Below every number that a damaged column may hold."""


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

    def leaf_rows(self, bucket: int, after: int, last: int) -> Iterator[list[LeafRow]]:
        """The same, what leaves are made of alone, a few at a time: the next come while those before are used."""
        ...

    def end_of_part(self, bucket: int, after: bytes, size: int) -> bytes | None:
        """The stream that holds the row that comes `size` after the streams up to `after`; None at the end."""
        ...

    def places(self, bucket: int, after: bytes, last: bytes | None) -> list[Place]:
        """Where the touchpoints stand of the streams above `after`, up to `last` or the end; by stream and version."""
        ...

    def stream(self, bucket: int, stream: bytes, last: int) -> list[Row]:
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


def open_audit_rows(url: str) -> AuditRows:
    """Begin to read the rows of the log at an address, every column of them, as they are."""
    rows: AuditRows = class_of(url, "AuditRows", ".audit")(url)
    return rows
