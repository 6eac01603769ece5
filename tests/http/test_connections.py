"""Callers who take their time, or come in crowds, over real sockets: each is cut off in turn, and the others served."""

import gc
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import httpx2
import pytest

from adapters.apikeys import ApiKeys, Role
from adapters.collector import paused
from adapters.engine import Engine
from adapters.http.app import create
from adapters.settings import LIMITS
from tests.cli.program import event
from tests.http.calls import orders
from tests.http.serving import listening
from tests.http.ways import Way

SHORT = replace(
    LIMITS, http_head_s=1.0, http_body_s=0.4, http_reader_s=0.4, http_connections_max=12, http_followers_max=3
)
IDLE_S = 1
CUT_WITHIN_S = 10
TOUCHPOINT = json.dumps(event(id="idle")).encode()


class Server(NamedTuple):
    """A server that is short of patience."""

    port: int
    key: str

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), CUT_WITHIN_S)

    def get(self, path: str) -> httpx2.Response:
        url, sent = f"http://127.0.0.1:{self.port}{path}", {"Authorization": f"Bearer {self.key}"}
        return httpx2.get(url, headers=sent, timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("crowd")
    Engine.create(f"sqlite:///{folder}/log.db").close()
    keyring = ApiKeys(Path(folder / "keys"))
    with pytest.MonkeyPatch.context() as patch:
        for module in ("connections", "service"):
            patch.setattr(f"adapters.http.{module}.LIMITS", SHORT)
        with listening(create(f"sqlite:///{folder}/log.db", keyring), idle_s=IDLE_S) as port:
            yield Server(port, keyring.make("all", Role))


def until_cut(connection: socket.socket, *drops: bytes) -> bytes:
    """Send little by little, and read what comes until the other end closes."""
    began, told, left = monotonic(), b"", list(drops)
    connection.settimeout(0.05)
    while monotonic() - began < CUT_WITHIN_S:
        try:
            if left:
                connection.sendall(left.pop(0))
            found = connection.recv(65_536)
            told += found
            if not found:
                return told
        except TimeoutError:
            continue
        except OSError:
            return told
    raise AssertionError("it was not cut")


def head(server: Server, length: int, path: str = "/events", key: str | None = None) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key or server.key}\r\n"
        f"Content-Type: application/cloudevents+json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def test_a_head_or_a_body_that_trickles_is_cut(server: Server) -> None:
    drops = [b"x"] * 200
    trickles = {
        "nothing": (),
        "a head": (b"GET /livez HTTP/1.1\r\n", *(b"X-A: b\r\n" for _ in drops)),
        "a body": (head(server, 1_000), *drops),
        "a body of nobody": (head(server, 1_000, key="lc_0_0"), *drops),
        "nothing more": (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",),
        "nothing more after an append": (head(server, len(TOUCHPOINT)) + TOUCHPOINT,),
        "a second head": (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\n", *drops),
    }
    told = {}
    for name, sent in trickles.items():
        with server.connect() as connection:
            told[name] = until_cut(connection, *sent)
    assert told["nothing"] == told["a head"] == b""
    assert b"401" in told["a body of nobody"]
    assert [told[name].count(b"HTTP/1.1 20") for name in trickles if name.startswith("nothing")] == [0, 1, 1]
    assert told["a second head"].count(b"200 OK") == 1
    assert server.get("/livez").status_code == 200


def test_what_takes_its_time_is_waited_for_also_where_it_was_sent_ahead(server: Server) -> None:
    cursor = server.get("/events?limit=10000").json()["cursor"]
    asked = f"GET /events?after={cursor}&wait={{}} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n\r\n"
    with server.connect() as connection:
        connection.sendall((asked.format(0) + asked.format(IDLE_S * 1.5)).encode())
        assert until_cut(connection).count(b"200 OK") == 2


def test_too_many_followers_and_too_many_connections_are_asked_to_come_again(server: Server) -> None:
    ask = f"GET /stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n\r\n".encode()
    with ExitStack() as stack:
        followers = [stack.enter_context(server.connect()) for _ in range(SHORT.http_followers_max)]
        for follower in followers:
            follower.sendall(ask)
            assert b"200 OK" in follower.recv(1_000)
        refused = server.get("/stream")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert server.get("/events?wait=0").status_code == 429
        crowd = [stack.enter_context(server.connect()) for _ in range(SHORT.http_connections_max + 1)]
        crowd[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        told = crowd[-1].recv(10_000).lower()
        assert told.startswith(b"http/1.1 503")
        assert b"retry-after: 1" in told
        assert b"application/problem+json" in told
    until_nobody_follows(server)


def until_nobody_follows(server: Server) -> None:
    deadline = monotonic() + CUT_WITHIN_S
    while server.get("/livez").status_code != 200 or server.get("/status").json()["followers"]:
        assert monotonic() < deadline
        sleep(0.05)


def test_who_goes_before_anything_is_recorded_gives_the_place_back(server: Server) -> None:
    cursor = server.get("/events?limit=10000").json()["cursor"]
    ask = f"GET /events?after={cursor}&wait=60 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(SHORT.http_followers_max):
            stack.enter_context(server.connect()).sendall(ask.encode())
        deadline = monotonic() + CUT_WITHIN_S
        while server.get("/status").json()["followers"] < SHORT.http_followers_max:
            assert monotonic() < deadline
            sleep(0.05)
    until_nobody_follows(server)


def test_a_reader_that_takes_nothing_is_cut_and_gives_its_place_back(server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/cloudevents-batch+json"}
    sent = [each | {"campaign": "x" * 180} for each in orders(900)]
    url = f"http://127.0.0.1:{server.port}/events"
    assert httpx2.post(url, content=json.dumps(sent), headers=headers, timeout=60).status_code == 201
    with server.connect() as follower:
        follower.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        follower.sendall(f"GET /stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n\r\n".encode())
        assert b"200 OK" in follower.recv(100)
        deadline = monotonic() + CUT_WITHIN_S
        while server.get("/status").json()["followers"]:
            assert monotonic() < deadline
            sleep(0.05)


MALFORMED = (
    b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\nX B: c\r\n\r\n",
    b"GET /li\x00vez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
    b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + b"b" * 200_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def test_what_is_no_request_is_refused_or_cut_and_never_two_requests(server: Server) -> None:
    taken = []
    for sent in MALFORMED:
        with server.connect() as connection:
            told = until_cut(connection, sent)
        if told.count(b"HTTP/1.1") > 1 or (told and not told.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501"))):
            taken.append((sent[:80], told[:80]))
    assert taken == []
    assert server.get("/livez").status_code == 200


def test_no_more_requests_are_kept_than_may_be_sent_ahead(server: Server) -> None:
    cursor = server.get("/events?limit=10000").json()["cursor"]
    waits = f"GET /events?after={cursor}&wait=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n\r\n"
    asked, most = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", LIMITS.http_ahead_max
    for ahead, answers in ((most, 1 + most), (most + 1, 0), (5_000, 0)):
        with server.connect() as connection:
            connection.sendall(waits.encode() + asked * ahead)
            assert until_cut(connection).count(b"HTTP/1.1 200 OK") == answers, ahead
    # What nobody reads fills the way back, so the next answer waits, and what comes after it is not kept either.
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        page = b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n"
        taken = 0
        with suppress(OSError):
            while taken < 16_000_000:
                connection.sendall(page * 1_000)
                taken += len(page) * 1_000
        assert taken < 16_000_000


def test_no_more_is_kept_of_headers_than_a_head_may_have(server: Server) -> None:
    cursor = server.get("/events?limit=10000").json()["cursor"]
    waits = f"GET /events?after={cursor}&wait=30 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n\r\n"
    chunked = head(server, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    line = b"X-A: %b\r\n" % (b"b" * 8_000)
    for before in (
        b"GET /livez HTTP/1.1\r\n",
        waits.encode() + b"GET /livez HTTP/1.1\r\n",
        chunked + b"2\r\n{}\r\n0\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ):
        with server.connect() as connection:
            connection.sendall(before)
            taken = 0
            with suppress(OSError):
                while taken < 16_000_000:
                    connection.sendall(line)
                    taken += len(line)
            assert taken < 16_000_000, before[:20]


def test_no_request_leaves_anything_for_the_garbage_collector(server: Server) -> None:
    def post(path: str = "/events", **changed: Any) -> bytes:
        body = json.dumps(event(**changed)).encode()
        return head(server, len(body), path) + body

    asked: dict[bytes, Callable[[str], bytes]] = {
        b"201": lambda name: post(id=name),
        b"409": lambda name: post(id="same", data={"order": name, "total": "1 EUR"}),
        b"422": lambda name: post(id=name, data={}),
        b"403": lambda name: post(id=name, type="KeyDestroyed"),
        b"401": lambda _: head(server, 2, key="lc_0_0") + b"{}",
        b"400": lambda _: head(server, 2) + b"{{",
        b"200": lambda _: b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    }
    with server.connect() as connection:
        connection.sendall(post(id="same"))
        Way.told(connection)
    names, times = map(str, count()), 20
    for status, made in asked.items():
        for requests in (1, times):
            left = times
            for _ in range(2):  # the first time something is made that stays
                gc.collect()
                with paused():
                    for _ in range(times // requests):
                        with server.connect() as connection:
                            for _ in range(requests):
                                connection.sendall(made(next(names)))
                                assert status in Way.told(connection)[:20]
                    sleep(0.02)
                    left = gc.collect()
            assert left < times, (status, requests)
