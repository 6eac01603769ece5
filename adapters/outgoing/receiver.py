"""What a deliverer knows of a receiver, whether it is a webhook or a broker."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

import orjson

from adapters.log import Stored
from adapters.settings import LIMITS
from adapters.told import recorded_event


class Delivery(NamedTuple):
    """Touchpoints of one subject, in their order, as CloudEvents with what the log added.

    id: made of the log's id and their positions, so that the same again has the same; body: one event, or where the
    receiver takes several at once a list of them.
    """

    id: str
    kind: str
    subject: str
    touchpoints: Sequence[Stored]
    body: bytes
    batched: bool

    @property
    def mark(self) -> str:
        """The subject as a word that any broker's names can hold: the same for the same subject."""
        return sha256(self.subject.encode()).hexdigest()[:16]


class Answer(NamedTuple):
    """What a receiver said: whether it took a delivery, in a few words why not, and how long it asks to be left alone.

    gone: whether it said that it is there no more, for good.
    """

    taken: bool
    told: str
    wait_s: float = 0.0
    gone: bool = False


class Receiver(Protocol):
    """A way to one receiver."""

    async def deliver(self, delivery: Delivery) -> Answer:
        """Deliver, within a bounded time; whatever goes wrong on the way is an answer."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


def deliveries(log_id: bytes, touchpoints: Sequence[Stored], batch: int) -> list[Delivery]:
    """Touchpoints of one subject as they are delivered, `batch` at once where they are not too large together."""
    made: list[Delivery] = []
    waiting: list[tuple[Stored, bytes]] = []

    def cut() -> None:
        if waiting:
            made.append(_delivery(log_id, waiting, batched=batch > 1))
            waiting.clear()

    size = 0
    for stored in touchpoints:
        event = orjson.dumps(recorded_event(stored))
        if len(waiting) == batch or size + len(event) > LIMITS.outgoing_body_max_bytes:
            cut()
            size = 0
        waiting.append((stored, event))
        size += len(event) + 1
    cut()
    return made


def _delivery(log_id: bytes, events: Sequence[tuple[Stored, bytes]], *, batched: bool) -> Delivery:
    touchpoints = [stored for stored, _ in events]
    first, last = touchpoints[0], touchpoints[-1]
    upto = f"_{last.number}" if len(touchpoints) > 1 else ""
    body = b",".join(event for _, event in events)
    return Delivery(
        f"{log_id[:8].hex()}_{first.bucket}_{first.number}{upto}",
        first.kind,
        first.stream,
        touchpoints,
        b"[" + body + b"]" if batched else body,
        batched,
    )
