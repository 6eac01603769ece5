"""A folder of one's own, and logs to type commands at."""

from pathlib import Path

import pytest

from tests.cli.program import Shell


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Id keys of PostgreSQL logs lie in the folder where `init` is typed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LIFECIRCLE_ID_KEY", raising=False)


@pytest.fixture
def nowhere(url: str) -> Shell:
    """A database of each kind, without a log."""
    return Shell(url)


@pytest.fixture
def shop(nowhere: Shell) -> Shell:
    """A new log in a database of each kind."""
    assert nowhere("init", "--name", "Shop", "--zone", "Europe/London").code == 0
    return nowhere


@pytest.fixture
def file_shop(sqlite_url: str) -> Shell:
    """A new log in a SQLite file, for what does not depend on the database."""
    shell = Shell(sqlite_url)
    assert shell("init").code == 0
    return shell
