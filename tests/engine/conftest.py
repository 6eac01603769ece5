"""An engine on a fresh log of each database, and touchpoints in few words."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.clock import clock_us
from adapters.codec import read_envelope
from adapters.engine import Engine
from domain.company import Company
from domain.touchpoint import Envelope

Touch = Callable[..., Envelope]


@pytest.fixture
def engine(url: str, buckets: int) -> Iterator[Engine]:
    with Engine.create(url, Company(zone="Europe/London"), buckets) as opened:
        yield opened


@pytest.fixture
def touch() -> Touch:
    """Make an envelope: `touch("OrderPlaced", "c1", "id1", day=3, order="o1", total="1 EUR")`."""

    def make(kind: str, subject: str, id: str, day: int = 1, **data: Any) -> Envelope:  # noqa: A002
        given = {
            "id": id,
            "source": "shop",
            "type": kind,
            "subject": subject,
            "time": f"2026-03-{day:02}T10:00:00+00:00",
            "data": data,
        }
        return read_envelope(given, clock_us(), Company())

    return make
