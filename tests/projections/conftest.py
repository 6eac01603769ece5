from collections.abc import Iterator

import pytest

from tests.projections.report import Report


@pytest.fixture
def report(url: str) -> Iterator[Report]:
    """Empty tables of all views, with the questions over them, once on each database."""
    made = Report(url)
    yield made
    made.close()
