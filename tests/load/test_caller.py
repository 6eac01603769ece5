"""The caller itself: what it sends arrives, and what it tells of is what happened."""

from pathlib import Path

import pytest

from adapters.engine import Engine
from domain.company import Company
from tests.faults.cuts import served
from tests.load.caller import Asked, ask


def test_all_that_it_sends_arrives_and_is_counted(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Engine.create(sqlite_url, Company()).close()
    with served(sqlite_url, tmp_path) as (port, key):
        url = f"http://127.0.0.1:{port}/events"
        told = [
            ask(Asked(url, key, connections=8, requests=40)),
            ask(Asked(url, key, connections=8, requests=4, batch=10, rate=100.0, seed=2)),
            ask(Asked(url, "wrong", connections=1, requests=2, seed=3)),
        ]
    assert [each.statuses for each in told] == [{"201": 40}, {"201": 4}, {"401": 2}]
    assert all(0 < each.p50_ms <= each.p99_ms for each in told)
    with Engine.open(sqlite_url) as engine:
        stored = [each for each in engine.log.read(engine.log.start(), 1_000) if each.stream.startswith("customer")]
    assert len(stored) == 80
