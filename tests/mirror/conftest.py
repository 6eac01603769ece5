"""Logs of both databases, and mirrors in small steps."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.engine import Engine
from adapters.settings import LIMITS
from tests.mirror.reading import SMALL


@pytest.fixture
def engine(url: str, buckets: int) -> Iterator[Engine]:
    """A log of one bucket or four in a database of each kind."""
    with Engine.create(url, buckets=buckets) as created:
        yield created


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a mirror comes to lie."""
    return tmp_path / "mirror"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few touchpoints make many files and steps."""
    limits = replace(LIMITS, **SMALL)
    for module in ("mirroring", "folded", "parts"):
        monkeypatch.setattr(f"adapters.mirror.{module}.LIMITS", limits)
