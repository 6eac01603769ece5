"""The campaign of faults: a shop whose server, projector, sealer or database is killed over and over while it trades.

As a program it does so on both databases and writes build/faults.json, a row for each victim. A test does a small one.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Any

import httpx2

from adapters.engine import Engine
from tests.cli.program import PROGRAM, ROOT, Done, Shell, event
from tests.http.test_serving import free_port
from tests.keys import keys_in
from tests.postgres_server import PostgresServer

PRODUCERS = 4
TOUCHPOINTS_OF_A_SUBJECT = 50
PATIENCE_S = 120
WORKING = {"server": b'"event": "request"', "projector": b"touchpoints folded", "sealer": b"sealed "}
"""What each process says once it is at work."""


@dataclass
class Process:
    """A command that is started again whenever it ends, as a supervisor does it, and what it said since its start."""

    name: str
    words: tuple[str, ...]
    shell: Shell
    folder: Path
    tracebacks: int = 0
    running: "subprocess.Popen[bytes] | None" = None

    @property
    def told(self) -> bytes:
        path = self.folder / f"{self.name}.out"
        return path.read_bytes() if path.exists() else b""

    def keep_up(self) -> None:
        """Start it if it is not running."""
        if self.running is None or self.running.poll() is not None:
            self.end()
            with (self.folder / f"{self.name}.out").open("wb") as out:
                self.running = subprocess.Popen(
                    [*PROGRAM, *self.words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env=self.shell.environment(),
                )

    def end(self) -> None:
        """Kill it at once."""
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self.running = None
            self.tracebacks += self.told.count(b"Traceback (most recent call last)")


@dataclass
class Trade:
    """Producers that send touchpoint after touchpoint, each until it is acknowledged, and what they were answered."""

    port: int
    key: str
    enough: Event = field(default_factory=Event)
    receipts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def produce(self, producer: int) -> None:
        """Be the one writer of some subjects: whatever conflicts with it is itself."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/cloudevents+json"}
        with httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=PATIENCE_S) as client:
            number = 0
            while not self.enough.is_set():
                part, version = divmod(number, TOUCHPOINTS_OF_A_SUBJECT)
                subject = f"c{producer}-{part}"
                told = {"order": f"o-{subject}-{version}", "total": "1.50 EUR"}
                sent = event(id=f"e{number}", subject=subject, data=told)
                if (receipt := self._acknowledged(client, sent, version)) is None:
                    return
                with self.lock:
                    self.receipts[subject, sent["id"]] = receipt
                number += 1
                sleep(0.005)

    def _acknowledged(self, client: httpx2.Client, sent: dict[str, Any], version: int) -> dict[str, Any] | None:
        deadline = monotonic() + PATIENCE_S
        while monotonic() < deadline:
            try:
                answer = client.post("/events", content=json.dumps(sent), headers={"If-Match": f'"{version}"'})
            except httpx2.TransportError:
                sleep(0.02)
                continue
            if answer.status_code in (200, 201):
                found: dict[str, Any] = answer.json()
                return found
            with self.lock:
                self.counts[f"answered {answer.status_code}"] += 1
                self.counts["false_conflicts"] += answer.status_code in (409, 412)
            if answer.status_code not in (429, 503):
                return None
            sleep(0.02)
        with self.lock:
            self.counts["never_answered"] += 1
        return None


def campaign(
    url: str, folder: Path, victim: str, kills: int, postgres: PostgresServer | None = None, seed: int = 0
) -> dict[str, Any]:
    """Kill one victim so often at random moments of its work; count what that cost.

    Args:
        url: the address of an empty database.
        folder: where the shop's files may lie.
        victim: `server`, `projector`, `sealer`, or `postgres`, which is the server given.
        kills: how often.
        postgres: the database server.
        seed: of the moments.
    """
    moments = random.Random(seed)  # noqa: S311 - moments, not secrets
    shell, port = Shell(url), free_port()
    _done(shell("init"))
    trade = Trade(port, _done(shell("apikey", "make", "trade", "--role", "appender")).out.strip())
    words = {"server": ("serve", "--port", str(port)), "projector": ("run",), "sealer": ("seal", "--follow")}
    # Of those that are not killed, the ones that are told of afterwards need no process meanwhile.
    wanted = words if victim == "postgres" else {"server": words["server"], victim: words[victim]}
    processes = {name: Process(name, wanted[name], shell, folder) for name in wanted}
    producers = [Thread(target=trade.produce, args=(number,)) for number in range(PRODUCERS)]
    with ExitStack() as ending:
        for process in processes.values():
            ending.callback(process.end)
            process.keep_up()
        ending.callback(trade.enough.set)
        for producer in producers:
            producer.start()
        for number in range(kills):
            before = len(trade.receipts)
            _until(lambda: len(trade.receipts) > before, processes, trade)  # noqa: B023 - called at once
            if victim == "postgres":
                sleep(moments.uniform(0, 0.3))
                assert postgres is not None
                _kill_and_restart(postgres)
            else:
                killed = processes[victim]
                if number % 4:  # every fourth is killed while it starts
                    _until(lambda: WORKING[victim] in killed.told, processes, trade)  # noqa: B023 - called at once
                sleep(moments.uniform(0, 0.3 if number % 4 else 1.5))
                killed.end()
            for process in processes.values():
                process.keep_up()
        after = len(trade.receipts)
        _until(lambda: len(trade.receipts) > after, processes, trade)
        trade.enough.set()
        for producer in producers:
            producer.join(PATIENCE_S)
    return {
        "kills": kills,
        **standing(url, trade),
        **_told_afterwards(shell),
        "false_conflicts": trade.counts["false_conflicts"],
        "never_answered": trade.counts["never_answered"],
        "tracebacks": sum(process.tracebacks for process in processes.values()),
        "answers": {name: count for name, count in trade.counts.items() if name.startswith("answered")},
    }


def standing(url: str, trade: Trade) -> dict[str, int]:
    """What was acknowledged, against what the log holds."""
    with Engine.open(url) as engine:
        stored = [each for each in engine.log.read(engine.log.start(), 10_000_000) if each.stream.startswith("c")]
    places = {(each.stream, each.id): (each.version, f"{each.bucket}/{each.number}") for each in stored}
    lost = sum(
        places.get(name) != (receipt["version"], receipt["position"]) for name, receipt in trade.receipts.items()
    )
    return {"acknowledged": len(trade.receipts), "lost": lost, "doubled": len(stored) - len(places)}


def _told_afterwards(shell: Shell) -> dict[str, int]:
    """How many views are not what a rebuild makes of the log, and whether what was signed stands."""
    _in_the_end(lambda: shell.fork("run", "--once"))
    compared = shell.fork("rebuild", "--compare", "--format", "json")
    views = json.loads(compared.out)["views"]
    unequal = sum(any(view[name] for name in ("added", "removed", "changed")) for view in views)
    key = _in_the_end(lambda: shell.fork("seal")).out.partition("key: ")[2].split("\n")[0].strip()
    verified = shell.fork("verify", "--key", key)
    return {"views": len(views), "views_unequal": unequal, "checkpoints_failed": int(verified.code != 0)}


def _in_the_end(run: Callable[[], Done]) -> Done:
    """A command that may be refused while the database has not noticed yet that its forerunner was killed."""
    deadline = monotonic() + PATIENCE_S
    while (done := run()).code and monotonic() < deadline:
        sleep(0.2)
    return _done(done)


def _done(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


def _until(reached: Callable[[], bool], processes: dict[str, Process], trade: Trade) -> None:
    deadline = monotonic() + PATIENCE_S
    while not reached():
        assert monotonic() < deadline, ({name: each.told[-500:] for name, each in processes.items()}, trade.counts)
        for process in processes.values():
            process.keep_up()
        sleep(0.02)


def _kill_and_restart(server: PostgresServer) -> None:
    """As a power cut; the lock file stays, so that the server refuses to start beside what is left of the old."""
    os.kill(int((server.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            server.start()
        except RuntimeError:
            assert monotonic() < deadline, "the server did not come back"
            sleep(0.1)
        else:
            return


@contextmanager
def shop_folder() -> Iterator[Path]:
    """A folder for one shop, in which its commands are typed."""
    with tempfile.TemporaryDirectory(prefix="lc-faults-") as name, keys_in(Path(name)), chdir(name):
        yield Path(name)


def _main(kills: int) -> None:
    found: dict[str, dict[str, Any]] = {}
    server = PostgresServer()
    try:
        for victim in ("server", "projector", "sealer", "postgres"):
            for database in ("postgres",) if victim == "postgres" else ("sqlite", "postgres"):
                with shop_folder() as folder:
                    url = f"sqlite:///{folder}/shop.db"
                    if database == "postgres":
                        import psycopg

                        name = f"shop_{victim}"
                        with psycopg.connect(server.url(), autocommit=True) as connection:
                            connection.execute(f"CREATE DATABASE {name}".encode())
                        url = server.url(name)
                    row = campaign(url, folder, victim, kills, server, seed=kills)
                found[f"{victim} on {database}"] = row
                sys.stdout.write(f"{victim} on {database}: {json.dumps(row)}\n")
                sys.stdout.flush()
                place = ROOT / "build" / "faults.json"
                place.parent.mkdir(exist_ok=True)
                place.write_text(json.dumps(found, indent=2) + "\n")
    finally:
        server.remove()
    costs = ("lost", "doubled", "false_conflicts", "never_answered", "views_unequal", "checkpoints_failed")
    if any(row[name] for row in found.values() for name in costs):
        sys.exit("something was lost; see build/faults.json")


if __name__ == "__main__":
    _main(int(sys.argv[1]))
