"""Reading a whole log stream by stream, in parts that several processes can read at once."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from adapters.log import Cursor, Stored


class Part(NamedTuple):
    """The streams of one bucket that come after `after`, up to `last`; None is the end."""

    bucket: int
    after: str
    last: str | None


class Sweep(Protocol):
    """Reads a log in parts, each with all touchpoints of its streams within a cut."""

    def parts(self, cut: Cursor, size: int) -> Iterator[Part]:
        """Parts of about `size` touchpoints each, or of one stream that is larger."""
        ...

    def read(self, part: Part, cut: Cursor) -> list[Stored]:
        """The touchpoints of a part within a cut, by stream and version."""
        ...

    def stream(self, subject: str, cut: Cursor) -> list[Stored]:
        """One stream within a cut, by version."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...
