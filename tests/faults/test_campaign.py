"""The campaign of faults, in its short form: the service is killed once, over a file, while it takes touchpoints."""

from pathlib import Path

import pytest

from tests.faults.campaign import Trade, campaign, standing


def test_a_service_that_is_killed_loses_nothing_and_what_is_missing_would_be_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/shop.db"
    found = campaign(url, tmp_path, "server", kills=1, seed=1)
    assert found["acknowledged"] > 0
    costs = ("lost", "doubled", "false_conflicts", "never_answered", "views_unequal", "checkpoints_failed")
    assert {name: found[name] for name in costs} == dict.fromkeys(costs, 0)

    never_stored = Trade(0, "", receipts={("c0-0", "never"): {"version": 1, "position": "1/1"}})
    assert standing(url, never_stored)["lost"] == 1
