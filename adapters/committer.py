"""Group commit: appends that wait at the same moment go into the log together, and each gets its own answer."""

from collections import deque
from threading import Lock
from typing import cast

from adapters.log import Group, Log, Verdict
from adapters.settings import LIMITS


class _Request:
    """One group on its way: woken with a verdict or an error, or to lead the next round itself."""

    __slots__ = ("error", "group", "leads", "verdict", "woken")

    def __init__(self, group: Group) -> None:
        self.group = group
        # A bare lock, held until the request is answered: an Event costs several times as much to wait for.
        self.woken = Lock()
        self.woken.acquire()
        self.leads = False
        self.verdict: Verdict | None = None
        self.error: BaseException | None = None


class Committer:
    """Takes all that wait into one transaction.

    There is no thread of its own: the first caller to arrive leads a round, and hands the lead to the first of those
    who came meanwhile. A lone caller therefore pays nothing for the queue.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._mutex = Lock()
        self._waiting: deque[_Request] = deque()
        self._led = False

    def commit(self, group: Group) -> Verdict:
        """Store one group, together with whatever else waits; answer its verdict.

        Raises:
            LogUnavailable: the database was lost and the outcome could not be learnt; send the same again.
        """
        request = _Request(group)
        with self._mutex:
            self._waiting.append(request)
            leads, self._led = not self._led, True
        if not leads:
            request.woken.acquire()
            leads = request.leads
        if leads:
            self._lead()
        if request.error is not None:
            raise request.error
        return cast("Verdict", request.verdict)

    def _lead(self) -> None:
        with self._mutex:
            size = min(len(self._waiting), LIMITS.commit_group_max)
            taken = [self._waiting.popleft() for _ in range(size)]
        try:
            verdicts = self._log.append([request.group for request in taken])
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
        for request in taken:
            request.woken.release()
