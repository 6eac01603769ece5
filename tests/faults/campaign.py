"""The campaign of kills: a shop whose server, projector, sealer or database is killed over and over while it trades."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Any, Self

import httpx2

from adapters.engine import Engine
from tests.cli.forked import Forked
from tests.cli.program import Done, Shell, event
from tests.http.serving import free_port
from tests.postgres_server import PostgresServer

PRODUCERS = 4
TOUCHPOINTS_OF_A_SUBJECT = 50
PATIENCE_S = 300
WORKING = {"server": b'"event":"request"', "projector": b"touchpoints folded", "sealer": b"sealed "}
"""What each process says once it is at work."""

_IMPORTED = ("uvicorn", "adapters.http.app", "adapters.audit.sealer")
"""What is imported before a process begins: its life is to begin where it first touches a file, and end there too."""


@dataclass
class Process:
    """A command that is started again whenever it ends, as a supervisor does it, and what it said since its start."""

    name: str
    words: tuple[str, ...]
    shell: Shell
    folder: Path
    tracebacks: int = 0
    running: Forked | None = None

    @property
    def told(self) -> bytes:
        path = self.folder / f"{self.name}.out"
        return path.read_bytes() if path.exists() else b""

    def keep_up(self) -> None:
        """Start it if it is not running."""
        if self.running is None or self.running.ended:
            self.end()
            told = self.folder / f"{self.name}.out"
            told.unlink(missing_ok=True)
            self.running = Forked(self.words, self.shell.environment(), told, *_IMPORTED)

    def end(self) -> None:
        """Kill it at once."""
        if self.running is not None:
            self.running.kill()
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
                self.counts[f"answered {answer.status_code} {answer.json()['title']}"] += 1
                self.counts["false_conflicts"] += answer.status_code in (409, 412)
            if answer.status_code not in (429, 503):
                return None
            sleep(0.02)
        with self.lock:
            self.counts["never_answered"] += 1
        return None


class Shop:
    """Producers, the service that they send to, and whatever else of it is to run; closed when the block ends."""

    def __init__(self, shell: Shell, folder: Path, running: Iterable[str]) -> None:
        self._shell = shell
        _done(shell("init"))
        port = free_port()
        self.trade = Trade(port, _done(shell("apikey", "make", "trade", "--role", "appender")).out.strip())
        words = {"server": ("serve", "--port", str(port)), "projector": ("run",), "sealer": ("seal", "--follow")}
        self.processes = {name: Process(name, words[name], shell, folder) for name in running}
        self._producers = [Thread(target=self.trade.produce, args=(number,)) for number in range(PRODUCERS)]
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        for process in self.processes.values():
            self._ending.callback(process.end)
            process.keep_up()
        self._ending.callback(self.trade.enough.set)
        for producer in self._producers:
            producer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def until(self, reached: Callable[[], bool]) -> None:
        """Keep all processes up until something is reached."""
        deadline = monotonic() + PATIENCE_S
        while not reached():
            assert monotonic() < deadline, (
                {name: each.told[-500:] for name, each in self.processes.items()},
                self.trade.counts,
            )
            for process in self.processes.values():
                process.keep_up()
            sleep(0.02)

    def goes_on(self) -> None:
        """Wait until one more touchpoint is acknowledged."""
        before = len(self.trade.receipts)
        self.until(lambda: len(self.trade.receipts) > before)

    def closed(self) -> dict[str, Any]:
        """End the trade; what it cost."""
        self.trade.enough.set()
        for producer in self._producers:
            producer.join(PATIENCE_S)
        self._ending.close()
        counts = self.trade.counts
        return {
            **standing(self._shell.url, self.trade),
            **told_afterwards(self._shell),
            "false_conflicts": counts["false_conflicts"],
            "never_answered": counts["never_answered"],
            "tracebacks": sum(process.tracebacks for process in self.processes.values()),
            "answers": {name: count for name, count in counts.items() if name.startswith("answered")},
        }


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
    # Of those that are not killed, the ones that are told of afterwards need no process meanwhile.
    running = WORKING if victim == "postgres" else dict.fromkeys(("server", victim))
    with Shop(Shell(url), folder, running) as shop:
        for number in range(kills):
            shop.goes_on()
            if victim == "postgres":
                sleep(moments.uniform(0, 0.3))
                assert postgres is not None
                postgres.kill_and_restart(PATIENCE_S)
            else:
                killed = shop.processes[victim]
                if number % 4:  # every fourth is killed while it starts
                    shop.until(lambda: WORKING[victim] in killed.told)  # noqa: B023 - called at once
                sleep(moments.uniform(0, 0.3))
                killed.end()
            for process in shop.processes.values():
                process.keep_up()
        shop.goes_on()
        return {"kills": kills, **shop.closed()}


def standing(url: str, trade: Trade) -> dict[str, int]:
    """What was acknowledged, against what the log holds."""
    with Engine.open(url) as engine:
        stored = [each for each in engine.log.read(engine.log.start(), 10_000_000) if each.stream.startswith("c")]
    places = {(each.stream, each.id): (each.version, f"{each.bucket}/{each.number}") for each in stored}
    lost = sum(
        places.get(name) != (receipt["version"], receipt["position"]) for name, receipt in trade.receipts.items()
    )
    return {"acknowledged": len(trade.receipts), "lost": lost, "doubled": len(stored) - len(places)}


def told_afterwards(shell: Shell) -> dict[str, int]:
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
