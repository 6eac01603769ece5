"""The deliverer of one subscription: follows the log from its cursor, in rounds, and loses nothing to a kill.

A round takes what is due of subjects that are held, and a page of the log. Subjects are delivered to side by side, each
one's touchpoints in their order, up to the first that is not taken. Then all that became of it is written at once; a
process that is killed before that delivers the same again, under the same ids.

Who is to blame for a failure? If nobody got through in a round of several subjects, the receiver: then all of it waits,
ever longer, and nothing is held against a subject. Otherwise the subject, which is held, tried again after pauses that
double, and at last parked.
"""

import asyncio
from collections.abc import Iterable, Sequence
from secrets import SystemRandom
from typing import NamedTuple

import structlog

from adapters.clock import clock_us
from adapters.cursor import Cursor
from adapters.feed import Feed
from adapters.log import Log, Stored
from adapters.outgoing.receiver import Answer, Receiver, deliveries
from adapters.outgoing.subscriptions import Held, Settled, Standing, Subscriptions
from adapters.settings import LIMITS

_SECOND_US = 1_000_000

_log = structlog.get_logger("lifecircle.outgoing")
_random = SystemRandom()


class _Lane(NamedTuple):
    """What is to be delivered of one subject, in its order; `held` where an earlier attempt failed.

    `more` is the first touchpoint after them that is already behind the cursor.
    """

    subject: str
    touchpoints: Sequence[Stored]
    held: Held | None = None
    more: Stored | None = None


class _Outcome(NamedTuple):
    """How far a lane got: how many touchpoints were taken, and the last answer; None where nothing was tried."""

    lane: _Lane
    taken: int
    answer: Answer | None

    @property
    def complete(self) -> bool:
        return self.taken == len(self.lane.touchpoints)


class Deliverer:
    """Delivers for one subscription, which the caller leads."""

    def __init__(self, log: Log, subscriptions: Subscriptions, name: str, receiver: Receiver, feed: Feed) -> None:
        self._log = log
        self._subscriptions = subscriptions
        self._name = name
        self._receiver = receiver
        self._feed = feed

    async def round(self, *, wait: bool) -> bool:
        """Do all that is to be done now, or wait a moment for it; answer whether there was anything.

        Raises:
            UnknownSubscription: it was removed. DeliveryFenced: somebody else wrote meanwhile.
            LogUnavailable: a database was lost. CursorInvalid: the log is another one.
        """
        standing = await asyncio.to_thread(self._subscriptions.get, self._name)
        now, pause_s = clock_us(), LIMITS.relay_look_s if wait else 0.0
        if standing.paused or _waits(standing.next_us, now):
            await asyncio.sleep(min(pause_s, max(0.0, (standing.next_us - now) / _SECOND_US) or pause_s))
            return False
        cursor = Cursor.read(standing.cursor, self._log.log_id, self._log.buckets)
        held = await asyncio.to_thread(self._subscriptions.held, self._name)
        waiting = [each for each in held if not each.parked]
        due = [each for each in waiting if not _waits(each.next_us, now)][: LIMITS.outgoing_page_max]
        if due:
            pause_s = 0.0
        elif waiting:
            pause_s = min(pause_s, (waiting[0].next_us - now) / _SECOND_US)
        page = await self._feed.after(cursor, LIMITS.outgoing_page_max, pause_s)
        if not due and not page:
            return False
        lanes = [await asyncio.to_thread(self._held_lane, standing, cursor, each) for each in due]
        lanes += _lanes(standing, page, {each.subject for each in held})
        for stored in page:
            cursor = cursor.advanced(stored.bucket, stored.number)
        outcomes = await self._delivered(lanes, standing.wanted.batch)
        became = _settled(standing, outcomes, cursor, stopping=self._feed.ended)
        await asyncio.to_thread(self._subscriptions.settle, standing, became)
        for each in became.hold:
            if each.parked:
                _log.warning("subject parked", subscription=self._name, touchpoint=each.id, answer=each.answer)
        if became.failures or became.gone:
            _log.warning("receiver does not take anything", subscription=self._name, answer=became.answer)
        return True

    def _held_lane(self, standing: Standing, cursor: Cursor, held: Held) -> _Lane:
        behind = [
            stored
            for stored in self._log.stream(held.subject, cursor)
            if stored.number >= held.number and standing.wanted.takes(stored)
        ]
        most = LIMITS.outgoing_page_max
        return _Lane(held.subject, behind[:most], held, behind[most] if len(behind) > most else None)

    async def _delivered(self, lanes: Sequence[_Lane], batch: int) -> list[_Outcome]:
        """Deliver lanes side by side; those that have not begun when the first all failed are not tried."""
        places = asyncio.Semaphore(LIMITS.outgoing_subjects_max)
        through = failed = 0

        async def along(lane: _Lane) -> _Outcome:
            nonlocal through, failed
            taken, answer = 0, None
            async with places:
                for delivery in deliveries(self._log.log_id, lane.touchpoints, batch):
                    if self._feed.ended or (not through and failed >= LIMITS.outgoing_subjects_max):
                        return _Outcome(lane, taken, None)
                    answer = await self._receiver.deliver(delivery)
                    if not answer.taken:
                        failed += 1
                        return _Outcome(lane, taken, answer)
                    through += 1
                    taken += len(delivery.touchpoints)
            return _Outcome(lane, taken, answer)

        outcomes = await asyncio.gather(*map(along, lanes), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome  # only now, when nothing is under way any more
        return [outcome for outcome in outcomes if isinstance(outcome, _Outcome)]


def _lanes(standing: Standing, page: Iterable[Stored], held: set[str]) -> list[_Lane]:
    by_subject: dict[str, list[Stored]] = {}
    for stored in page:
        if stored.stream not in held and standing.wanted.takes(stored):
            by_subject.setdefault(stored.stream, []).append(stored)
    return [_Lane(subject, touchpoints) for subject, touchpoints in by_subject.items()]


def _settled(standing: Standing, outcomes: Sequence[_Outcome], cursor: Cursor, *, stopping: bool) -> Settled:
    now = clock_us()
    delivered = sum(outcome.taken for outcome in outcomes)
    answers = sorted((outcome.answer for outcome in outcomes if outcome.answer), key=lambda answer: answer.taken)
    told = answers[0].told if answers else ""
    refusals = [answer for answer in answers if not answer.taken]
    gone = any(answer.gone for answer in refusals)
    if refusals and not delivered and not stopping:
        # The receiver's fault, unless it was asked for one subject alone, or has had all its chances.
        failures = 0 if gone else standing.failures + 1
        if gone or (len(outcomes) > 1 and failures < standing.wanted.attempts):
            pause_us = 0 if gone else _pause_us(failures, max(answer.wait_s for answer in refusals))
            before = Cursor.read(standing.cursor, cursor.log_id, len(cursor.numbers))
            return Settled(before, 0, failures, now + pause_us, told, gone)
    hold, free = [], []
    for outcome in outcomes:
        if not outcome.complete:
            hold.append(_tried(outcome, now, standing.wanted.attempts))
        elif more := outcome.lane.more:
            hold.append(_held_from(more, now))
        elif outcome.lane.held:
            free.append(outcome.lane.subject)
    return Settled(cursor, delivered, 0, 0, told, gone, hold, free)


def _tried(outcome: _Outcome, now: int, attempts_max: int) -> Held:
    """A subject from its first touchpoint on that was not taken, tried once more if it was."""
    first, before = outcome.lane.touchpoints[outcome.taken], outcome.lane.held
    held = _held_from(first, now)
    if before and not outcome.taken:
        held = held._replace(attempts=before.attempts, answer=before.answer)
    if outcome.answer is None or outcome.answer.taken:
        return held
    attempts = held.attempts + 1
    return held._replace(
        attempts=attempts,
        next_us=now + _pause_us(attempts, outcome.answer.wait_s),
        parked=attempts >= attempts_max,
        answer=outcome.answer.told,
    )


def _held_from(first: Stored, now: int) -> Held:
    """A subject from a touchpoint on, to be tried at once."""
    return Held(
        subject=first.stream,
        bucket=first.bucket,
        number=first.number,
        id=first.id,
        attempts=0,
        next_us=now,
        parked=False,
        answer="",
        answered_us=now,
    )


def _waits(next_us: int, now: int) -> bool:
    """Whether the time is still to come; one that is farther off than any pause was set by a clock that ran ahead."""
    return now < next_us <= now + int(LIMITS.outgoing_pause_max_s * _SECOND_US)


def _pause_us(failures: int, asked_s: float) -> int:
    """How long to wait after so many failures in a row, and at least what the receiver asked for."""
    doubled = LIMITS.outgoing_pause_min_s * 2 ** min(max(failures, 1) - 1, 32)
    pause_s = min(doubled, LIMITS.outgoing_pause_max_s) * _random.uniform(0.5, 1.0)
    return int(max(pause_s, asked_s) * _SECOND_US)
