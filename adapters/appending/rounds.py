"""Rounds of group commit as whoever watches sees them: how many touchpoints each stores, and how long it takes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from adapters import tracing
from adapters.log import Group, Log, Verdict

if TYPE_CHECKING:
    from opentelemetry.trace import Span


@runtime_checkable
class Conversing(Protocol):
    """A log with which an event loop can converse, for its database is a server."""

    async def append_on_loop(self, groups: Sequence[Group]) -> list[Verdict] | None:
        """Store groups as `Log.append` does; None where only that can tell what becomes of them, or became already."""
        ...


class Rounds:
    """Stores rounds in one log. `observe` is told of each how many touchpoints it held, and the seconds it took."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._conversing = log if isinstance(log, Conversing) else None
        self.observe: Callable[[int, float], None] | None = None

    def store(
        self, groups: Sequence[Group], joined: "Sequence[Span | None]", ready: Callable[[], None] | None = None
    ) -> list[Verdict]:
        """Store a round as `Log.append` does; `joined` are the traced requests that it is for."""
        with self._watched(groups, joined):
            return self._log.append(groups, ready)

    async def store_on_loop(self, groups: Sequence[Group], joined: "Sequence[Span | None]") -> list[Verdict]:
        """The same from an event loop; in a thread beside it where the log has no other way."""
        with self._watched(groups, joined):
            if self._conversing and (verdicts := await self._conversing.append_on_loop(groups)) is not None:
                return verdicts
            from asyncio import to_thread  # which whoever has no event loop need not wait for

            return await to_thread(self._log.append, groups)

    @contextmanager
    def _watched(self, groups: Sequence[Group], joined: "Sequence[Span | None]") -> Iterator[None]:
        if self.observe is None and not tracing.active():
            yield
            return
        touchpoints, began = sum(len(group.drafts) for group in groups), perf_counter()
        with tracing.joint(joined, {"lifecircle.groups": len(groups), "lifecircle.touchpoints": touchpoints}):
            yield
        if self.observe is not None:
            self.observe(touchpoints, perf_counter() - began)
