"""What the tasks of an event loop follow a log by: one watch for all, each reading on from a cursor of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event, Thread
from time import monotonic

from adapters.cursor import Cursor
from adapters.log import Log, Stored
from adapters.settings import LIMITS
from domain.errors import LifecircleError


class Feed:
    """Wakes followers when something is recorded, whoever recorded it. Belongs to one event loop.

    As long as nobody follows, the log is not watched: whoever appends would pay for that.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._stop = Event()
        self._wanted = Event()
        self._waiting, self._asked = 0, monotonic()
        self._news = asyncio.Event()
        self._failure: LifecircleError | None = None
        self.followers = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the log whenever somebody follows it, until the block ends; then all followers end.

        While it is away, followers that wait learn of that; when it is back, it is watched again.
        """
        loop = asyncio.get_running_loop()
        watch = Thread(target=self._watch, args=(loop,), daemon=True)
        watch.start()
        try:
            yield
        finally:
            self.end()
            await asyncio.to_thread(watch.join)

    def end(self) -> None:
        """Let all followers come to their end. To be called in the loop's own thread."""
        self._stop.set()
        self._wanted.set()
        self._wake()

    @property
    def ended(self) -> bool:
        """Whether followers are to come to their end."""
        return self._stop.is_set()

    async def after(self, cursor: Cursor, limit: int, wait_s: float) -> list[Stored]:
        """The next touchpoints after a cursor; none where nothing was recorded within some seconds.

        Raises:
            LogUnavailable: the log was lost, and did not come back in time.
        """
        self._waiting += 1
        self._wanted.set()
        try:
            return await self._after(cursor, limit, wait_s)
        finally:
            self._waiting, self._asked = self._waiting - 1, monotonic()

    async def _after(self, cursor: Cursor, limit: int, wait_s: float) -> list[Stored]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            news = self._news  # taken before the log is read, so that nothing recorded meanwhile is slept through
            page = await asyncio.to_thread(self._log.read, cursor, limit)
            left = deadline - loop.time()
            if page or left <= 0 or self.ended:
                return page
            if self._failure:
                raise self._failure
            try:
                await asyncio.wait_for(news.wait(), left)
            except TimeoutError:
                continue

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._wanted.wait() and not self._stop.is_set():
            try:
                heads = self._log.heads()
                loop.call_soon_threadsafe(self._wake)  # what was recorded before may have been passed by
                for batch in self._log.follow(heads, self._stop):
                    if batch or self._failure:
                        self._failure = None
                        loop.call_soon_threadsafe(self._wake)
                    if self._idle():
                        break
            except LifecircleError as error:
                self._failure = error
                loop.call_soon_threadsafe(self._wake)
                self._stop.wait(LIMITS.feed_retry_s)

    def _idle(self) -> bool:
        """Whether nobody follows any more, so that the log need not be watched until somebody does again."""
        self._wanted.clear()  # before it is looked at, so that whoever comes or ends it meanwhile is not overlooked
        if self.ended or self._waiting or monotonic() - self._asked < LIMITS.feed_idle_s:
            self._wanted.set()
        return not self._wanted.is_set()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
