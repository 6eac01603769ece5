"""A log with an id key beside it on each database, and customers in few words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.idkey import make_id_key
from tests.identity.story import Customers, customers


@pytest.fixture
def known(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Customers]:
    """A log with an id key."""
    monkeypatch.setenv("LIFECIRCLE_ID_KEY", str(tmp_path / "id.key"))
    make_id_key(url)
    with customers(url) as made:
        yield made


@pytest.fixture
def unkeyed(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Customers]:
    """A log without an id key."""
    monkeypatch.setenv("LIFECIRCLE_ID_KEY", str(tmp_path / "none.key"))
    with customers(url) as made:
        yield made
