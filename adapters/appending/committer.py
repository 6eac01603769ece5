"""Group commit: appends that wait at the same moment go into the log together, and each gets its own answer.

Where a database takes several appends at once, each bucket has a queue of its own, so that none waits for another.
"""

from collections import deque
from itertools import pairwise
from threading import Lock, Thread
from typing import cast

from adapters import tracing
from adapters.appending.rounds import Rounds
from adapters.log import Group, Log, Verdict, touched_by
from adapters.settings import LIMITS


def lanes(log: Log) -> int:
    """How many queues appends wait in: one, or one for each bucket and one for what touches several."""
    return log.buckets + 1 if log.parallel else 1


def lane(group: Group, log: Log) -> int:
    """The queue that a group waits in: its bucket's, or 0."""
    if not log.parallel:
        return 0
    touched = touched_by((group,), log.buckets)
    return touched.pop() if len(touched) == 1 else 0


class _Request:
    """One group on its way: woken with a verdict or an error, or to lead the next round itself."""

    __slots__ = ("error", "group", "leads", "next", "span", "verdict", "woken")

    def __init__(self, group: Group) -> None:
        self.group = group
        # A bare lock, held until the request is answered: an Event costs several times as much to wait for.
        self.woken = Lock()
        self.woken.acquire()
        self.leads = False
        self.next: _Request | None = None
        """Of the same round, whom this one wakes."""
        self.span = tracing.current()
        self.verdict: Verdict | None = None
        self.error: BaseException | None = None


class Committer:
    """Takes all that wait for a bucket into one transaction.

    What touches several buckets, as merges do, waits in a queue of its own: its transaction takes the locks of all its
    buckets in ascending order, and so meets the others in the database alone.
    """

    def __init__(self, log: Log, rounds: Rounds) -> None:
        self._log = log
        self._queues = [_Queue(rounds) for _ in range(lanes(log))]

    def commit(self, group: Group) -> Verdict:
        """Store one group, together with whatever else waits; answer its verdict.

        Raises:
            LogUnavailable: the database was lost and the outcome could not be learnt; send the same again.
        """
        return self._queues[lane(group, self._log)].commit(group)


class _Queue:
    """Groups that wait for the same locks.

    There is no thread of its own: the first caller to arrive leads a round, and hands the lead to the first of those
    who came meanwhile. A lone caller therefore pays nothing for the queue.

    Those of a round wake each other, one after the other. Woken all at once, they would wait for the interpreter in a
    line, at whose end would be whoever leads the next round, while the database has nothing to do.
    """

    def __init__(self, rounds: Rounds) -> None:
        self._store = rounds.store
        self._mutex = Lock()
        self._waiting: deque[_Request] = deque()
        self._led = False

    def commit(self, group: Group) -> Verdict:
        request = _Request(group)
        with self._mutex:
            self._waiting.append(request)
            leads, self._led = not self._led, True
        if leads:
            self._lead()
        else:
            try:
                request.woken.acquire()
            except BaseException:
                # An interrupt ends the wait, not what others expect of whoever waited.
                Thread(target=self._stand_in, args=(request,), name="stand-in").start()
                raise
            self._go_on(request)
        if request.error is not None:
            raise request.error
        return cast("Verdict", request.verdict)

    def _stand_in(self, request: _Request) -> None:
        request.woken.acquire()
        self._go_on(request)

    def _go_on(self, request: _Request) -> None:
        """What whoever was woken does for the others."""
        if request.next:
            request.next.woken.release()
        if request.leads:
            self._lead()

    def _lead(self) -> None:
        with self._mutex:
            size = min(len(self._waiting), LIMITS.commit_group_max)
            taken = [self._waiting.popleft() for _ in range(size)]
        for request, after in pairwise(taken[1:]):  # the first is our own
            request.next = after
        try:
            verdicts = self._store([request.group for request in taken], [request.span for request in taken])
            for request, verdict in zip(taken, verdicts, strict=True):
                request.verdict = verdict
        except BaseException as error:  # noqa: BLE001 - whatever it was, every caller of the round must learn of it
            for request in taken:
                request.error = error
        with self._mutex:
            heir = self._waiting[0] if self._waiting else None
            self._led = heir is not None
        if heir:
            heir.leads = True
            heir.woken.release()
        if len(taken) > 1:
            taken[1].woken.release()
