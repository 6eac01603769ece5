"""Two services to which the same bytes go, over logs of their own: one of them lets its application answer all."""

import json
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI

from adapters.apikeys import ApiKeys, Role
from adapters.engine import Engine
from adapters.http.app import create
from adapters.settings import LIMITS
from tests.cli.program import event
from tests.http.calls import orders
from tests.http.serving import listening

ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"
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
