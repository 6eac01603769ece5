"""The audit trail: what a log noted of itself, whose data left the house, and who wrote in whose name."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from adapters.audit.causes import scan
from adapters.log import Log, Stored
from adapters.notes import log_subject
from adapters.progress import Progress, unseen
from domain.kinds.circle import DataExported, PersonalDataErased
from domain.kinds.log_itself import (
    AccessDenied,
    KeyDestroyed,
    KeyRotated,
    PersonalDataOpened,
    RowQuarantined,
    RowReleased,
    TouchpointRefused,
)
from domain.touchpoint import Touchpoint

NOTES: dict[str, tuple[type[Touchpoint], ...]] = {
    "refused": (TouchpointRefused,),
    "quarantined": (RowQuarantined,),
    "released": (RowReleased,),
    "opened": (PersonalDataOpened,),
    "denied": (AccessDenied,),
    "keys": (KeyRotated, KeyDestroyed),
}
"""What an auditor asks for, and the kinds that the log notes it by under its own subject."""

HANDED_OVER: dict[str, tuple[type[Touchpoint], ...]] = {"exported": (DataExported,), "erased": (PersonalDataErased,)}
"""The same, of what is recorded under the subjects that it happened to; to find it the whole log is read."""


class Happening(NamedTuple):
    """One line of the trail: who did what with whom; `recorded` in microseconds since 1970 UTC.

    `by` was authenticated, and `actor` is whom that one said to act for.
    """

    recorded: int
    what: str
    by: str
    actor: str
    subject: str
    about: dict[str, Any]
    position: str


class Writer(NamedTuple):
    """A principal that was authenticated, whom it claimed to write for, and how often; times in µs since 1970 UTC."""

    recordedby: str
    actor: str
    source: str
    touchpoints: int
    first_at: int
    last_at: int


def trail(log: Log, asked: str | None, subject: str | None = None, on_progress: Progress = unseen) -> list[Happening]:
    """What happened, in the order in which it was recorded: of one sort, or of all.

    Args:
        log: whose trail it is.
        asked: a name in `NOTES` or `HANDED_OVER`; None for all.
        subject: only what concerns this subject, as whose data was read, handed out or erased.
        on_progress: told how much of the log is read, where it must be.
    """
    own, others = _kinds(NOTES, asked), _kinds(HANDED_OVER, asked)
    found = list(_happenings(log.stream(log_subject(log.log_id)), own)) if own else []
    if others:
        found += _happenings(scan(log, on_progress), others)
    return sorted((each for each in found if subject in (None, each.subject)), key=lambda each: each.recorded)


def _kinds(sorts: dict[str, tuple[type[Touchpoint], ...]], asked: str | None) -> set[str]:
    return {kind.kind for name, kinds in sorts.items() if asked in (None, name) for kind in kinds}


def _happenings(rows: Iterable[Stored], kinds: set[str]) -> Iterator[Happening]:
    for row in rows:
        if row.kind in kinds:
            envelope = orjson.loads(row.state)
            about, actor = envelope["data"], envelope.get("actor", "")
            whose = about.pop("person", None) or ("" if row.stream.startswith("log/") else row.stream)
            yield Happening(row.recorded, row.kind, row.recordedby, actor, whose, about, f"{row.bucket}/{row.number}")


def writers(log: Log, subject: str | None = None, on_progress: Progress = unseen) -> list[Writer]:
    """Who really wrote, against whom they claimed, over one subject's stream or the whole log."""
    found: dict[tuple[str, str, str], tuple[int, int, int]] = {}
    for row in scan(log, on_progress) if subject is None else log.stream(subject):
        actor = orjson.loads(row.state).get("actor", "") if b'"actor":"' in row.state else ""
        count, first, last = found.get((row.recordedby, actor, row.source), (0, row.recorded, row.recorded))
        found[row.recordedby, actor, row.source] = (count + 1, min(first, row.recorded), max(last, row.recorded))
    return [Writer(*names, *figures) for names, figures in sorted(found.items())]
