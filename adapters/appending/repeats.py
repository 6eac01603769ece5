"""What is refused for its time, but was recorded before: a clock that was set back changes no answer."""

from collections.abc import Mapping
from typing import Any

from adapters.codec import INT64_MAX, read_touchpoint
from adapters.log import Log
from domain.compiled import Appendable


def recorded_before(given: Mapping[str, Any], log: Log) -> Appendable | None:
    """What claims to have occurred in the future, as it is read at any time, if its id is known; else None.

    Whether it is the same touchpoint is then the log's to say.

    Raises:
        InvalidTouchpoint: something else is wrong with it.
        LogUnavailable: the log cannot be asked.
    """
    subject, source, name = (given.get(part) for part in ("subject", "source", "id"))
    if not (isinstance(subject, str) and isinstance(source, str) and isinstance(name, str)):
        return None
    return read_touchpoint(given, INT64_MAX, log.company) if log.find(subject, source, name) else None
