"""Where works run: a PostgreSQL server and a folder of the run's own, with fresh databases and some that are kept."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Self
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

from adapters.addresses import path_beside
from tests.benchmarks.sizes import Sizes
from tests.keys import keys_in
from tests.postgres_server import PostgresServer

_SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
)


_MB = 2**20


def _memory() -> dict[str, str]:
    """Settings of a server's memory as its manual advises where it has a machine: a quarter of it holds pages.

    What it may write down before a checkpoint grows with that. PostgreSQL 18, 19.4.1 (shared_buffers).
    """
    quarter = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4 // _MB
    return {"shared_buffers": f"{max(quarter, 128)}MB", "max_wal_size": f"{max(quarter, 1024)}MB"}


class Unavailable(Exception):
    """A work cannot run on this machine; the message says why."""


class Ground:
    """What all works of one run share. Nothing of it is left afterwards."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.folder = Path(mkdtemp(prefix="lifecircle-bench-"))
        self.kept: dict[str, str] = {}
        self._keys = ExitStack()

    def __enter__(self) -> Self:
        self._keys.enter_context(keys_in(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._keys.close()
        try:
            if "server" in self.__dict__:
                self.server.remove()
        finally:
            shutil.rmtree(self.folder)

    @cached_property
    def server(self) -> PostgresServer:
        """The server; what needs none starts none."""
        return PostgresServer(**_memory())

    def settings(self) -> dict[str, str]:
        """What decides how fast the server commits, as the server has it; nothing where none was needed."""
        if "server" not in self.__dict__:
            return {}
        with psycopg.connect(self.server.url()) as connection:
            rows = connection.execute("SELECT name, setting || coalesce(' ' || unit, '') FROM pg_settings")
            told: dict[str, str] = dict(rows.fetchall())
        return {f"postgresql_{name}": told[name] for name in _SETTINGS}

    def filesystem(self) -> str:
        """The sort of file system that the databases stand on, where the machine tells."""
        mounts = Path("/proc/mounts")
        if not mounts.exists():
            return "unknown"
        found = [line.split()[1:3] for line in mounts.read_text().splitlines()]
        under = [(place, sort) for place, sort in found if self.folder.is_relative_to(place)]
        return max(under, key=lambda pair: len(pair[0]))[1]

    def create(self, on: str) -> str:
        """A fresh, empty database; its address."""
        name = f"b{uuid4().hex}"
        if on == "sqlite":
            return f"sqlite:///{self.folder / name}.db"
        with psycopg.connect(self.server.url(), autocommit=True) as admin:
            admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self.server.url(name)

    def drop(self, url: str) -> None:
        """Delete a database that `create` made, and the id key of a log that was made in it."""
        path_beside(url, ".key").unlink(missing_ok=True)
        if url.startswith("sqlite"):
            for path in self.folder.glob(Path(url.removeprefix("sqlite:///")).name + "*"):
                path.unlink()
            return
        name = url.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(self.server.url(), autocommit=True) as admin:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    @contextmanager
    def site(self, on: str) -> Iterator["Site"]:
        """Where one work runs once."""
        site = Site(self, on)
        try:
            yield site
        finally:
            for url in site.made:
                self.drop(url)
            for folder in site.folders:
                shutil.rmtree(folder)


class Site:
    """Where one work runs once: what it makes here is gone afterwards, but for what it asks to keep."""

    def __init__(self, ground: Ground, on: str) -> None:
        self._ground = ground
        self._on = on
        self.sizes = ground.sizes
        self.made: list[str] = []
        self.folders: list[Path] = []

    def folder(self) -> Path:
        """An empty folder."""
        self.folders.append(Path(mkdtemp(dir=self._ground.folder)))
        return self.folders[-1]

    def fresh(self) -> str:
        """The address of an empty database."""
        self.made.append(self._ground.create(self._on))
        return self.made[-1]

    def kept(self, name: str, fill: Callable[[str], None]) -> str:
        """The address of a database that all rounds share: filled when it is first asked for, and only read after."""
        key = f"{self._on}/{name}"
        if key not in self._ground.kept:
            url = self._ground.create(self._on)
            fill(url)
            self._ground.kept[key] = url
        return self._ground.kept[key]

    def file(self, name: str, write: Callable[[Path], None]) -> Path:
        """A file that all rounds share, written when it is first asked for."""
        path = self._ground.folder / name
        if not path.exists():
            write(path)
        return path

    def needs_bytes(self, count: int) -> None:
        """See to it that the disk holds so much.

        Raises:
            Unavailable: it does not.
        """
        if (free := shutil.disk_usage(self._ground.folder).free) < count:
            raise Unavailable(f"needs {count / 1e9:.0f} GB of free disk, and {free / 1e9:.0f} GB are free")
