"""What an export tells: effective histories, one after the other, or touchpoints as they were recorded."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import orjson

from adapters.addresses import open_reading
from adapters.copying import in_recorded_order
from adapters.engine import Engine
from adapters.histories import Parked, histories
from adapters.log import LINK_KINDS, Cursor
from adapters.replay import family_facts
from domain.errors import UnknownSubject
from domain.history import effective_histories, root_of
from domain.touchpoint import Fact

Histories = Iterable[tuple[str, list[Fact]]]
"""Subjects, each with its effective history, oldest first."""


class Told(NamedTuple):
    """What of a log is exported: all of it within a cut, or the family of one subject."""

    engine: Engine
    cut: Cursor
    subject: str | None = None

    def histories(self, parked: Parked) -> Histories:
        """Effective histories; those that cannot be folded are told of.

        Raises:
            UnknownSubject: the log holds nothing of the subject.
        """
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
        """
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
