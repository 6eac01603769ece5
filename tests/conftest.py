"""What every test may ask for: a PostgreSQL server of our own, and a fresh database on it."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.util import Finalize
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from adapters.addresses import path_beside
from tests.keys import keys_in
from tests.postgres_server import PostgresServer

SERVER = "LIFECIRCLE_TEST_POSTGRES"
"""The environment variable that names the directory of the server."""
MEMORY = Path("/dev/shm")  # noqa: S108 - all that is made there gets a directory of its own
MEMORY_MIN_BYTES = 4 * 2**30
"""How much must be free there; a container has often no more than 64 MB."""
_server = pytest.StashKey[PostgresServer]()
_place = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Start one server for all workers; they find it, and where files go, by the environment that they inherit.

    Files of tests lie in memory where there is room: no test cuts the power, so none can tell a disk from it, and
    on a disk the suite takes twice as long. The server is spared fsync for the same reason; the tests that kill one
    have their own, on the disk, with fsync.
    """
    if hasattr(config, "workerinput") or config.option.collectonly or SERVER in os.environ:
        return  # tests that run tests share what there is
    # Hundreds of processes start, and each would compile this checkout anew where none may keep the result.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_MIN_BYTES
    folder = str(MEMORY) if in_memory else "/tmp"  # noqa: S108 - as above
    config.stash[_place] = place = Path(tempfile.mkdtemp(prefix="lc-tests-", dir=folder))
    place.chmod(0o755)  # some tests go on as an account without rights, and must get as far as their own folder
    os.environ["TMPDIR"] = tempfile.tempdir = str(place)
    config.stash[_server] = server = PostgresServer(folder, fsync="off", full_page_writes="off", max_wal_size="256MB")
    os.environ[SERVER] = str(server.home)


def pytest_collection_finish() -> None:
    """Keep the collector from walking what was imported and collected again and again: it stays."""
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(_server, None):
        server.remove()
    if place := config.stash.get(_place, None):
        # A fork server's socket lies there in a folder that multiprocessing removes at exit, at -100: this comes after.
        Finalize(None, shutil.rmtree, args=(place,), exitpriority=-101)


@pytest.fixture(scope="session", autouse=True)
def _keys_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One key store for the logs of all tests, away from the folder where they run; those about keys say otherwise."""
    with keys_in(tmp_path_factory.mktemp("keys")):
        yield


@contextmanager
def fresh_database(home: str | Path | None = None) -> Iterator[str]:
    """The address of a PostgreSQL database that is there for as long as the block; `home` names another server's."""
    home, name = home or os.environ[SERVER], f"t{uuid4().hex}"
    with psycopg.connect(f"postgresql://postgres@/postgres?host={home}", autocommit=True) as connection:
        # Copied as files, for through the log of changes both this and the end of the block take twice as long.
        connection.execute(SQL("CREATE DATABASE {} STRATEGY file_copy").format(Identifier(name)))
        url = f"postgresql://postgres@/{name}?host={home}"
        try:
            yield url
        finally:
            path_beside(url, ".key").unlink(missing_ok=True)
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


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
