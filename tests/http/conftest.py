"""A service over a log on each database, in this process, and keys to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adapters.apikeys import ApiKeys, Role
from adapters.engine import Engine
from adapters.http.app import create
from domain.company import Company
from tests.cli.program import Shell


@pytest.fixture
def keyring(tmp_path: Path) -> ApiKeys:
    return ApiKeys(tmp_path / "keys")


@contextmanager
def served(url: str, keyring: ApiKeys) -> Iterator[TestClient]:
    """A caller who may do everything, of the service over a new log."""
    Engine.create(url, Company(zone="Europe/London")).close()
    with TestClient(create(url, keyring)) as opened:
        opened.headers["Authorization"] = f"Bearer {keyring.make('all', Role)}"
        yield opened


@pytest.fixture
def client(url: str, keyring: ApiKeys) -> Iterator[TestClient]:
    """On each database."""
    with served(url, keyring) as opened:
        yield opened


@pytest.fixture
def file_client(sqlite_url: str, keyring: ApiKeys) -> Iterator[TestClient]:
    """On SQLite, for what does not depend on the database."""
    with served(sqlite_url, keyring) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of PostgreSQL logs lie in the folder where commands are typed."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shop(url: str) -> Shell:
    """A new log in a database of each kind, to type commands at."""
    shell = Shell(url)
    assert shell("init").code == 0
    return shell


@pytest.fixture
def file_shop(sqlite_url: str) -> Shell:
    """A new log in a SQLite file."""
    shell = Shell(sqlite_url)
    assert shell("init").code == 0
    return shell
