"""What is wrong is told by its name: a projector that stands still, a sealer that lags, a database that is away."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import psycopg
import pytest
from fastapi.testclient import TestClient

from adapters.apikeys import ApiKeys, Role
from adapters.audit.sealer import sealer
from adapters.clock import clock_us
from adapters.engine import Engine
from adapters.examiner import Examiner
from adapters.health import Cause, Health, Trouble, examine
from adapters.http.app import create
from adapters.log import QuarantinedRow
from adapters.outgoing.subscriptions import Held, Settled, Subscriptions
from adapters.outgoing.wanted import Wanted
from adapters.settings import LIMITS
from adapters.views.projector import Projector
from adapters.views.tables import open_tables
from domain.company import Company
from tests.cli.program import Shell
from tests.http.calls import send
from tests.postgres_server import PostgresServer
from tests.read_side.projecting import follow
from tests.read_side.story import called

MINUTE_US = 60_000_000


@pytest.fixture(autouse=True)
def _quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is long for a test; seals of PostgreSQL logs lie in the folder where they are made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("adapters.health.LIMITS", replace(LIMITS, health_look_s=0.3))
    monkeypatch.setattr("adapters.examiner.LIMITS", replace(LIMITS, health_fresh_s=0.0))


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with Engine.create(url, Company(zone="Europe/London")) as opened:
        yield opened


def until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + 60
    while not holds():
        assert monotonic() < deadline
        sleep(0.02)


def project(engine: Engine) -> None:
    with closing(open_tables(engine.url, engine.company)) as tables:
        Projector(engine.log, tables, engine.company).run_once()


def soon(engine: Engine) -> Health:
    """What will be found in a minute, if nothing moves until then."""
    return examine(engine, clock_us() + MINUTE_US)


def troubles(health: Health) -> list[Trouble]:
    return [cause.trouble for cause in health.causes]


def only(health: Health) -> Cause:
    (cause,) = health.causes
    return cause


@contextmanager
def following(engine: Engine) -> Iterator[int]:
    """A projector in a process of its own, from when it leads the views; its number."""
    processes = get_context("forkserver")
    processes.set_forkserver_preload([follow.__module__])
    committed, tells = processes.Pipe(duplex=False)
    process = processes.Process(target=follow, args=(engine.url, tells))
    process.start()
    try:
        assert committed.poll(60)
        assert process.pid
        yield process.pid
    finally:
        process.kill()
        process.join()


def test_a_projector_that_is_away_is_told_from_one_that_stands_still(engine: Engine) -> None:
    engine.append([called("anna", "a1")])
    assert soon(engine).causes == [], "nobody asked for views"
    with following(engine) as process:
        assert soon(engine).causes == []
        os.kill(process, signal.SIGSTOP)
        before = clock_us()
        engine.append([called("anna", "a2"), called("bert", "b1")])
        assert examine(engine, clock_us()).causes == [], "it has a moment to show it"
        cause = only(soon(engine))
        assert (cause.trouble, cause.about, cause.touchpoints) == (Trouble.PROJECTOR_STALLED, "all views", 2)
        assert cause.seconds is not None
        assert cause.since is not None
        assert 60 <= cause.seconds < 70
        assert before - 1_000_000 <= cause.since <= clock_us() + 1_000_000
        os.kill(process, signal.SIGCONT)
        until(lambda: not soon(engine).causes)
    engine.append([called("anna", "a3")])
    assert only(soon(engine)).trouble == Trouble.PROJECTOR_AWAY
    assert soon(engine).ready, "touchpoints can be appended all the same"


def test_a_projector_that_is_only_slow_is_told_so(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.sqlite.log.LIMITS", replace(LIMITS, follow_batch_max=1))
    monkeypatch.setattr("adapters.health.LIMITS", replace(LIMITS, health_look_s=10.0))  # until it moves
    stop, first = Event(), Event()

    def slowly(_: int) -> None:
        first.set()
        sleep(0.05)

    with Engine.create(sqlite_url) as engine, closing(open_tables(sqlite_url, engine.company)) as tables:
        engine.append([called("anna", f"a{number}") for number in range(200)])
        projecting = Thread(target=Projector(engine.log, tables, engine.company).run, args=(stop, slowly))
        projecting.start()
        assert first.wait(30)
        assert only(soon(engine)).trouble == Trouble.PROJECTOR_BEHIND
        stop.set()
        projecting.join()


def test_a_sealer_that_is_behind_and_a_seal_of_another_log(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.append([called("anna", "a1")])
    with sealer(engine.log, engine.url, Path("seal")) as sealing:
        sealing.seal()
    assert soon(engine).sealed is None
    monkeypatch.setenv("LIFECIRCLE_SEAL", "seal")
    assert soon(engine).sealed == (0, None)
    engine.append([called("anna", "a2")])
    cause = only(soon(engine))
    assert (cause.trouble, cause.touchpoints) == (Trouble.SEALER_BEHIND, 1)
    Path("seal/head").write_text("lifecircle head v1\n")
    assert only(soon(engine)).trouble == Trouble.UNREADABLE
    with Engine.create("sqlite:///other.db") as other, sealer(other.log, other.url, Path("seal2")) as sealing:
        sealing.seal()
    monkeypatch.setenv("LIFECIRCLE_SEAL", "seal2")
    assert only(soon(engine)).trouble == Trouble.SEAL_CONTRADICTED


def test_a_subscription_that_waits_is_refused_or_has_parked(engine: Engine) -> None:
    with closing(Subscriptions(engine.url)) as subscriptions:
        assert subscriptions.seen() == [], "to look makes nothing"
        subscriptions.add(Wanted(name="hook", to="https://example.org/hook"), engine.log.start())
        engine.append([called("anna", "a1")])
        assert examine(engine, clock_us()).causes == []
        cause = only(soon(engine))
        assert (cause.trouble, cause.about, cause.touchpoints) == (Trouble.SUBSCRIPTION_BEHIND, "hook", 1)
        subscriptions.settle(subscriptions.get("hook"), Settled(engine.log.start(), failures=3, answer="500"))
        assert only(examine(engine, clock_us())).trouble == Trouble.SUBSCRIPTION_REFUSED
        held = Held("anna", 1, 1, "a1", 20, 0, parked=True, answer="422", answered_us=0)
        subscriptions.settle(subscriptions.get("hook"), Settled(engine.log.heads(), hold=[held]))
        cause = only(soon(engine))
        assert (cause.trouble, cause.about, cause.subjects) == (Trouble.SUBSCRIPTION_PARKED, "hook", 1)
        assert "anna" not in str(cause.as_dict())
    told = Shell(engine.url)("status").out
    assert "wrong        subscription-parked (hook, 1 subjects): lifecircle subscription parked, then release\n" in told
    (found,) = Shell(engine.url)("status", "--format", "json").json["causes"]
    assert (found["trouble"], found["about"], found["subjects"], found["blocks"]) == (
        "subscription-parked",
        "hook",
        1,
        False,
    )


def test_keys_that_are_away_and_a_disk_that_is_nearly_full(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.health.LIMITS", replace(LIMITS, health_disk_free_min_bytes=2**62))
    assert troubles(soon(engine)) == [Trouble.DISK_NEARLY_FULL]
    monkeypatch.setenv("LIFECIRCLE_KEYS", "sqlite:///nowhere.db")
    found = soon(engine)
    assert found.causes[0] == Cause(Trouble.KEYS_UNUSABLE, "personal data")
    assert not found.ready
    callers = ApiKeys(Path("callers"))
    callers.path.write_text("no keys")
    callers.path.chmod(0o600)
    told = examine(engine, clock_us(), (callers.all,))
    assert [cause.about for cause in told.causes if cause.trouble == Trouble.KEYS_UNUSABLE] == [
        "personal data",
        "callers",
    ]


def test_rows_in_quarantine_are_counted(engine: Engine) -> None:
    waiting = QuarantinedRow("b", 1, "shop", "rule", "said", "raw", 0)
    engine.log.quarantine([waiting, waiting._replace(row=2), waiting._replace(row=3)])
    engine.log.amend_quarantined([waiting._replace(released=1)])
    assert soon(engine).as_dict()["quarantined"] == 2


def test_a_file_that_is_gone_is_a_database_that_is_away(sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        Path(sqlite_url.removeprefix("sqlite:///")).rename("elsewhere.db")
        assert only(soon(engine)).trouble == Trouble.DATABASE_AWAY


def test_a_standby_takes_no_writes(postgres_url: str) -> None:
    with Engine.create(postgres_url) as engine:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                b"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET "
                b"default_transaction_read_only = on', current_database()); END $$"
            )
        assert only(soon(engine)).trouble == Trouble.DATABASE_READ_ONLY


def test_a_server_that_is_stopped_or_hangs_is_told_at_once_and_over_when_it_is_back(
    keyring: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = PostgresServer()
    try:
        Engine.create(server.url()).close()
        limits = replace(LIMITS, health_fresh_s=0.0, health_wait_s=30.0)
        monkeypatch.setattr("adapters.examiner.LIMITS", limits)
        for patient in ("datastore", "log"):
            impatient = replace(LIMITS, postgres_reconnect_s=0.2)
            monkeypatch.setattr(f"adapters.postgres.{patient}.LIMITS", impatient)
        with TestClient(create(server.url(), keyring)) as client:
            client.headers["Authorization"] = f"Bearer {keyring.make('watch', Role)}"
            assert client.get("/readyz").json() == {"status": "ready", "causes": []}
            postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGSTOP)
            monkeypatch.setattr("adapters.examiner.LIMITS", replace(limits, health_wait_s=0.2))
            hanging = client.get("/readyz")
            monkeypatch.setattr("adapters.examiner.LIMITS", limits)
            os.kill(postmaster, signal.SIGCONT)
            server.stop()
            stopped = [client.get(path) for path in ("/readyz", "/status")]
            for answer in (hanging, *stopped):
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
                told = answer.json()
                assert (told["title"], [cause["trouble"] for cause in told["causes"]]) == (
                    "NotReady",
                    ["database-away"],
                )
            figures = client.get("/metrics").text
            assert "lifecircle_ready 0.0" in figures
            assert 'lifecircle_trouble{trouble="database-away"} 1.0' in figures
            assert client.get("/livez").status_code == 200
            server.start()
            until(lambda: client.get("/readyz").status_code == 200)  # what began before may still be told
            assert send(client).status_code == 201
            cursor = client.get("/events").json()["cursor"]
            until(lambda: client.get("/events", params={"after": cursor, "wait": 1}).status_code == 200)
    finally:
        server.remove()


def test_many_who_ask_share_one_examination(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[int]()
    with Engine.create(sqlite_url) as engine:
        monkeypatch.setattr("adapters.examiner.LIMITS", LIMITS)
        examiner = Examiner(engine, (lambda: looked.append(1),))

        async def ask() -> list[Health]:
            return await asyncio.gather(*(examiner.health() for _ in range(20)))

        assert len(asyncio.run(ask())) == 20
    assert looked == [1]
