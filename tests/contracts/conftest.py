from collections.abc import Iterator

import pytest

from adapters.addresses import create_log
from adapters.log import Log
from domain.company import Company


@pytest.fixture
def log(url: str) -> Iterator[Log]:
    """A fresh log, once on each database."""
    created = create_log(url, Company(name="Ada's", zone="Europe/London"))
    yield created
    created.close()
