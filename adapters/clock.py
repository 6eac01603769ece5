"""What time it is, for whatever the log writes down."""

from time import time_ns


def clock_us() -> int:
    """Now, in microseconds since 1970 UTC."""
    return time_ns() // 1_000
