"""What is answered on the connection itself is answered, noted and counted as what goes by way of the application.

The same bytes go over sockets to two services over logs of their own, one of which lets the application answer all.
"""

import io
import json
import re
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import httpx2
import pytest
import structlog
from fastapi import FastAPI

from adapters.apikeys import ApiKeys, Role
from adapters.codec import fact_of
from adapters.engine import Engine
from adapters.http.app import create
from adapters.loglines import as_json
from adapters.settings import LIMITS
from tests.cli.program import event
from tests.http.calls import orders
from tests.http.serving import listening

ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"
REFUSALS = ("AccessDenied", "TouchpointRefused")
WITHIN_S = 20
REQUEST, TOGETHER = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "01ARZ3NDEKTSV4RRFFQ69G5FAV"
_OF_THE_MOMENT = re.compile(rb'(?<="recorded":")[^"]+|(?<=\r\ndate: )[^\r]+|(?<=-id: )[0-9a-f]{32}')


class Way(NamedTuple):
    """One of the two services: its port, keys by what they are, the requests that its application saw, its log, it."""

    port: int
    keys: dict[str, str]
    seen: list[str]
    url: str
    app: FastAPI

    def connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), WITHIN_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def asked(self, *parts: bytes, answers: int = 1) -> bytes:
        """What is answered to these bytes, sent one after the other: so many answers, or until it is closed."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return self.told(connection, answers)

    @staticmethod
    def told(connection: socket.socket, answers: int = 1) -> bytes:
        came = b""
        while len(_wholes(came)) < answers and (more := connection.recv(65_536)):
            came += more
        return _OF_THE_MOMENT.sub(b"~", came)


def _wholes(came: bytes) -> list[bytes]:
    """The whole answers among what came; one that goes on is none."""
    found, rest = [], came
    while (end := rest.find(b"\r\n\r\n") + 4) > 3:
        if rest.startswith(b"HTTP/1.1 1"):
            rest = rest[end:]
            continue
        length = re.search(rb"content-length: (\d+)", rest[:end])
        if length is None or len(rest) < end + int(length[1]):
            break
        found.append(rest[: end + int(length[1])])
        rest = rest[end + int(length[1]) :]
    return found


@contextmanager
def way(folder: Path, *, direct: bool) -> Iterator[Way]:
    folder.mkdir()
    url = f"sqlite:///{folder}/log.db"
    Engine.create(url).close()
    keyring = ApiKeys(folder / "keys")
    keys = {
        "all": keyring.make("all", Role),
        "own": keyring.make("own", [Role.APPENDER], subjects=["c1"], kinds=["OrderPlaced"]),
        "reader": keyring.make("reader", [Role.AUDITOR]),
        "ended": keyring.make("ended", [Role.APPENDER], valid_for=timedelta(microseconds=1)),
        "unknown": "lc_000000000000_" + "x" * 43,
        "token": "a.b.c",
        "none": "",
    }
    app, seen = create(url, keyring), list[str]()

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(scope["path"])
        elif not direct:
            scope = scope | {"state": {}}
        await app(scope, receive, send)

    with listening(served) as port:
        yield Way(port, keys, seen, url, app)


@contextmanager
def both(folder: Path) -> Iterator[tuple[Way, Way]]:
    with way(folder / "direct", direct=True) as direct, way(folder / "ordinary", direct=False) as ordinary:
        yield direct, ordinary


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Way, Way]]:
    with both(tmp_path_factory.mktemp("ways")) as ways:
        yield ways


def post(
    key: str,
    body: Any,
    *more: str,
    form: str = ONE,
    start: str = "POST /events HTTP/1.1",
    ids: Sequence[str] = (f"X-Request-Id: {REQUEST}", f"X-Correlation-Id: {TOGETHER}"),
) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    named = [f"Authorization: Bearer {key}"] if key else []
    lines = [start, "Host: x", *named, f"Content-Type: {form}", f"Content-Length: {len(content)}", *ids, *more]
    return "\r\n".join([*lines, "", ""]).encode() + content


def requests(keys: dict[str, str]) -> dict[str, tuple[bytes, bool]]:
    """Requests of all sorts in their order, each with whether it is answered on its connection."""
    key, flawed = keys["all"], event(id="f", data={"surprise": 1})
    many = [event(id=f"m{number}", subject=f"m{number}") for number in range(3)]
    ahead = event(id="a", time="2999-03-01T10:00:00Z")
    direct: dict[str, bytes] = {
        "first": post(key, event()),
        "repeat": post(key, event()),
        "other content": post(key, event(data={"order": "o2", "total": "1 EUR"})),
        "no ids": post(key, event(id="n"), ids=()),
        "an id that may be a name": post(key, event(id="n"), "X-Request-Id: anna", ids=()),
        "a trace": post(key, event(id="n"), f"traceparent: 00-{'a' * 32}-{'b' * 16}-01", ids=()),
        "headers of every day": post(key, event(id="d"), "Accept: */*", "User-Agent: x", "X-Forwarded-For: 1.2.3.4"),
        "a form with a parameter": post(key, event(id="p"), form=f"{ONE}; charset=utf-8"),
        "blanks": post(key, json.dumps(event(id="b"), indent=1).encode()),
        "a batch": post(key, orders(5, "c7"), form=MANY),
        "a batch again": post(key, orders(5, "c7"), form=MANY),
        "some of a batch": post(key, [*many, flawed, event(id="g")], form=MANY),
        "none of a batch": post(key, [flawed, event(id="g")], form=MANY),
        "an empty batch": post(key, [], form=MANY),
        "a batch that is none": post(key, event(id="g"), form=MANY),
        "too many": post(key, [{}] * (LIMITS.http_batch_max + 1), form=MANY),
        "a list": post(key, [event(id="g")]),
        "no JSON": post(key, b'{"a'),
        "a key twice": post(key, b'{"id":1,"id":1}'),
        "not UTF-8": post(key, b'{"id":"\xff"}'),
        "an empty body": post(key, b""),
        "an unknown kind": post(key, event(id="u", type="NoSuchKind")),
        "the future": post(key, ahead),
        "an e-mail address": post(key, event(id="e", subject="anna@example.org")),
        "within its scope": post(keys["own"], event(id="s")),
        "another subject": post(keys["own"], event(id="s", subject="d1")),
        "another kind": post(keys["own"], event(id="s", type="OrderCancelled", data={"order": "o1"})),
        "partly another subject": post(keys["own"], [event(id="t"), event(id="t", subject="d1")], form=MANY),
    }
    plain = event(id="z")
    ordinary: dict[str, bytes] = {
        **{f"key: {name}": post(keys[name], plain) for name in ("reader", "ended", "unknown", "token", "none")},
        "two keys": post(key, plain, f"Authorization: Bearer {keys['reader']}"),
        "two forms": post(key, plain, f"Content-Type: {MANY}"),
        "two hosts": post(key, plain, "Host: y"),
        "two lengths": post(key, plain, "Content-Length: 2"),
        "a folded header": post(key, plain, "Accept: a,\r\n b"),
        "another scheme": post("", plain, f"Authorization: Basic {key}"),
        "a header that is not known": post(key, plain, "X-Strange: 1"),
        "packed": post(key, plain, "Content-Encoding: gzip"),
        "the version": post(key, event(id="v"), 'If-Match: "77"'),
        "to wait": post(key, plain, "Prefer: wait"),
        "to close": post(key, plain, "Connection: close"),
        "an upgrade": post(key, plain, "Connection: upgrade", "Upgrade: h2c"),
        "chunks": post(key, plain, "Transfer-Encoding: chunked"),
        "to go on": post(key, plain, "Expect: 100-continue"),
        "in headers": post(key, {"order": "o9"}, "ce-type: OrderPlaced", form="application/json"),
        "another form": post(key, plain, form="text/plain"),
        "an old version": post(key, plain, start="POST /events HTTP/1.0"),
        "a query": post(key, plain, start="POST /events?strict=true HTTP/1.1"),
        "an empty query": post(key, plain, start="POST /events? HTTP/1.1"),
        "a fragment": post(key, plain, start="POST /events#a HTTP/1.1"),
        "a whole address": post(key, plain, start="POST http://y/events HTTP/1.1"),
        "an encoded path": post(key, plain, start="POST /%65vents HTTP/1.1"),
        "an encoded slash": post(key, plain, start="POST /%2Fevents HTTP/1.1"),
        "dots": post(key, plain, start="POST /kinds/../events HTTP/1.1"),
        "two slashes": post(key, plain, start="POST //events HTTP/1.1"),
        "a slash too many": post(key, plain, start="POST /events/ HTTP/1.1"),
        "another method": post(key, plain, start="PUT /events HTTP/1.1"),
        "a tenant's": post(key, plain, start="POST /tenants/a/events HTTP/1.1"),
        "a large body": post(key, event(id="l", channel="x" * LIMITS.http_body_aside_bytes)),
    }
    return {name: (sent, True) for name, sent in direct.items()} | {
        name: (sent, False) for name, sent in ordinary.items()
    }


class Noted(NamedTuple):
    """What one service noted of the same requests: answers, lines without times, figures; and what passed it by."""

    answers: dict[str, bytes]
    lines: list[dict[str, Any]]
    figures: list[str]
    direct: dict[str, bool]


def _sent_all(to: Way, monkeypatch: pytest.MonkeyPatch) -> Noted:
    answers, direct, lines = {}, {}, io.StringIO()
    with monkeypatch.context() as patch:
        as_json()
        patch.setattr(sys, "stderr", lines)
        for name, (sent, _) in requests(to.keys).items():
            before = len(to.seen)
            answers[name] = to.asked(sent)
            direct[name] = len(to.seen) == before
        headers = {"Authorization": f"Bearer {to.keys['all']}"}
        told = httpx2.get(f"http://127.0.0.1:{to.port}/metrics", headers=headers).text
        structlog.reset_defaults()
    figures = [
        line
        for line in told.splitlines()
        if line.startswith(("lifecircle_http_request_seconds_count", "lifecircle_touchpoints_total"))
    ]
    own = [json.loads(line) for line in lines.getvalue().splitlines()]
    shown = [{name: value for name, value in line.items() if name not in ("ms", "timestamp")} for line in own]
    for line in shown:
        for name in ("request_id", "correlation_id"):
            line[name] = line.get(name) if line.get(name) in (REQUEST, TOGETHER, "a" * 32) else len(line.get(name, ""))
    return Noted(answers, [line for line in shown if line["event"] == "request"], figures, direct)


def _refusals(to: Way) -> list[tuple[str, str, str]]:
    """What a log has noted of who was refused what."""
    with Engine.open(to.url) as engine:
        noted = [each for each in engine.log.read(engine.log.start(), 1_000) if each.kind in REFUSALS]
    return [(each.kind, each.recordedby, json.dumps(fact_of(each).data, sort_keys=True)) for each in noted]


def test_both_ways_give_the_same_answers_lines_figures_and_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is noted of refusals has positions of its own in the log: it is to come after all that is asked here.
    monkeypatch.setattr("adapters.refusals.LIMITS", replace(LIMITS, refusals_pause_s=600))
    with both(tmp_path) as ways:
        direct, ordinary = (_sent_all(each, monkeypatch) for each in ways)
    assert direct.answers == ordinary.answers
    assert direct.lines == ordinary.lines
    assert direct.figures == ordinary.figures
    refused = {"two lengths", "chunks", "a folded header"}  # by the parser, before there is a request
    assert {name: passed for name, passed in direct.direct.items() if name not in refused} == {
        name: passed for name, (_, passed) in requests(ways[0].keys).items() if name not in refused
    }
    assert not any(passed for name, passed in ordinary.direct.items() if name not in refused)
    noted = [_refusals(to) for to in ways]
    assert noted[0] == noted[1]
    assert {each[0] for each in noted[0]} == set(REFUSALS)
    statuses = Counter(answer[9:12].decode() for answer in direct.answers.values())
    assert {"200", "201", "207", "400", "401", "403", "404", "409", "413", "415", "422"} <= set(statuses)


def test_a_request_in_two_pieces_is_the_same_wherever_it_is_cut(ways: tuple[Way, Way]) -> None:
    told = []
    for to in ways:
        sent = post(to.keys["all"], event(id="pieces"), ids=())
        to.asked(sent)
        with to.connect() as connection:
            for cut in range(1, len(sent)):
                connection.sendall(sent[:cut])
                sleep(0)
                connection.sendall(sent[cut:])
                told.append(to.told(connection))
            for byte in sent:
                connection.sendall(bytes([byte]))
            told.append(to.told(connection))
    assert len(set(told)) == 1
    assert told[0].startswith(b"HTTP/1.1 200 OK")


def test_what_is_sent_without_waiting_is_answered_in_its_order(ways: tuple[Way, Way]) -> None:
    told = []
    for to in ways:
        key = to.keys["all"]
        livez, ids = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", [f"q{number}" for number in range(4)]
        queue = [post(key, event(id=each, subject="q", data={"order": each, "total": "1 EUR"})) for each in ids]
        told.append(to.asked(b"".join([queue[0], livez, *queue[1:]]), answers=5))
        told.append(to.asked(queue[0] + post(to.keys["unknown"], event(id="q9")), answers=2))
        told.append(to.asked(queue[0] + b"GARBAGE\r\n\r\n", answers=2))
    assert told[:3] == told[3:]
    assert re.findall(rb"HTTP/1.1 (\d+)", told[0]) == [b"201", b"200", b"201", b"201", b"201"]
    assert [b'"version":%d' % version in told[0] for version in (1, 2, 3, 4, 5)] == [True] * 4 + [False]


def test_what_breaks_off_stores_nothing_and_what_came_whole_is_stored(ways: tuple[Way, Way]) -> None:
    for to in ways:
        key = to.keys["all"]
        sent = post(key, event(id="half", subject="broken"))
        for cut in range(1, len(sent), 40):
            with to.connect() as connection:
                connection.sendall(sent[:cut])
        with to.connect() as connection:  # whoever goes before the answer comes
            connection.sendall(post(key, event(id="whole", subject="broken")))
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=f"http://127.0.0.1:{to.port}", headers=headers) as client:
            asked = {"subject": "broken", "source": "shop"}
            deadline = monotonic() + WITHIN_S
            while client.get("/receipts", params=asked | {"id": "whole"}).status_code != 200:
                assert monotonic() < deadline
                sleep(0.02)
            assert client.get("/receipts", params=asked | {"id": "half"}).status_code == 404


def test_a_key_that_was_revoked_opens_nothing_on_a_connection_that_it_opened(ways: tuple[Way, Way]) -> None:
    for to in ways:
        keyring = ApiKeys(Path(to.url.removeprefix("sqlite:///")).parent / "keys")
        key = keyring.make("leaver", [Role.APPENDER])
        sent = post(key, event(id="leaver"))
        with to.connect() as connection:
            connection.sendall(sent)
            assert b" 201 " in to.told(connection)[:20]
            keyring.revoke(key.split("_")[1])
            connection.sendall(sent)
            assert b" 401 " in to.told(connection)[:20]


def test_pressure_and_what_nobody_foresaw_are_answered_alike(
    ways: tuple[Way, Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[bytes]] = []
    for to in ways:
        sent, before, service = post(to.keys["all"], event(id="late")), len(to.seen), to.app.state.service
        with monkeypatch.context() as patch:
            patch.setattr("adapters.http.service.LIMITS", replace(LIMITS, http_appends_max=0))
            pressed = to.asked(sent)
        with monkeypatch.context() as patch:
            patch.delattr(service, "engine")
            broken = to.asked(sent)
        told.append([pressed, broken, to.asked(sent)])
        assert len(to.seen) - before == (0 if to is ways[0] else 3)
    assert told[0] == told[1]
    assert [re.findall(rb"HTTP/1.1 (\d+)", each) for each in told[0]] == [[b"429"], [b"500"], [b"201"]]
    assert b"retry-after: 1" in told[0][0]
