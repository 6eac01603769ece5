"""What is refused for its time, but was recorded before: a clock that was set back changes no answer."""

from collections.abc import Mapping
from typing import Any

from adapters.codec import INT64_MAX, read_touchpoint
from adapters.log import Log
from domain.compiled import Appendable
from domain.errors import TimeInFuture


def read_arrived(given: Mapping[str, Any], clock_us: int, log: Log) -> Appendable:
    """Validate one touchpoint from outside, or what claims to have occurred in the future and has an id that is known.

    Whether that is the same touchpoint is then the log's to say.

    Raises:
        As `codec.read_touchpoint`; LogUnavailable: the log cannot be asked.
    """
    try:
        return read_touchpoint(given, clock_us, log.company)
    except TimeInFuture:
        if not _is_known(given, log):
            raise
        return read_touchpoint(given, INT64_MAX, log.company)


async def read_arrived_async(given: Mapping[str, Any], clock_us: int, log: Log) -> Appendable:
    """The same from a task of an event loop, which does not wait for the log to be asked."""
    try:
        return read_touchpoint(given, clock_us, log.company)
    except TimeInFuture:
        from asyncio import to_thread  # which a command line need not wait for

        return await to_thread(read_arrived, given, clock_us, log)


def _is_known(given: Mapping[str, Any], log: Log) -> bool:
    subject, source, name = (given.get(part) for part in ("subject", "source", "id"))
    if not (isinstance(subject, str) and isinstance(source, str) and isinstance(name, str)):
        return False
    return log.find(subject, source, name) is not None
