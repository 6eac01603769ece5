"""How touchpoints, receipts and times are told to programs: the same on the command line and over HTTP."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.cursor import Cursor
    from adapters.log import Receipt, Stored
    from domain.touchpoint import Fact


def iso(us: int) -> str:
    """Microseconds since 1970 UTC as ISO 8601."""
    seconds, rest = divmod(us, 1_000_000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest).isoformat().replace("+00:00", "Z")


def cloud_event(fact: "Fact") -> dict[str, Any]:
    """The CloudEvent as it counts at a moment, with what the log added."""
    return {
        **fact.envelope,
        "data": fact.data,
        "stream": fact.stream,
        "version": fact.version,
        "position": f"{fact.bucket}/{fact.number}",
        "recordedtime": iso(fact.recorded),
    }


def recorded_event(stored: "Stored", cursor: "Cursor | None" = None) -> dict[str, Any]:
    """The CloudEvent as it was recorded, with what the log added, and to who follows the cursor to go on from."""
    told: dict[str, Any] = {
        **orjson.loads(stored.state),
        "stream": stored.stream,
        "version": stored.version,
        "position": f"{stored.bucket}/{stored.number}",
        "recordedtime": iso(stored.recorded),
        "recordedby": stored.recordedby,
    }
    return told if cursor is None else {**told, "cursor": str(cursor)}


# All that are stored together were recorded at one time.
_recorded = lru_cache(8)(iso)


def receipt(given: "Receipt") -> dict[str, Any]:
    """The log's answer to one touchpoint."""
    return {
        "subject": given.stream,
        "version": given.version,
        "position": f"{given.bucket}/{given.number}",
        "recorded": _recorded(given.recorded),
        "sha256": given.digest.hex(),
        "repeat": given.repeat,
    }
