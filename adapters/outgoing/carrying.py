"""Subscriptions on their way with a log that is copied, backed up or restored."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any, NamedTuple

from adapters.addresses import open_log
from adapters.copying import translated
from adapters.log import Log, bucket_of
from adapters.outgoing.signing import Secrets
from adapters.outgoing.store import open_outgoing
from adapters.statements import Run

_SUBSCRIPTIONS = "SELECT name, wanted, cursor, paused, delivered FROM subscriptions ORDER BY name"
_HELD = """
    SELECT name, subject, bucket, number, id, attempts, next_us, parked, answer, answered_us FROM held
    ORDER BY name, subject
"""
_PUT = "INSERT INTO subscriptions (name, wanted, cursor, paused, delivered) VALUES ($1, $2, $3, $4, $5)"
_PUT_HELD = """
    INSERT INTO held (name, subject, bucket, number, id, attempts, next_us, parked, answer, answered_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


class Carried(NamedTuple):
    """What is wanted where and how far it got, and who is held back: rows of the two tables."""

    subscriptions: list[tuple[Any, ...]]
    held: list[tuple[Any, ...]]

    @classmethod
    def of_log(cls, url: str) -> "Carried":
        """Those of the log at an address; none where there never was one."""
        with closing(open_outgoing(url)) as outgoing:
            if not outgoing.there:
                return cls([], [])
            with outgoing.transaction() as run:
                return cls._read(run)

    @classmethod
    def _read(cls, run: Run) -> "Carried":
        return cls(run(_SUBSCRIPTIONS), run(_HELD))

    def put(self, url: str) -> bool:
        """Keep them with the log at an address; False, and nothing is kept, where it has others."""
        if not self.subscriptions:
            return Carried.of_log(url) == self
        with closing(open_outgoing(url)) as outgoing, outgoing.transaction() as run:
            if (found := self._read(run)).subscriptions:
                return found == self
            run.many(_PUT, self.subscriptions)
            run.many(_PUT_HELD, self.held)
            return True

    def secrets(self, url: str) -> Iterable[Secrets]:
        """Their secrets, where those lie that go to webhooks with the log at an address."""
        return (Secrets(url, name) for name, *_ in self.subscriptions)


def carry(source_url: str, target_url: str) -> list[str]:
    """Let the subscriptions of a log come along to its copy, where each rests until it is resumed; answer their names.

    The log before may go on delivering, and no receiver asked for both.
    """
    found = Carried.of_log(source_url)
    if not found.subscriptions:
        return []
    with closing(open_log(source_url)) as source, closing(open_log(target_url)) as target:
        moved = [
            (name, wanted, str(translated(target_url, target, cursor)), 1, delivered)
            for name, wanted, cursor, _, delivered in found.subscriptions
        ]
        held = [(*row[:2], *_place(source, target, *row[1:4]), *row[4:]) for row in found.held]
    Carried(moved, held).put(target_url)
    return [name for name, *_ in moved]


def _place(source: Log, target: Log, subject: str, bucket: int, number: int) -> tuple[int, int]:
    """Where the first touchpoint of a subject at or behind a position of one log stands in its copy."""
    version = next(
        (row.version for row in source.stream(subject) if (row.bucket, row.number) >= (bucket, number)), None
    )
    at = bucket_of(subject, target.buckets)
    found = [row.number for row in target.stream(subject) if row.version == version]
    return at, found[0] if found else target.heads().numbers[at - 1] + 1
