"""All faults at length: `python -m tests.faults KILLS [WORD…]`; with words, only the rows whose names hold one of them.

Writes build/faults.json, a row for each fault on each database; what could not be tried here says why.
"""

import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import structlog

from tests.cli.program import ROOT, Shell
from tests.faults.campaign import campaign, told_afterwards
from tests.faults.cuts import cut_calls, cut_database
from tests.faults.full_disk import full_disk
from tests.faults.skew import clock_jumps
from tests.keys import keys_in
from tests.postgres_server import PostgresServer

FIGURES = ROOT / "build" / "faults.json"
COSTS = ("lost", "doubled", "false_conflicts", "never_answered", "views_unequal", "checkpoints_failed", "broken_laws")
"""What must be 0 in every row that has it."""

DATABASES = ("sqlite", "postgres")
TIMES_FULL, JUMPS = 20, 1_000

Row = Callable[[str, Path], dict[str, Any]]
"""One fault, tried on an empty database at an address, with a folder for the shop's files."""


@contextmanager
def _shop(server: PostgresServer, database: str) -> Iterator[tuple[str, Path]]:
    """An empty database, and a folder for one shop in which its commands are typed."""
    with tempfile.TemporaryDirectory(prefix="lc-faults-") as name, keys_in(Path(name)), chdir(name):
        url = f"sqlite:///{name}/shop.db"
        if database == "postgres":
            made = f"shop_{uuid4().hex}"
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {made}".encode())
            url = server.url(made)
        yield url, Path(name)


def _rows(server: PostgresServer, kills: int) -> Iterator[tuple[str, str, Row]]:
    for victim in ("server", "projector", "sealer", "postgres"):
        for database in ("postgres",) if victim == "postgres" else DATABASES:
            killed = partial(campaign, victim=victim, kills=kills, postgres=server, seed=kills)
            yield f"{victim} killed on {database}", database, killed
    for way in ("replies", "requests"):
        for database in DATABASES:
            yield f"{way} cut on {database}", database, partial(cut_calls, way=way)
    yield "database's replies cut", "postgres", cut_database
    for database in DATABASES:
        yield f"full disk on {database}", database, partial(full_disk, times=TIMES_FULL)
        yield f"clock jumps on {database}", database, _clock_jumps


def _clock_jumps(url: str, folder: Path) -> dict[str, Any]:
    return clock_jumps(url, folder, jumps=JUMPS) | told_afterwards(Shell(url))


def _main(kills: int, words: Sequence[str]) -> None:
    FIGURES.parent.mkdir(exist_ok=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # requests are told of
    found: dict[str, dict[str, Any]] = json.loads(FIGURES.read_text()) if words and FIGURES.exists() else {}
    server = PostgresServer()
    try:
        for name, database, row in _rows(server, kills):
            if words and not any(word in name for word in words):
                continue
            with _shop(server, database) as (url, folder):
                found[name] = row(url, folder)
            sys.stdout.write(f"{name}: {json.dumps(found[name])}\n")
            sys.stdout.flush()
            FIGURES.write_text(json.dumps(found, indent=2) + "\n")
    finally:
        server.remove()
    if any(row.get(cost) for row in found.values() for cost in COSTS):
        sys.exit(f"something was lost; see {FIGURES}")


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
