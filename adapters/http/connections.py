"""Connections whose other end may not take as long as it likes: to send a request, or to take its answer."""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Protocol, cast

from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from adapters.http.problems import Answer, RequestRefused, refusal
from adapters.settings import LIMITS

DIRECT = "lifecircle.direct"
"""Under which name an application's state may hold a `Direct`."""


class Direct(Protocol):
    """What answers some requests on their connections."""

    def instead_of(self, app: ASGIApp, cycle: RequestResponseCycle, target: bytes) -> ASGIApp:
        """What answers a request whose head has come, to this target as it was sent: the application, or another."""
        ...


_HEAD, _BODY, _WHOLE = "head", "body", "whole"
"""What the other end is sending: the head of a request, its body, or nothing, for it has sent all of it."""


class Connection(HttpToolsProtocol):
    """A connection of the server's. It is cut when the head or the body of a request, or a reader, takes too long."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._sends = self._awaited = _HEAD
        self._head_bytes = 0
        self._until: float | None = None
        """Until when, by the loop's clock, what the other end sends is waited for; None while it has its turn."""
        self._sending: TimerHandle | None = None
        """Looks at that, now and then: a timer for each request would take longer than its head does to be read."""
        self._reading: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for a request; where there are too many connections, to refuse it."""
        super().connection_made(cast("Transport", _Joined(transport, self.loop)))
        if len(self.connections) > LIMITS.http_connections_max:
            self.app = refusal(_TOO_MANY)
        self._wait_for(LIMITS.http_head_s)

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait for what is still to come."""
        super().data_received(data)
        if self._sends is _HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > LIMITS.http_head_max_bytes and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._sends, self._head_bytes = _BODY, 0
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin to answer a request; on the connection itself where the application has what does so."""
        direct: Direct | None = self.app_state.get(DIRECT)
        # Of requests that were sent without waiting for answers the later ones are not looked at, and where uvicorn or
        # this connection refuses, or uvicorn writes lines, it is not passed by.
        if direct and cycle is self.cycle and app is self.config.loaded_app and not self.config.access_log:
            app = direct.instead_of(app, cycle, self.url)
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """The body is there, or there is none."""
        super().on_message_complete()
        self._sends = _HEAD if self.cycle.response_complete else _WHOLE

    def on_response_complete(self) -> None:
        """Wait for the rest of the request that was answered, or for the next."""
        super().on_response_complete()
        if self._sends is _WHOLE:
            self._sends = _HEAD
        self._wait()

    def pause_writing(self) -> None:
        """Give the reader, whose buffers are full, a time to take something."""
        super().pause_writing()
        self._reading = self.loop.call_later(LIMITS.http_reader_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It did."""
        super().resume_writing()
        self._reading = _none_of(self._reading)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._sending, self._reading = _none_of(self._sending), _none_of(self._reading)

    def _wait(self) -> None:
        """Give the head of a request one time, and its body another, however little comes at once."""
        if self._sends is self._awaited:
            return
        self._awaited = self._sends
        if self._sends is _WHOLE or self.transport.is_closing():
            self._until = None
        else:
            self._wait_for(LIMITS.http_head_s if self._sends is _HEAD else LIMITS.http_body_s)

    def _wait_for(self, within_s: float) -> None:
        self._until = self.loop.time() + within_s
        if self._sending is not None and self._sending.when() > self._until:
            self._sending = _none_of(self._sending)
        if self._sending is None:
            self._sending = self.loop.call_at(self._until, self._look)

    def _look(self) -> None:
        self._sending = None
        if self._until is None:
            return
        if self.loop.time() < self._until:
            self._sending = self.loop.call_at(self._until, self._look)
        else:
            self._too_slow()

    def _too_slow(self) -> None:
        if self._sends is _HEAD and self.cycle is not None and not self.cycle.response_complete:
            return  # it began to send its next request before this one is answered
        self.transport.close()


async def answer_whole(cycle: RequestResponseCycle, answer: Answer, named: Sequence[tuple[bytes, bytes]]) -> None:
    """Send the head of an answer and its body at once, as `RequestResponseCycle.send` does piece by piece."""
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    status, body, form, more = answer
    told = "".join([f"{name.lower()}: {value}\r\n" for name, value in more.items()])
    own = f"{told}content-length: {len(body)}\r\ncontent-type: {form}\r\n".encode()
    before, after = (b"".join([b"%b: %b\r\n" % each for each in headers]) for headers in (cycle.default_headers, named))
    ends = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    cycle.transport.write(b"".join((STATUS_LINE[int(status)], before, own, after, ends, body)))
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


class _Joined:
    """A transport that sends what is written in one turn of the loop in one piece: the head of an answer and its body.

    Sent apart each is a call to the system, and wakes up whoever reads.
    """

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        # What each request asks for, without looking for it each time.
        self.is_closing, self.resume_reading = transport.is_closing, transport.resume_reading
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send it, with what else is written before others have their turn."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)

    def close(self) -> None:
        """Send what is left, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._transport.write(data)


def _none_of(timer: TimerHandle | None) -> TimerHandle | None:
    """What a timer becomes that is not waited for any more: none."""
    if timer is not None:
        timer.cancel()
    return None


_TOO_MANY = RequestRefused(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too many connections at the same moment",
    rule=f"one process has at most {LIMITS.http_connections_max}",
    way_out="send the same again a little later; keep a connection for several requests",
)
