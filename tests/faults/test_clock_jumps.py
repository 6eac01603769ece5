"""A clock that is set forward and back by hours, in short: the campaign does it a thousand times."""

from pathlib import Path

import pytest

from tests.faults.skew import clock_jumps


def test_order_and_rights_hold_wherever_the_clock_jumps(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = clock_jumps(url, tmp_path, jumps=24)
    assert found["broken"] == []
    assert (found["acknowledged"], found["lost"], found["doubled"], found["laws"]) == (24, 0, 0, 8)
