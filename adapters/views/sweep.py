"""Reading a whole log stream by stream, in parts that several processes can read at once."""

from typing import NamedTuple, Protocol

from adapters.addresses import extended_class_of
from adapters.codec import Foldable
from adapters.cursor import Cursor


class Part(NamedTuple):
    """The streams of one bucket that come after `after`, up to `last`; None is the end.

    Bucket 0 stands for the families that merges joined, each at its first stream.
    """

    bucket: int
    after: str
    last: str | None


class Sweep(Protocol):
    """Reads a log in parts, each with all touchpoints of its streams within a cut."""

    def end_of_part(self, bucket: int, after: str, size: int) -> str | None:
        """The stream that holds the touchpoint that comes `size` after the streams up to `after`; None at the end."""
        ...

    def read(self, part: Part, cut: Cursor) -> list[Foldable]:
        """The touchpoints of a part within a cut, by stream and version."""
        ...

    def stream(self, subject: str, cut: Cursor) -> list[Foldable]:
        """One stream within a cut, by version."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


def open_sweep(url: str) -> Sweep:
    """Begin to read the log at an address, stream by stream."""
    sweep: Sweep = extended_class_of(url, "Sweep", ".sweep")(url)
    return sweep
