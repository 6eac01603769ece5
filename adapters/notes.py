"""A log's notes of what happens to it: touchpoints under a subject of its own, sealed like all others."""

from datetime import UTC, datetime

from adapters.clock import clock_us
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
