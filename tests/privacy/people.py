"""Touchpoints about people, in few words."""

from adapters.clock import clock_us
from adapters.codec import read_envelope
from adapters.engine import Engine
from domain.touchpoint import Envelope

NAME, MAIL, PHONE = "Zuzana Příkladná", "zuzana@example.org", "+49 30 1234567"
WORDS = "My knee hurts since the accident"


def told(engine: Engine, kind: str, subject: str, id: str, day: int = 1, **data: object) -> Envelope:  # noqa: A002
    time = f"2026-03-{day:02}T10:00:00Z"
    given = {"id": id, "source": "shop", "type": kind, "subject": subject, "time": time, "data": data}
    return read_envelope(given, clock_us(), engine.company)


def registered(engine: Engine, subject: str = "anna", name: str = NAME) -> Envelope:
    return told(
        engine,
        "CustomerRegistered",
        subject,
        "r1",
        party="person",
        name=name,
        contact_points=[{"type": "email", "value": MAIL, "use": "home"}, {"type": "phone", "value": PHONE}],
        attributes={"age": 34, "region": "Berlin", "hobby": "bees"},
    )


def merged(engine: Engine, survivor: str, absorbed: str) -> Envelope:
    return told(engine, "CustomersMerged", survivor, "m1", survivor=survivor, absorbed=absorbed, method="manual")
