"""What whoever watches a log asks of its database."""

from typing import Protocol


class Watched(Protocol):
    """A log that can be watched. Every log is one."""

    def check(self) -> None:
        """Look once, without patience, whether the database answers and can be written.

        Raises:
            LogUnavailable: it does not. LogNotWritable: it cannot. NotOurLog: something else stands in its place.
        """
        ...

    def in_quarantine(self) -> int:
        """How many rows wait in quarantine."""
        ...
