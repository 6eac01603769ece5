from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import fresh_database
from tests.projections.report import Report


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def _made(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Tables and questions, made once on each database: on PostgreSQL that alone takes two seconds."""
    with ExitStack() as stack:
        made = Report(stack.enter_context(fresh_database()) if request.param == "postgres" else "sqlite://")
        stack.callback(made.close)
        yield made


@pytest.fixture
def report(_made: Report) -> Iterator[Report]:
    """Empty tables of all views, with the questions over them, once on each database."""
    yield _made
    _made.undo()
