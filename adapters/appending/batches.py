"""Batches on their way into a log: what each holds, and how far they can go without a decision."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from adapters.log import Group
from domain.errors import Refused
from domain.touchpoint import Envelope


class Undecided(NamedTuple):
    """Touchpoints of one subject that must be decided on its history first."""

    touchpoints: Sequence[Envelope]


Entry = Group | Undecided | Refused
Batch = list[Entry]


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
