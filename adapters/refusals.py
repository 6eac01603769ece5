"""What was refused, noted under the log's own subject: after the answer, without a value, and only so many a minute.

Whoever is refused never waits for the note, and cannot fill the log: beyond a number of notes a minute, refusals are
counted, and one note a minute stands for all of one rule and one principal.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from threading import Condition, Thread
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

from adapters.clock import clock_us
from adapters.codec import draft_of
from adapters.log import Group, Log
from adapters.notes import note
from adapters.settings import LIMITS
from domain.compiled import Appendable
from domain.errors import LifecircleError, Refused
from domain.identifiers import may_be_id
from domain.kinds.log_itself import AccessDenied, TouchpointRefused
from domain.touchpoint import KINDS, Touchpoint

_MINUTE_S = 60.0


class _Waiting(NamedTuple):
    about: Touchpoint
    recordedby: str
    at_us: int


class Refusals:
    """The refusals of one process that has a log open."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._changed = Condition()
        self._waiting: list[_Waiting] = []
        self._counted: Counter[tuple[str, str]] = Counter()
        self._minute, self._left = monotonic(), LIMITS.refusals_noted_per_minute
        self._writer: Thread | None = None
        self._closed = False

    def note(self, error: Refused, recordedby: str, kind: Any = None, id: Any = None) -> None:  # noqa: A002 - the envelope's own word
        """Have a refusal noted soon; what it claimed to be may be anything that a producer sent.

        Of its values nothing is kept but the digest of its id, where that could be one: an e-mail address or a phone
        number that was sent as an id would be found by trying. Its kind is, where it is one that the log knows.
        """
        digest = (
            sha256(id.encode("utf-8", "surrogatepass")).hexdigest() if isinstance(id, str) and may_be_id(id) else None
        )
        known = kind if isinstance(kind, str) and kind in KINDS else None
        self._keep(TouchpointRefused(rule=error.name, refused_kind=known, id_digest=digest), error.name, recordedby)

    def note_denied(self, route: str, need: str, recordedby: str) -> None:
        """Have it noted that a principal asked for what it has no right to: by which route, and what was missing."""
        self._keep(AccessDenied(route=route, need=need), AccessDenied.kind, recordedby)

    def _keep(self, about: Touchpoint, rule: str, recordedby: str) -> None:
        with self._changed:
            if self._closed:
                return
            if monotonic() - self._minute >= _MINUTE_S:
                self._minute, self._left = monotonic(), LIMITS.refusals_noted_per_minute
            if self._left:
                self._left -= 1
                self._waiting.append(_Waiting(about, recordedby, clock_us()))
            else:
                self._counted[rule, recordedby] += 1
            if self._writer is None:
                self._writer = Thread(target=self._write, name="refusals", daemon=True)
                self._writer.start()

    def note_append(self, refusal: Refused, touchpoints: Sequence[Appendable], recordedby: str) -> None:
        """Have it noted that touchpoints which were sent together were refused; the first stands for all."""
        first = touchpoints[0] if touchpoints else None
        self.note(refusal, recordedby, first and first.type, first and first.id)

    def note_all(self, verdicts: Sequence[object], groups: Sequence[Sequence[Appendable]], recordedby: str) -> None:
        """Have those noted that are refusals among the verdicts of some groups."""
        for verdict, group in zip(verdicts, groups, strict=True):
            if isinstance(verdict, Refused):
                self.note_append(verdict, group, recordedby)

    def close(self) -> None:
        """Note what is left, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()

    def _write(self) -> None:
        counted_since = monotonic()
        while True:
            with self._changed:
                closed = self._changed.wait_for(lambda: self._closed, LIMITS.refusals_pause_s)
                refusals, counts = list(self._waiting), Counter[tuple[str, str]]()
                if closed or monotonic() - counted_since >= _MINUTE_S:
                    counted_since, counts = monotonic(), self._counted.copy()
            noted = self._noted(refusals, counts)
            with self._changed:
                if noted:
                    del self._waiting[: len(refusals)]
                    self._counted -= counts
                elif closed:
                    _tell_of_lost(len(refusals) + counts.total())
            if closed:
                return

    def _noted(self, waiting: Sequence[_Waiting], counts: "Counter[tuple[str, str]]") -> bool:
        """Whether all of them stand in the log now; where it cannot be reached they wait."""
        now_us, groups = clock_us(), list[Group]()
        summed = [
            _Waiting(TouchpointRefused(rule=rule, times=count), by, now_us) for (rule, by), count in counts.items()
        ]
        for about, recordedby, at_us in (*waiting, *summed):
            said = note(self._log.log_id, f"refused-{uuid4().hex}", about, at_us=at_us)
            groups.append(Group((draft_of(said, recordedby),)))
        try:
            if groups:
                self._log.append(groups)
        except LifecircleError:
            return False
        return True


def _tell_of_lost(count: int) -> None:
    import structlog  # here: a quarter of the time that a command takes to start

    structlog.wrap_logger(structlog.PrintLogger(sys.stderr)).warning("refusals could not be noted", count=count)
