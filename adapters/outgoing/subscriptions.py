"""Subscriptions as every database keeps them, beside the log: what is wanted where, how far it got, who is held back.

The cursor of a subscription passes what failed; a subject whose next touchpoint was not taken is held: it has a row
with the number of that touchpoint, and nothing of it is delivered but from there, in order. So one row for each subject
in trouble is all that is kept besides the log. Every writer names the revision that it read; whoever comes second
writes nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adapters.clock import clock_us
from adapters.cursor import Cursor
from adapters.outgoing.store import open_outgoing
from adapters.outgoing.wanted import Wanted
from adapters.statements import Run
from domain.errors import CursorInvalid, LifecircleError

_STANDING = """
    SELECT wanted, cursor, revision, paused, failures, next_us, delivered, answer, answered_us,
        (SELECT count(*) FROM held WHERE held.name = subscriptions.name AND parked = 1)
    FROM subscriptions WHERE $1 IN ('', name) ORDER BY name
"""
_ADD = "INSERT INTO subscriptions (name, wanted, cursor) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING name"
_REMOVE = "DELETE FROM subscriptions WHERE name = $1 RETURNING name"
_REMOVE_HELD = "DELETE FROM held WHERE name = $1"
_PAUSE = "UPDATE subscriptions SET paused = $2, failures = 0, next_us = 0 WHERE name = $1 RETURNING name"
_REPLAY = """
    UPDATE subscriptions SET cursor = $2, revision = revision + 1, failures = 0, next_us = 0
    WHERE name = $1 AND revision = $3 RETURNING name
"""
_TOUCH = "UPDATE subscriptions SET revision = revision + 1 WHERE name = $1 RETURNING name"
_SETTLE = """
    UPDATE subscriptions SET cursor = $3, revision = revision + 1, failures = $4, next_us = $5,
        delivered = delivered + $6, answer = CASE WHEN $7 = '' THEN answer ELSE $7 END,
        answered_us = CASE WHEN $7 = '' THEN answered_us ELSE $8 END, paused = CASE WHEN $9 = 1 THEN 1 ELSE paused END
    WHERE name = $1 AND revision = $2 RETURNING name
"""
_HELD = """
    SELECT subject, bucket, number, id, attempts, next_us, parked, answer, answered_us FROM held
    WHERE name = $1 ORDER BY next_us, subject
"""
_HOLD = """
    INSERT INTO held (name, subject, bucket, number, id, attempts, next_us, parked, answer, answered_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (name, subject) DO UPDATE SET number = excluded.number, id = excluded.id,
        attempts = excluded.attempts, next_us = excluded.next_us, parked = excluded.parked,
        answer = excluded.answer, answered_us = excluded.answered_us
"""
_FREE = "DELETE FROM held WHERE name = $1 AND subject = $2"


class SubscriptionExists(LifecircleError):
    """There is a subscription of this name already."""

    exit_code = 4


class UnknownSubscription(LifecircleError):
    """There is no subscription of this name, or no such subject is parked in it."""

    exit_code = 6


class DeliveryFenced(LifecircleError):
    """Another process delivers for this subscription, or has written what became of it meanwhile."""

    exit_code = 7


class Standing(NamedTuple):
    """How a subscription stands; times in microseconds since 1970 UTC.

    failures: how often in a row nobody's touchpoints were taken; next_us: before when nothing is tried; delivered: how
    many touchpoints were taken, repeats among them; answer: the last one; parked: how many subjects are.
    """

    wanted: Wanted
    cursor: str
    revision: int
    paused: bool
    failures: int
    next_us: int
    delivered: int
    answer: str
    answered_us: int | None
    parked: int

    @property
    def state(self) -> str:
        """In a word: delivering, waiting for its receiver, or paused."""
        return "paused" if self.paused else "waiting" if self.failures else "delivering"


class Held(NamedTuple):
    """A subject whose next touchpoint was not taken: which one that is, how often it was tried, what the answer was.

    A parked one is not tried again until it is released.
    """

    subject: str
    bucket: int
    number: int
    id: str
    attempts: int
    next_us: int
    parked: bool
    answer: str
    answered_us: int


class Settled(NamedTuple):
    """What became of a round: how far the cursor got, and who is held from now on, or no more."""

    cursor: Cursor
    delivered: int = 0
    failures: int = 0
    next_us: int = 0
    answer: str = ""
    gone: bool = False
    """Whether the receiver said that it is gone for good, upon which the subscription pauses."""
    hold: Sequence[Held] = ()
    free: Sequence[str] = ()


class Subscriptions:
    """The subscriptions to one log. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._database = open_outgoing(url)
        self.lead = self._database.lead
        self.close = self._database.close

    def add(self, wanted: Wanted, cursor: Cursor) -> None:
        """Begin a subscription with what comes after a cursor.

        Raises:
            SubscriptionExists: there is one of this name.
        """
        with self._database.transaction() as run:
            if not run(_ADD, wanted.name, wanted.model_dump_json(), str(cursor)):
                raise SubscriptionExists(
                    "there is a subscription of this name already",
                    where=wanted.name,
                    way_out="choose another name, or remove that one first",
                )

    def all(self) -> list[Standing]:
        """Every subscription, by name."""
        with self._database.transaction() as run:
            return _standing(run, "")

    def seen(self) -> list[Standing]:
        """Every subscription, by name, for who only looks: it makes nothing, and waits for nobody."""
        with self._database.reading() as run:
            return _standing(run, "") if run else []

    def get(self, name: str) -> Standing:
        """One subscription.

        Raises:
            UnknownSubscription: there is none of this name.
        """
        with self._database.transaction() as run:
            return _one(run, name)

    def held(self, name: str) -> list[Held]:
        """The subjects that are held back, the first that is due first."""
        with self._database.transaction() as run:
            return _held(run, name)

    def pause(self, name: str, *, paused: bool) -> None:
        """Let a subscription rest where it is, or go on.

        Raises:
            UnknownSubscription: there is none of this name.
        """
        with self._database.transaction() as run:
            if not run(_PAUSE, name, int(paused)):
                raise _unknown(name)

    def replay(self, name: str, cursor: Cursor, heads: Cursor) -> None:
        """Deliver again what comes after a cursor. Whoever is held with a touchpoint before it stays held.

        Raises:
            UnknownSubscription: there is none of this name. DeliveryFenced: it moved at this very moment.
            CursorInvalid: the cursor is ahead of the subscription's, so that touchpoints would be left out.
        """
        with self._database.transaction() as run:
            standing = _one(run, name)
            if not Cursor.read(standing.cursor, heads.log_id, len(heads.numbers)).reaches(cursor):
                raise CursorInvalid(
                    "this subscription has not come so far yet",
                    where=name,
                    rule="a replay goes back; ahead of the subscription it would leave touchpoints out",
                    way_out="name an earlier position",
                )
            if not run(_REPLAY, name, str(cursor), standing.revision):
                raise fenced(name)
            later = [held for held in _held(run, name) if held.number > cursor.numbers[held.bucket - 1]]
            run.many(_FREE, [(name, held.subject) for held in later])

    def release(self, name: str, subjects: Iterable[str], *, skip: bool) -> list[Held]:
        """Try parked subjects again, all where none is named; with `skip` from after the touchpoint that failed.

        Raises:
            UnknownSubscription: there is none of this name, or a subject named is not parked in it.
        """
        with self._database.transaction() as run:
            _one(run, name)
            parked = {held.subject: held for held in _held(run, name) if held.parked}
            chosen = list(dict.fromkeys(subjects)) or list(parked)
            if any(subject not in parked for subject in chosen):
                raise UnknownSubscription(
                    "a subject that was named is not parked in this subscription",
                    where=name,
                    way_out="list those that are: lifecircle subscription parked",
                )
            released = [parked[subject] for subject in chosen]
            run(_TOUCH, name)
            run.many(
                _HOLD,
                [
                    _row(name, held._replace(number=held.number + skip, attempts=0, next_us=0, parked=False))
                    for held in released
                ],
            )
            return released

    def settle(self, standing: Standing, became: Settled) -> None:
        """Write what became of a round, all or nothing.

        Raises:
            DeliveryFenced: somebody else wrote since the standing was read; the round is to be done again.
        """
        name = standing.wanted.name
        with self._database.transaction() as run:
            moved = run(
                _SETTLE,
                name,
                standing.revision,
                str(became.cursor),
                became.failures,
                became.next_us,
                became.delivered,
                became.answer,
                clock_us(),
                int(became.gone),
            )
            if not moved:
                raise fenced(name)
            run.many(_FREE, [(name, subject) for subject in became.free])
            run.many(_HOLD, [_row(name, held) for held in became.hold])

    def remove(self, name: str) -> None:
        """End a subscription, with all that is known of it.

        Raises:
            UnknownSubscription: there is none of this name.
        """
        with self._database.transaction() as run:
            run(_REMOVE_HELD, name)
            if not run(_REMOVE, name):
                raise _unknown(name)


def _standing(run: Run, name: str) -> list[Standing]:
    return [
        Standing(Wanted.model_validate_json(wanted), cursor, revision, bool(paused), *rest)
        for wanted, cursor, revision, paused, *rest in run(_STANDING, name)
    ]


def _one(run: Run, name: str) -> Standing:
    if not name or not (found := _standing(run, name)):
        raise _unknown(name)
    return found[0]


def _held(run: Run, name: str) -> list[Held]:
    return [held._replace(parked=bool(held.parked)) for held in map(Held._make, run(_HELD, name))]


def _row(name: str, held: Held) -> tuple[object, ...]:
    return (name, *held._replace(parked=int(held.parked)))  # type: ignore[arg-type]  # booleans are no integers there


def _unknown(name: str) -> UnknownSubscription:
    return UnknownSubscription(
        "there is no subscription of this name", where=name, way_out="list them: lifecircle subscription list"
    )


def fenced(name: str) -> DeliveryFenced:
    """The error for a second deliverer."""
    return DeliveryFenced(
        "another process delivers for this subscription",
        where=name,
        rule="one at a time does, and writes down how far it came",
        way_out="leave the work to it; should it end, another takes over within seconds",
    )
