"""The processes of a rebuild: this one, and those that fold beside it."""

import atexit
import gc
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import get_context
from typing import Self

from adapters.parent import end_with_parent
from adapters.views.sweep import open_sweep
from adapters.views.tables import Generation
from adapters.views.worker import Plan, Task, Worker
from domain.errors import FoldingStopped


class Workers:
    """The processes of a rebuild, until the block ends; the more of them there are, the more is done at once.

    This one works too, for it has at hand what every other must import first; so the others begin at once, while it
    makes tables.
    """

    def __init__(self, url: str, processes: int) -> None:
        """Begin.

        Args:
            url: the log that is to be folded.
            processes: how many there are, this one among them.
        """
        self.beside = max(0, processes - 1)
        self._here: Worker | None = None
        self._pool: ProcessPoolExecutor | None = None
        if self.beside:
            # Spawned, for a forked child would share this process's connections and locks.
            self._pool = ProcessPoolExecutor(self.beside, get_context("spawn"), initializer=_begin, initargs=(url,))
            # Ctrl-C reaches every process of a terminal. These are born deaf to it: this one stops them.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self._pool.submit(int)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._here:
            self._here.close()
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def fold(self, plan: Plan, tasks: Iterable[Task]) -> Iterator[int]:
        """Fold parts, and write their rows; tell after each how many touchpoints it was.

        Raises:
            FoldingStopped: one of the processes was killed.
        """
        waiting = deque[Future[int]]()
        try:
            for task in tasks:
                # One waits for each, so that none waits for this process to come to the end of its own.
                if self._pool and len(waiting) < 2 * self.beside:
                    waiting.append(self._pool.submit(_fold, plan, task))
                else:
                    yield self._worker(plan).fold(task)
                while waiting and waiting[0].done():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise FoldingStopped(
                "a process that folds was killed, by somebody or for want of memory",
                rule="what is folded is kept, and the live views are as they were",
                way_out="look why, then do the same again",
            ) from None

    def finish(self, plan: Plan) -> None:
        """Make the keys of all tables, those with the most rows first, as many at once as there are processes.

        The database does it, so threads that wait are enough; whoever is free takes the next.
        """
        here = self._worker(plan)
        left = iter(sorted(plan.made, key=here.written, reverse=True))
        with ThreadPoolExecutor(self.beside or 1) as threads:
            beside = [threads.submit(_finish, plan, left) for _ in range(self.beside)]
            try:
                here.finish(left)
                for each in beside:
                    each.result()
            finally:
                deque(left, maxlen=0)  # where one fails, or this one is stopped, the others begin no more

    def _worker(self, plan: Plan) -> Worker:
        self._here = self._here or Worker(plan)
        return self._here


def _finish(plan: Plan, left: Iterator[Generation]) -> None:
    with closing(Worker(plan)) as worker:
        worker.finish(left)


_worker: Worker | None = None


def _begin(url: str) -> None:
    gc.disable()  # it ends with the rebuild
    atexit.register(os._exit, 0)  # at once: to take all apart takes a fifth of a second, for which a rebuild would wait
    end_with_parent()
    open_sweep(url).close()  # the driver is there when the first part comes


def _fold(plan: Plan, task: Task) -> int:
    global _worker
    _worker = _worker or Worker(plan)
    return _worker.fold(task)
