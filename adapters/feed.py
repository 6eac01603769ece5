"""What the tasks of an event loop follow a log by: one watch for all, each reading on from a cursor of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event, Thread

from adapters.log import Cursor, Log, Stored
from adapters.settings import LIMITS
from domain.errors import LifecircleError


class Feed:
    """Wakes followers when something is recorded, whoever recorded it. Belongs to one event loop."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._stop = Event()
        self._news = asyncio.Event()
        self._failure: LifecircleError | None = None
        self.followers = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the log from its present end until the block ends; then all followers end.

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
        while not self._stop.is_set():
            try:
                for batch in self._log.follow(self._log.heads(), self._stop):
                    if batch or self._failure:  # what was recorded meanwhile may have been passed by
                        self._failure = None
                        loop.call_soon_threadsafe(self._wake)
            except LifecircleError as error:
                self._failure = error
                loop.call_soon_threadsafe(self._wake)
                self._stop.wait(LIMITS.feed_retry_s)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
