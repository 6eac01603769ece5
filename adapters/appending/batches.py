"""Batches on their way into a log: what each holds, and how far they can go without a decision."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from adapters.appending.door import needs_deciding
from adapters.log import Group
from adapters.privacy.sealing import Sealing
from domain.compiled import Appendable
from domain.errors import Refused


class Undecided(NamedTuple):
    """Touchpoints of one subject that must be decided on its history first."""

    touchpoints: Sequence[Appendable]


# A batch holds thousands of them, and this makes them without going through Python.
_group = partial(tuple.__new__, Group)
_NOTHING_EXPECTED: dict[str, int] = {}

Entry = Group | Undecided | Refused
Batch = list[Entry]


def encoded(groups: Iterable[Sequence[Appendable]], sealing: Sealing, recordedby: str) -> Batch:
    """Encode a batch of groups for the log.

    Each is encoded as it comes, and its envelopes are let go: of thousands alive at once the garbage collector walks
    every field again and again, which costs as much as to validate them. Only what waits for a key is kept.
    """
    batch: Batch = []
    unkeyed: dict[int, Sequence[Appendable]] = {}
    for touchpoints in groups:
        entry = _entry(touchpoints, sealing, recordedby)
        if entry is None:
            unkeyed[len(batch)] = touchpoints
            entry = Undecided(touchpoints)  # holds its place
        batch.append(entry)
    sealing.fetch(chain.from_iterable(unkeyed.values()))
    for place, touchpoints in unkeyed.items():
        batch[place] = _entry(touchpoints, sealing, recordedby) or batch[place]
    return batch


def _entry(touchpoints: Sequence[Appendable], sealing: Sealing, recordedby: str) -> Entry | None:
    """What touchpoints are on their way into the log; None where a key must be fetched first."""
    if needs_deciding(touchpoints, strict=False):
        return None if sealing.lacking(touchpoints) else Undecided(touchpoints)
    try:
        if len(touchpoints) == 1:  # nearly always
            draft = sealing.draft_at_hand(touchpoints[0], recordedby)
            return _group(((draft,), _NOTHING_EXPECTED)) if draft else None
        if sealing.lacking(touchpoints):
            return None
        return Group(tuple([sealing.draft(touchpoint, recordedby) for touchpoint in touchpoints]))
    except Refused as refusal:
        return refusal


class Run:
    """The next batches in which nothing must be decided, as the log takes them.

    `taken` are those that it took and that were not answered yet; `stopped_at` is the one that something stands in that
    must be decided, if that ended the run.
    """

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.taken: deque[Batch] = deque()
        self.stopped_at: Batch | None = None
        self._batches = batches

    def __iter__(self) -> Iterator[list[Group]]:
        for batch in self._batches:
            if any(isinstance(entry, Undecided) for entry in batch):
                self.stopped_at = batch
                return
            self.taken.append(batch)
            yield [entry for entry in batch if isinstance(entry, Group)]
