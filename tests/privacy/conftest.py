"""Logs with keys of their own, and touchpoints about people."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.engine import Engine
from domain.company import Band, Company


@pytest.fixture(autouse=True)
def _own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys lie where they do by default: beside a file, or in the folder where the program runs."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "LIFECIRCLE_KEYS",
        "LIFECIRCLE_KEK_FILE",
        "LIFECIRCLE_KEK",
        "LIFECIRCLE_KEK_NEXT",
        "LIFECIRCLE_ID_KEY",
    ):
        monkeypatch.delenv(name, raising=False)


COMPANY = Company(
    zone="Europe/London",
    bands={
        "age": Band(floors={"under 30": 0, "30-39": 30, "40 and over": 40}),
        "region": Band(groups={"East": frozenset({"Berlin"})}),
    },
)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with Engine.create(url, COMPANY) as opened:
        yield opened
