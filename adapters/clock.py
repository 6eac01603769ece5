"""What time it is, for whatever the log writes down."""

from datetime import UTC, datetime
from time import time_ns


def clock_us() -> int:
    """Now, in microseconds since 1970 UTC."""
    return time_ns() // 1_000


def now() -> datetime:
    """The same as an aware time."""
    return datetime.fromtimestamp(clock_us() / 1_000_000, UTC)
