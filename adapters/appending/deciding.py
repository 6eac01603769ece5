"""Whose turn it is to decide what may be appended: subject by subject, and in threads of its own."""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from adapters.settings import LIMITS

if TYPE_CHECKING:  # a command line that starts must not wait for asyncio
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")


class Deciding:
    """The turns of one log in this process. Safe to share between threads."""

    def __init__(self) -> None:
        self._turns = [Lock() for _ in range(LIMITS.deciding_at_once)]
        self._made = Lock()
        self._threads: ThreadPoolExecutor | None = None

    def turn(self, subject: str) -> Lock:
        """What is held while it is decided on a subject; only other processes can come in between."""
        return self._turns[hash(subject) % len(self._turns)]

    async def aside(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Do what decides, from an event loop: those that wait for one subject keep nobody from the loop's threads."""
        from asyncio import get_running_loop
        from concurrent.futures import ThreadPoolExecutor
        from contextvars import copy_context

        with self._made:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(thread_name_prefix="deciding")
        call = partial(copy_context().run, work, *arguments, **options)
        return await get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Finish what is under way."""
        if self._threads is not None:
            self._threads.shutdown()
