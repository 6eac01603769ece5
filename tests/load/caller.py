"""A caller that is cheap enough not to be the limit: prepared requests over raw connections, in a process of its own.

`python -m tests.load.caller` reads what to do as JSON from its standard input, and prints what it found as JSON.
"""

import asyncio
import json
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from subprocess import PIPE, Popen
from time import monotonic, process_time
from typing import cast
from urllib.parse import urlsplit

import orjson
import uvloop

from tests.benchmarks.measures import percentile
from tests.benchmarks.touchpoints import events
from tests.cli.program import ROOT

_TICK_S = 0.001
"""How often those that are due are sent."""


@dataclass(frozen=True)
class Asked:
    """What a caller is to do.

    url: where the service is, with the path; key: what opens it; connections: how many it keeps busy; requests: how
    many it sends; batch: touchpoints of each, 0 for one that is no batch; rate: requests a second, each due at its
    instant whether or not those before it are answered, 0 for as fast as they are answered; seed: of what it tells.
    """

    url: str
    key: str
    connections: int
    requests: int
    batch: int = 0
    rate: float = 0.0
    seed: int = 1


@dataclass(frozen=True)
class Told:
    """What a caller found. Times in ms, in an open load from the instant that a request was due.

    caller_busy: the share of a processor that the caller needed itself.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    caller_busy: float
    statuses: dict[str, int]


def ask(asked: Asked) -> Told:
    """Have a process of its own do it."""
    command = [sys.executable, "-m", __name__]
    with Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True) as caller:
        out, _ = caller.communicate(json.dumps(asdict(asked)))
    if caller.returncode:
        raise RuntimeError("the caller failed")
    return Told(**json.loads(out))


def requests(asked: Asked) -> Iterator[bytes]:
    """The bytes of each request."""
    parts = urlsplit(asked.url)
    form = "application/cloudevents-batch+json" if asked.batch else "application/cloudevents+json"
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {asked.key}\r\n"
        f"Content-Type: {form}\r\nContent-Length: "
    ).encode()
    told = events(asked.requests * max(1, asked.batch), asked.seed)
    for _ in range(asked.requests):
        body = orjson.dumps(list(islice(told, asked.batch)) if asked.batch else next(told))
        yield b"%b%d\r\n\r\n%b" % (head, len(body), body)


class _Connection(asyncio.Protocol):
    """One connection, with one request under way at a time."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._came = b""
        self._due = 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self._due, self.busy = due, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._came = came = self._came + data if self._came else data
        end = came.find(b"\r\n\r\n")
        if end < 0:
            return
        at = came.index(b"content-length: ") + 16
        if len(came) >= end + 4 + int(came[at : came.index(b"\r", at)]):
            self._came, self.busy = b"", False
            self._load.answered(self, came[9:12], monotonic() - self._due)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        self._load.lost(self)


class _Load:
    """All connections of one caller, and what they were answered."""

    def __init__(self, prepared: Sequence[bytes], rate: float) -> None:
        self._coming = iter(prepared)
        self._left = len(prepared)
        self._rate = rate
        self._open = 0
        self._idle: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self.took: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.done = asyncio.get_running_loop().create_future()

    def answered(self, connection: _Connection, status: bytes, took_s: float) -> None:
        self.took.append(took_s)
        self.statuses[status.decode()] += 1
        self._left -= 1
        if not self._left:
            self.done.set_result(None)
        elif not self._rate:
            self._next(connection, monotonic())
        elif self._due:
            self._next(connection, self._due.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        """Go on without a connection that was idle, which the service closes after a while; a busy one is missed."""
        if connection in self._idle:
            self._idle.remove(connection)
        self._open -= 1
        if not self.done.done() and (connection.busy or not self._open):
            self.done.set_exception(ConnectionError("the service closed a connection"))

    def _next(self, connection: _Connection, due: float) -> None:
        if (request := next(self._coming, None)) is not None:
            connection.send(request, due)

    async def run(self, connections: Sequence[_Connection]) -> None:
        self._open = len(connections)
        if not self._rate:
            for connection in connections:
                self._next(connection, monotonic())
            await self.done
            return
        self._idle.extend(connections)
        begin = monotonic()
        for number in range(self._left):
            due = begin + number / self._rate
            while (early := due - monotonic()) > 0:
                await asyncio.sleep(max(early, _TICK_S))
            if self._idle:
                self._next(self._idle.popleft(), due)
            else:
                self._due.append(due)
        await self.done


async def _run(asked: Asked) -> Told:
    prepared, parts = list(requests(asked)), urlsplit(asked.url)
    loop, load = asyncio.get_running_loop(), _Load(prepared, asked.rate)
    made = [
        await loop.create_connection(lambda: _Connection(load), parts.hostname or "", parts.port or 80)
        for _ in range(min(asked.connections, asked.requests))
    ]
    began, busy = monotonic(), process_time()
    await load.run([connection for _, connection in made])
    elapsed, busy = monotonic() - began, process_time() - busy
    for transport, _ in made:
        transport.close()
    return Told(
        len(load.took) * max(1, asked.batch) / elapsed,
        percentile(load.took, 50) * 1_000,
        percentile(load.took, 99) * 1_000,
        busy / elapsed,
        dict(load.statuses),
    )


if __name__ == "__main__":
    found = uvloop.run(_run(Asked(**json.load(sys.stdin))))
    json.dump(asdict(found), sys.stdout)
