"""How much each work does. Every size can be given on the command line: `append=50 growth=100000`."""

from dataclasses import dataclass, fields, replace
from typing import Self


@dataclass(frozen=True)
class Sizes:
    """Counts of touchpoints, unless they say otherwise."""

    alone: int = 500
    """Appended one by one by a single client."""

    append: int = 200
    """Appended by each of our concurrent producers."""

    append_peer: int = 40
    """Appended by each of a peer's producers, which need longer for one."""

    producers: int = 64
    """Concurrent producers."""

    processes: int = 8
    """Processes; the producers are shared out among them."""

    batches: int = 30
    """Batches of 1,000; ten times as many of 100 would be too many, so of 100 there are three times as many."""

    read: int = 100_000
    """Of a log that is read from end to end."""

    histories: int = 500
    """Customers whose histories are read, one after the other."""

    rebuild: int = 1_000_000
    """Of a log whose views are rebuilt."""

    rebuild_peer: int = 3_000
    """Of a log whose views the library's ProjectionRunner builds."""

    imported: int = 1_000_000
    """Rows of a file that is imported; each becomes a touchpoint."""

    growth: int = 1_000_000
    """Of the smaller of two logs; the larger has ten times as many."""

    long_life: int = 100_000
    """Of the one customer with the longest life."""

    rate: int = 1_000
    """Appended a second, where the rate is fixed."""

    rate_s: int = 10
    """For how many seconds."""

    commits: int = 500
    """Commits, or calls of fsync, one after the other."""

    copied: int = 200_000
    """Copied, inserted or scanned where only the database works."""

    sealed: int = 500_000
    """Of a log that is sealed and verified."""

    hot_s: int = 3
    """For how many seconds all producers append to one subject."""

    @classmethod
    def quick(cls) -> Self:
        """What ratios that are only compared with themselves can do with."""
        return cls(
            alone=100,
            append=40,
            append_peer=8,
            batches=6,
            read=10_000,
            histories=100,
            rebuild=20_000,  # one part: it needs no processes, whose start would be most of it
            rebuild_peer=400,
            imported=15_000,
        )

    def given(self, name: str, number: int) -> Self:
        """These sizes with one of them changed.

        Raises:
            ValueError: there is no size of this name, or it is less than 1.
        """
        if name not in (known := [field.name for field in fields(self)]) or number < 1:
            raise ValueError(f"{name}={number}: a size is one of {', '.join(known)}, and at least 1")
        return replace(self, **{name: number})
