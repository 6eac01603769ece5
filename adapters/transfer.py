"""A log read whole, and one written whole: what each database offers to those who copy, back up and restore."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol


class Row(NamedTuple):
    """One touchpoint with every column that the log has for it."""

    bucket: int
    number: int
    stream: str
    version: int
    kind: str
    id: str | None
    source: str | None
    occurred: int | None
    recorded: int
    recordedby: str | None
    state: bytes
    content_hmac: bytes | None


class Reading(Protocol):
    """The tables of one log, read whole."""

    def touchpoints(self, bucket: int, upto: int) -> Iterator[Row]:
        """The touchpoints of a bucket by number, up to a number."""
        ...

    def table(self, name: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
        """The columns and the rows of a table that lies beside them."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Writing(Protocol):
    """A log that is being made, in one transaction that nobody sees before its end."""

    log_id: bytes

    def write(self, rows: Iterable[Row]) -> None:
        """Write touchpoints under the positions that they carry."""
        ...

    def touchpoints(self, bucket: int, upto: int) -> Iterator[Row]:
        """What was written to a bucket, by number."""
        ...

    def fill(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write rows of a table that lies beside the touchpoints."""
        ...


NewLog = AbstractContextManager[Writing]
"""There is a log after the block, whole; or after an error none."""
