"""Rounds of group commit as whoever watches sees them: how many touchpoints each stores, and how long it takes."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from adapters import tracing
from adapters.log import Group, Log, Verdict

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Rounds:
    """Stores rounds in one log. `observe` is told of each how many touchpoints it held, and the seconds it took."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.observe: Callable[[int, float], None] | None = None

    def store(
        self, groups: Sequence[Group], joined: "Sequence[Span | None]", ready: Callable[[], None] | None = None
    ) -> list[Verdict]:
        """Store a round as `Log.append` does; `joined` are the traced requests that it is for."""
        if self.observe is None and not tracing.active():
            return self._log.append(groups, ready)
        touchpoints, began = sum(len(group.drafts) for group in groups), perf_counter()
        with tracing.joint(joined, {"lifecircle.groups": len(groups), "lifecircle.touchpoints": touchpoints}):
            verdicts = self._log.append(groups, ready)
        if self.observe is not None:
            self.observe(touchpoints, perf_counter() - began)
        return verdicts
