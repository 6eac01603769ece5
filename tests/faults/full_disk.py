"""A disk that is full again and again while a shop trades on it: a small file system of its own, in memory.

Run as a program it does so on one database, in a mount namespace that ends with it, and prints what it found as JSON.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import psycopg

from tests.cli.program import ROOT, Shell
from tests.faults.campaign import PATIENCE_S, Shop, Trade
from tests.postgres_server import PostgresServer

SIZES_BYTES = {"sqlite": 128 << 20, "postgres": 400 << 20}
"""How large the disk is; a PostgreSQL server brings its programs."""
REFUSALS = 20
"""So many refusals are waited for before there is room again."""


def full_disk(url: str, folder: Path, *, times: int) -> dict[str, Any]:
    """Fill the disk of a database so many times while producers append; `url` says of which sort it is.

    What a machine does not let us try says so under `left_out`.
    """
    database = "sqlite" if url.startswith("sqlite") else "postgres"
    inside = [sys.executable, "-m", __name__, database, str(folder), str(times)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    trial = ["unshare", "--mount", "true"]
    if not shutil.which(trial[0]) or subprocess.run(trial, capture_output=True, check=False).returncode:
        return {"left_out": "this account may not mount a file system"}
    done = subprocess.run(
        ["unshare", "--mount", *inside], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _filled_and_freed(database: str, folder: Path, times: int) -> dict[str, Any]:
    with ExitStack() as ending:
        # Not in the shop's folder, which the account of a PostgreSQL server may not enter.
        disk = Path(ending.enter_context(TemporaryDirectory(prefix="lc-disk-")))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZES_BYTES[database]}", "tmpfs", str(disk)], check=True)
        ending.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=True)
        url, server = ending.enter_context(_database(database, disk))
        shop = ending.enter_context(Shop(Shell(url), folder, ("server",)))
        for _ in range(times):
            shop.goes_on()
            before = _refusals(shop.trade)
            _fill(disk / "ballast")
            deadline = monotonic() + PATIENCE_S
            while _refusals(shop.trade) < before + REFUSALS:
                assert monotonic() < deadline, shop.trade.counts
                _fill(disk / "ballast")  # what the database gave back meanwhile
                sleep(0.02)
            (disk / "ballast").unlink()
            if server:
                _kept_up(server)
        shop.goes_on()
        return {"times": times, **shop.closed()}


def _refusals(trade: Trade) -> int:
    return trade.counts["answered 503 LogNotWritable"] + trade.counts["answered 503 LogUnavailable"]


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))


def _kept_up(server: PostgresServer) -> None:
    """Start the server again where it ended for want of room, as its supervisor does."""
    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            psycopg.connect(server.url()).close()
        except psycopg.OperationalError:
            assert monotonic() < deadline, "the server did not come back"
            with suppress(RuntimeError):  # it may be about to come back by itself
                server.start()
        else:
            return


@contextmanager
def _database(database: str, disk: Path) -> Iterator[tuple[str, PostgresServer | None]]:
    if database == "sqlite":
        yield f"sqlite:///{disk}/shop.db", None
        return
    server = PostgresServer(str(disk))
    try:
        yield server.url(), server
    finally:
        server.remove()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_filled_and_freed(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
