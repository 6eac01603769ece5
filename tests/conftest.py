"""What every test may ask for: a PostgreSQL server of our own, and a fresh database on it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from pytest_postgresql.janitor import DatabaseJanitor

from tests.postgres_server import PostgresServer

SERVER = "LIFECIRCLE_TEST_POSTGRES"
"""The environment variable that names the directory of the server."""
_server = pytest.StashKey[PostgresServer]()


def pytest_configure(config: pytest.Config) -> None:
    """Start one server for all workers; they find it by the environment they inherit."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.stash[_server] = server = PostgresServer()
        os.environ[SERVER] = str(server.home)


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(_server, None):
        server.remove()


@contextmanager
def fresh_database() -> Iterator[str]:
    """The address of a PostgreSQL database that is there for as long as the block."""
    home, name = os.environ[SERVER], f"t{uuid4().hex}"
    with DatabaseJanitor(user="postgres", host=home, port=5432, dbname=name):
        yield f"postgresql://postgres@/{name}?host={home}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The address of a fresh, empty PostgreSQL database."""
    with fresh_database() as address:
        yield address


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture(params=[1, 4], ids=["one", "four"])
def buckets(request: pytest.FixtureRequest) -> int:
    """The number of buckets of a log: what holds for one holds for four."""
    number: int = request.param
    return number


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once of each kind: what runs on one must run on the other."""
    address: str = request.getfixturevalue(f"{request.param}_url")
    return address
