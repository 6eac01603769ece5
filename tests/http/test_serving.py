"""The service as a process: kept up, killed, stopped, followed."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from time import monotonic, sleep

import httpx2
import pytest

from adapters.apikeys import ApiKeys
from adapters.engine import Engine
from tests.cli.program import Shell, event
from tests.http.calls import orders
from tests.http.serving import caller, free_port, serving


@pytest.fixture
def key(shop: Shell) -> str:
    roles = [word for role in ("appender", "auditor") for word in ("--role", role)]
    return shop("apikey", "make", "tests", *roles).out.strip()


def test_the_same_request_after_a_kill_gets_the_same_receipt(shop: Shell, key: str) -> None:
    port = free_port()
    with serving(shop, port) as service, caller(port, key) as client:
        first = client.post("/events", content=json.dumps(event()))
        service.kill()
    with serving(shop, port), caller(port, key) as client:
        again = client.post("/events", content=json.dumps(event()))
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json() | {"repeat": True}


def test_a_service_that_is_stopped_finishes_what_it_took_and_ends_its_streams(shop: Shell, key: str) -> None:
    port, taken, begun = free_port(), list[str](), Event()

    def append(producer: int) -> None:
        with caller(port, key) as client:
            for sent in orders(10_000, f"p{producer}"):
                try:
                    if client.post("/events", content=json.dumps(sent)).status_code == 201:
                        taken.append(sent["id"])
                        begun.set()
                except httpx2.TransportError:
                    return

    def follow() -> None:
        with caller(port, key) as client, client.stream("GET", "/stream") as stream:
            for _ in stream.iter_lines():
                pass

    with serving(shop, port) as service, ThreadPoolExecutor(4) as pool:
        follower = Thread(target=follow)
        follower.start()
        producing = [pool.submit(append, producer) for producer in range(4)]
        assert begun.wait(30)
        sleep(0.3)
        began = monotonic()
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) in (0, -signal.SIGTERM)
        assert monotonic() - began < 15  # half of what it would let a stuck request have
        follower.join(10)
        assert not follower.is_alive()
        for each in producing:
            each.result()
    with Engine.open(shop.url) as engine:
        stored = {each.id for each in engine.log.read(engine.log.start(), 100_000)}
    assert set(taken) <= stored
    assert len(stored) - len(set(taken)) <= 4  # whose answer was cut off with the connection


def test_a_stream_goes_on_where_it_broke_and_misses_nothing(file_shop: Shell) -> None:
    port = free_port()
    key = file_shop("apikey", "make", "tests", "--role", "appender", "--role", "auditor").out.strip()
    sent = [each for producer in range(3) for each in orders(40, f"p{producer}")]
    seen, last = list[str](), ""
    with serving(file_shop, port, "--workers", "2"), caller(port, key) as client, ThreadPoolExecutor(3) as pool:
        appended = pool.map(lambda each: client.post("/events", content=json.dumps(each)).status_code, sent)
        while len(seen) < len(sent):
            headers = {"Last-Event-ID": last} if last else {}
            with client.stream("GET", "/stream", headers=headers) as stream:
                fresh = 0
                for line in stream.iter_lines():
                    if line.startswith("data: "):
                        told = json.loads(line.removeprefix("data: "))
                        seen.append(told["id"])
                        last, fresh = told["cursor"], fresh + 1
                    if fresh == 25 or len(seen) == len(sent):
                        break
        assert set(appended) == {201}
        assert sorted(seen) == sorted(each["id"] for each in sent)
        began = monotonic()
        waiting = pool.submit(client.get, "/events", params={"after": last, "wait": "20"})
        sleep(0.2)
        client.post("/events", content=json.dumps(event()))
        assert [each["id"] for each in waiting.result().json()["touchpoints"]] == ["e1"]
        assert monotonic() - began < 15


def test_a_wrong_address_is_said_at_once(tmp_path: os.PathLike[str]) -> None:
    done = Shell(f"sqlite:///{tmp_path}/none.db")("serve")
    assert done.code == 7
    assert "LogNotFound" in done.err


def test_keys_that_cannot_be_read_are_said_before_anybody_is_served(file_shop: Shell) -> None:
    ApiKeys.of_log(file_shop.url).path.write_text("[{}]")
    ApiKeys.of_log(file_shop.url).path.chmod(0o600)
    done = file_shop("serve")
    assert done.code == 8
    assert "ApiKeysUnusable" in done.err
