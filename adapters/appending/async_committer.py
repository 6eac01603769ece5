"""Group commit for an event loop: what its tasks append while one round is stored makes up the next."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters import tracing
from adapters.appending.committer import lane, lanes
from adapters.appending.rounds import Rounds
from adapters.log import Group, Log, Verdict
from adapters.privacy.flights import KeyFlights
from adapters.privacy.sealing import Sealing
from adapters.settings import LIMITS

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class AsyncCommitter:
    """Group commit for the tasks of one loop at a time, with the queues of `Committer`.

    `keys` fetches what the tasks need to seal what they send.
    """

    def __init__(self, log: Log, sealing: Sealing, rounds: Rounds) -> None:
        self._log = log
        self.keys = KeyFlights(sealing)
        self._queues = [_Queue(rounds) for _ in range(lanes(log))]

    async def commit(self, group: Group) -> Verdict:
        """Store one group, together with whatever else waits; answer its verdict.

        A caller that is cancelled meanwhile does not know the outcome; sending the same again is safe.

        Raises:
            LogUnavailable: the database was lost and the outcome could not be learnt; send the same again.
        """
        return await self._put(group)

    async def commit_all(self, groups: Sequence[Group]) -> list[Verdict]:
        """Store several groups as if a task had sent each; answer their verdicts, in their order.

        Raises:
            LogUnavailable: as `commit`; of some groups the outcome may be known all the same, and is not told.
        """
        answers = [self._put(group) for group in groups]
        # All are waited for, also where one has failed, so that no failure is left that nobody looked at.
        await asyncio.gather(*answers, return_exceptions=True)
        return [answer.result() for answer in answers]

    def _put(self, group: Group) -> "asyncio.Future[Verdict]":
        return self._queues[lane(group, self._log)].put(group)


_Waiting = tuple[Group, "asyncio.Future[Verdict]", "Span | None"]


class _Queue:
    """Takes all that wait into one transaction, which a thread beside the loop carries out."""

    def __init__(self, rounds: Rounds) -> None:
        self._store = rounds.store
        self._waiting: list[_Waiting] = []
        self._rounds: asyncio.Task[None] | None = None

    def put(self, group: Group) -> "asyncio.Future[Verdict]":
        """Let a group wait for the next round; the answer comes with it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Verdict] = loop.create_future()
        self._waiting.append((group, answer, tracing.current()))
        if self._rounds is None or self._rounds.done():
            # It starts when the tasks that are ready now have had their turn, and so joined it.
            self._rounds = loop.create_task(self._go_round())
        return answer

    async def _go_round(self) -> None:
        while taken := self._waiting[: LIMITS.commit_group_max]:
            del self._waiting[: len(taken)]
            try:
                groups, _, joined = zip(*taken, strict=True)
                verdicts = await asyncio.to_thread(self._store, groups, joined)
            except BaseException as error:
                self._tell(taken, error)
                if not isinstance(error, Exception):
                    raise
            else:
                self._tell(taken, verdicts)
            # Who was answered may have more to send: it joins what came meanwhile, and rounds do not fall into halves.
            await asyncio.sleep(0)

    @staticmethod
    def _tell(taken: "Sequence[_Waiting]", outcome: Sequence[Verdict] | BaseException) -> None:
        for place, (_, answer, _) in enumerate(taken):
            if answer.done():
                continue
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome[place])
