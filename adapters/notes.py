"""A log's notes of what happens to it: touchpoints under a subject of its own, sealed like all others."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from adapters.clock import clock_us
from adapters.log import Verdict
from domain.errors import IdReused, LifecircleError
from domain.touchpoint import Envelope, Touchpoint

SOURCE = "lifecircle"


def log_subject(log_id: bytes) -> str:
    """The subject that a log keeps its own history under."""
    return f"log/{log_id.hex()}"


def note(log_id: bytes, name: str, data: Touchpoint, subject: str | None = None, at_us: int | None = None) -> Envelope:
    """A note, with the id `name`, to the log itself or to a subject; of now, or of an instant in µs since 1970 UTC."""
    time = datetime.fromtimestamp((at_us or clock_us()) / 1_000_000, tz=UTC).isoformat()
    fields = {"id": name, "source": SOURCE, "type": data.kind, "subject": subject or log_subject(log_id), "time": time}
    return Envelope.read({**fields, "data": data})


def keep_notes(
    append_each: Callable[[Sequence[Sequence[Envelope]]], Iterable[Verdict]], notes: Iterable[Envelope]
) -> None:
    """Append notes. Of one that is there already the first stays, with its time.

    Raises:
        LifecircleError: as whoever appends says of the first that is refused.
    """
    for verdict in append_each([[each] for each in notes]):
        if isinstance(verdict, LifecircleError) and not isinstance(verdict, IdReused):
            raise verdict
