"""What an export tells: effective histories, one after the other, or touchpoints as they were recorded."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import NamedTuple, TypeVar

import orjson

from adapters.addresses import open_reading
from adapters.copying import in_recorded_order
from adapters.cursor import Cursor
from adapters.data_subjects.opening import open_facts, open_states
from adapters.engine import Engine
from adapters.log import LINK_KINDS
from adapters.views.histories import Parked, histories
from adapters.views.replay import family_facts
from domain.errors import UnknownSubject
from domain.history import effective_histories, root_of
from domain.touchpoint import Fact

_OPENED_AT_ONCE = 1_000
"""About how many touchpoints are opened, and noted as opened, in one go."""

T = TypeVar("T")

Histories = Iterable[tuple[str, list[Fact]]]
"""Subjects, each with its effective history, oldest first."""


class Opening(NamedTuple):
    """That personal data is opened: what for, and by whom."""

    purpose: str
    by: str


class Told(NamedTuple):
    """What of a log is exported: all of it within a cut, or the family of one subject; sealed as it is, or opened."""

    engine: Engine
    cut: Cursor
    subject: str | None = None
    opening: Opening | None = None

    def histories(self, parked: Parked) -> Histories:
        """Effective histories; those that cannot be folded are told of.

        Raises:
            UnknownSubject: the log holds nothing of the subject.
            KeysUnusable: the keys are not to be had.
        """
        sealed = self._histories(parked)
        return self._opened(sealed) if self.opening else sealed

    def _opened(self, sealed: Histories) -> Histories:
        assert self.opening  # noqa: S101 - the caller looked
        for families in _batches(sealed, lambda family: len(family[1])):
            facts = [fact for _, history in families for fact in history]
            opened = iter(open_facts(self.engine, facts, **self.opening._asdict()))
            yield from ((root, list(islice(opened, len(history)))) for root, history in families)

    def _histories(self, parked: Parked) -> Histories:
        if self.subject is None:
            return histories(self.engine.log, self.engine.url, self.cut, parked)
        facts = family_facts(self.engine.log, self.subject, upto=self.cut)
        self._check(fact.stream for fact in facts)
        root = root_of(self.subject, facts)
        return [(root, effective_histories(facts).get(root, []))]

    def stored(self) -> Iterator[bytes]:
        """The stored bytes in the order of recording, a merge once though it stands in both streams.

        Raises:
            UnknownSubject: the log holds nothing of the subject.
            KeysUnusable: the keys are not to be had.
        """
        if not self.opening:
            yield from self._stored()
            return
        for states in _batches(self._stored(), lambda _: 1):
            yield from open_states(self.engine, states, **self.opening._asdict())

    def _stored(self) -> Iterator[bytes]:
        if self.subject is not None:
            yield from self._stored_of_family()
            return
        with closing(open_reading(self.engine.url)) as reading:
            for row in in_recorded_order(reading, self.cut):
                if row.kind not in LINK_KINDS or orjson.loads(row.state)["subject"] == row.stream:
                    yield row.state

    def _stored_of_family(self) -> Iterator[bytes]:
        assert self.subject is not None  # noqa: S101 - the caller looked
        facts = family_facts(self.engine.log, self.subject, upto=self.cut)
        self._check(fact.stream for fact in facts)
        streams = dict.fromkeys(fact.stream for fact in facts)
        found = [stored for stream in streams for stored in self.engine.log.stream(stream, self.cut)]
        for stored in sorted(found, key=lambda each: (each.recorded, each.bucket, each.number)):
            if stored.kind not in LINK_KINDS or orjson.loads(stored.state)["subject"] == stored.stream:
                yield stored.state

    def _check(self, streams: Iterable[str]) -> None:
        if self.subject not in set(streams):
            raise UnknownSubject(
                "the log holds no touchpoint of this subject", where=str(self.subject), way_out="check the id"
            )


def _batches(each: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    batch, count = list[T](), 0
    for one in each:
        batch.append(one)
        count += size(one)
        if count >= _OPENED_AT_ONCE:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch
