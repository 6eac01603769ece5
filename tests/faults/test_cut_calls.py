"""Connections between the service and its callers cut in the middle, in short: the campaign cuts at every byte."""

from pathlib import Path

import pytest

from tests.faults.cuts import cut_calls, cut_database

EVERY = 11
"""Every so many bytes; headers and bodies are longer."""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("way", ["replies", "requests"])
def test_a_caller_whose_connection_is_cut_anywhere_gets_its_receipt_and_all_is_there_once(
    sqlite_url: str, tmp_path: Path, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found = cut_calls(sqlite_url, tmp_path, way=way, every=EVERY)
    assert found["cuts"] > 20
    assert found["acknowledged"] == found["cuts"] + 1
    if way == "replies":
        assert found["by_a_repeat"] >= found["cuts"] - 1  # at the last place the reply had passed
    assert (found["lost"], found["doubled"], found["false_conflicts"]) == (0, 0, 0)
    assert "Traceback" not in capfd.readouterr().err


def test_a_caller_notices_nothing_of_cuts_between_the_service_and_its_database(
    postgres_url: str, tmp_path: Path
) -> None:
    found = cut_database(postgres_url, tmp_path, every=EVERY)
    assert found["cuts"] > 5
    assert (found["lost"], found["doubled"], found["false_conflicts"]) == (0, 0, 0)
