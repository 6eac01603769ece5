"""A log and its view store on each database."""

from collections.abc import Iterator

import pytest

from adapters.engine import Engine
from adapters.views.tables import Tables, open_tables
from domain.company import Company
from tests.read_side.story import CHOSEN


@pytest.fixture
def engine(url: str, buckets: int) -> Iterator[Engine]:
    with Engine.create(url, Company(zone="Europe/London"), buckets) as opened:
        yield opened


@pytest.fixture
def tables(engine: Engine) -> Iterator[Tables]:
    """All views."""
    opened = open_tables(engine.url, engine.company)
    yield opened
    opened.close()


@pytest.fixture
def tally(engine: Engine) -> Iterator[Tables]:
    """One small view."""
    opened = open_tables(engine.url, engine.company, CHOSEN)
    yield opened
    opened.close()
