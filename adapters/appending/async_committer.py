"""Group commit for an event loop: what its tasks append while one round is stored makes up the next."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, cast

from adapters import tracing
from adapters.appending.committer import lane, lanes
from adapters.appending.rounds import Rounds
from adapters.log import Group, Log, Verdict
from adapters.privacy.flights import KeyFlights
from adapters.privacy.keyring import Unsettled
from adapters.privacy.sealing import Sealing
from adapters.settings import LIMITS
from domain.compiled import Appendable
from domain.errors import LifecircleError

if TYPE_CHECKING:
    from opentelemetry.trace import Span


Later = asyncio.Future[Verdict]
"""The verdict on a group, to come when its round is over."""


class AsyncCommitter:
    """Group commit for the tasks of one loop at a time, with the queues of `Committer`.

    `keys` fetches what tasks need that seal many touchpoints at a time.
    """

    def __init__(self, log: Log, sealing: Sealing, rounds: Rounds) -> None:
        self._log = log
        self.keys = KeyFlights(sealing)
        self._sealing = sealing
        self._queues = [_Queue(rounds, sealing) for _ in range(lanes(log))]

    def join(self, touchpoints: Sequence[Appendable], recordedby: str, expected: dict[str, int]) -> tuple[Group, Later]:
        """Store touchpoints as one group, together with whatever else waits; answer it, and its verdict to come.

        They are sealed at once: keys that are not at hand become safe on the disk before the round is committed.
        A caller that is cancelled meanwhile does not know the outcome; sending the same again is safe.

        Raises:
            LogUnavailable, later: the database was lost and the outcome could not be learnt; send the same again.
            As `Sealing.draft`.
        """
        unsettled: list[Unsettled] = []
        group = Group(
            tuple([self._sealing.draft_at_once(each, recordedby, unsettled) for each in touchpoints]), expected
        )
        early = _Early(unsettled, partial(self._anew, touchpoints, recordedby, expected)) if unsettled else None
        return group, self._put(group, early)

    def _anew(self, touchpoints: Sequence[Appendable], recordedby: str, expected: dict[str, int]) -> Group:
        return Group(tuple([self._sealing.draft(each, recordedby) for each in touchpoints]), expected)

    async def commit_all(self, groups: Sequence[Group]) -> list[Verdict]:
        """Store several groups as if a task had sent each; answer their verdicts, in their order.

        Raises:
            LogUnavailable: as `commit`; of some groups the outcome may be known all the same, and is not told.
        """
        answers = [self._put(group) for group in groups]
        # All are waited for, also where one has failed, so that no failure is left that nobody looked at.
        await asyncio.gather(*answers, return_exceptions=True)
        return [answer.result() for answer in answers]

    def _put(self, group: Group, early: "_Early | None" = None) -> Later:
        return self._queues[lane(group, self._log)].put(group, early)


class _Early(NamedTuple):
    """The keys that come before a group, and how that is made anew should they not be the right ones."""

    keys: Sequence[Unsettled]
    anew: Callable[[], Group]


_Waiting = tuple[Group, Later, "Span | None", _Early | None]


class _Queue:
    """Takes all that wait into one transaction, which the loop carries out, or a thread beside it."""

    def __init__(self, rounds: Rounds, sealing: Sealing) -> None:
        self._store, self._store_on_loop, self._sealing = rounds.store, rounds.store_on_loop, sealing
        self._meets_new = False
        """Whether all keys of the last such round were new, and safe soon: then those of the next may be as well."""
        self._waiting: list[_Waiting] = []
        self._going: asyncio.Task[None] | None = None

    def put(self, group: Group, early: _Early | None) -> Later:
        """Let a group wait for the next round; the answer comes with it."""
        if self._going is None or self._going.done():
            # It starts when the tasks that are ready now have had their turn, and so joined it.
            self._going = asyncio.get_running_loop().create_task(self._go_round())
        # To ask which loop is running is a call of the system, before Python 3.12.
        answer: Later = self._going.get_loop().create_future()
        self._waiting.append((group, answer, tracing.current(), early))
        return answer

    async def _go_round(self) -> None:
        size = LIMITS.commit_group_max
        while taken := self._waiting[:size]:
            del self._waiting[: len(taken)]
            try:
                groups, _, joined, early = zip(*taken, strict=True)
                if early.count(None) == len(early):
                    verdicts = await self._store_on_loop(groups, joined)
                else:
                    verdicts = await asyncio.to_thread(self._store_early, early, groups, joined)
            except BaseException as error:
                self._tell(taken, error)
                if not isinstance(error, Exception):
                    raise
            else:
                self._tell(taken, verdicts)
            # Who was answered may have more to send at once: it joins what came meanwhile.
            await asyncio.sleep(0)
            # Others take a while to send more, and small rounds would take turns with large ones, while each of which
            # the loop has nothing to do. So each is at most as large as it and the one before are on the average.
            size = min(LIMITS.commit_group_max, (len(taken) + len(self._waiting) + 1) // 2)

    def _store_early(
        self, early: "Sequence[_Early | None]", groups: Sequence[Group], joined: "Sequence[Span | None]"
    ) -> list[Verdict]:
        """Store a round with keys that are to be safe first; whose are not to be had are answered so, others stored.

        Where the round before met new people alone, this one is sent while its keys are committed.
        """
        keys, began = [key for each in early if each for key in each.keys], monotonic()
        settling = self._sealing.keyring.settling(self._sealing.realm, keys)
        if self._meets_new:
            try:
                return self._store(groups, joined, partial(_safe_in_time, settling))
            except _NotSafe:
                self._meets_new = False
        ready = self._settled(settling, early, groups)
        self._meets_new = self._meets_new and monotonic() - began < LIMITS.data_key_wait_s
        left = [at for at, group in enumerate(ready) if isinstance(group, Group)]
        stored = [cast("Group", ready[at]) for at in left]
        verdicts = iter(self._store(stored, [joined[at] for at in left]))
        return [next(verdicts) if isinstance(group, Group) else group for group in ready]

    def _settled(
        self, settling: Future[set[str]], early: "Sequence[_Early | None]", groups: Sequence[Group]
    ) -> "list[Group | LifecircleError]":
        try:
            others = settling.result()
        except LifecircleError as error:
            return [error if each else group for each, group in zip(early, groups, strict=True)]
        self._meets_new = not others
        return [
            _made_anew(each.anew) if each and any(subject in others for subject, _ in each.keys) else group
            for each, group in zip(early, groups, strict=True)
        ]

    @staticmethod
    def _tell(taken: "Sequence[_Waiting]", outcome: Sequence[Verdict] | BaseException) -> None:
        for place, (_, answer, _, _) in enumerate(taken):
            if answer.done():
                continue
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome[place])


class _NotSafe(Exception):
    """The keys of a round are not safe yet, or not those that sealed it; nothing of it may be stored as it is."""


def _safe_in_time(settling: Future[set[str]]) -> None:
    """Wait for the keys of a round that is being stored, and no longer than others may be kept from the log by that.

    Raises:
        _NotSafe: they are not safe, or not the right ones.
    """
    try:
        if settling.result(LIMITS.data_key_wait_s):
            raise _NotSafe
    except (LifecircleError, TimeoutError) as error:
        raise _NotSafe from error


def _made_anew(make: Callable[[], Group]) -> Group | LifecircleError:
    try:
        return make()
    except LifecircleError as refusal:
        return refusal
