from collections.abc import Iterator

import pytest

from adapters.addresses import create_log
from adapters.log import Log
from domain.company import Company


@pytest.fixture
def log(url: str, buckets: int) -> Iterator[Log]:
    """A fresh log, of one bucket and of four, on each database."""
    created = create_log(url, Company(name="Ada's", zone="Europe/London"), buckets)
    yield created
    created.close()
