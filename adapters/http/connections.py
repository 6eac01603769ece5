"""Connections whose other end may not take as long as it likes: to send a request, or to take its answer."""

from asyncio import AbstractEventLoop, Event, Future, TimerHandle, Transport
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol, cast

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from adapters.http.heads import KnownHead
from adapters.http.problems import Answer, RequestRefused, refusal
from adapters.settings import LIMITS

DIRECT = "lifecircle.direct"
"""Under which name an application's state may hold a `Direct`."""

Headers = Sequence[tuple[bytes, bytes]]


class Direct(Protocol):
    """What answers some requests on their connections, past the application."""

    def cycle(self, connection: "Connection", target: bytes, headers: Headers) -> "DirectCycle | None":
        """What answers a POST by HTTP 1.1 whose head has come, to this target as it was sent; None: the application."""
        ...


_HEAD, _BODY, _WHOLE, _REST = "head", "body", "whole", "rest"
"""What the other end is sending: the head of a request, its body, or nothing, for it has sent all of it or the answer
has been sent as well."""


class Connection(HttpToolsProtocol):
    """A connection of the server's. It is cut when the head or the body of a request, or a reader, takes too long."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._direct: Direct | None = self.app_state.get(DIRECT)
        self._sends = self._awaited = _HEAD
        self._head_bytes: int = 0
        """How much came since the last head or piece of a body was whole: of headers, or of what a body ends with."""
        self._until: float | None = None
        """Until when, by the loop's clock, what the other end sends is waited for; None while it has its turn."""
        self._sending: TimerHandle | None = None
        """Looks at that, now and then: a timer for each request would take longer than its head does to be read."""
        self._reading: TimerHandle | None = None
        self._parses = False
        """Whether the parser is amid a request."""
        self.under_way: set[Future[Any]] = self.tasks  # type: ignore[assignment] # uvicorn asks no more of a task
        """What a server that stops waits for."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for a request; where there are too many connections, to refuse it."""
        self.joined = _Joined(transport, self.loop)
        super().connection_made(cast("Transport", self.joined))
        if len(self.connections) > LIMITS.http_connections_max:
            self.app = refusal(_TOO_MANY)
        self._wait_for(LIMITS.http_head_s)

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait for what is still to come."""
        if self._sends is _REST:
            if self._is_known(data):
                return
            self._sends = _HEAD
        before, whole = self.cycle, not self._parses
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > LIMITS.http_head_max_bytes and not self.transport.is_closing():
            self._too_large()
        cycle = self.cycle
        if whole and cycle is not before and isinstance(cycle, DirectCycle) and not cycle.more_body:
            cycle.head = KnownHead.of(data, cycle.body)
        self._wait()

    def _is_known(self, data: bytes) -> bool:
        """Whether this is a whole request that differs little from the one before: then it is answered, unparsed."""
        before = self.cycle
        if self._parses or not isinstance(before, DirectCycle) or before.head is None or self.flow.write_paused:
            return False
        if (found := before.head.again(data)) is None:
            return False
        varying, body = found
        if (cycle := before.again(varying, len(body))) is None:
            return False
        self.cycle, cycle.head, cycle.body, cycle.more_body = cycle, before.head, bytearray(body), False
        self._sends = _WHOLE
        self._wait()
        cycle.begin()
        return True

    def on_message_begin(self) -> None:
        """A request begins; whether uvicorn is to make a scope of it is not known before its head is there."""
        self._parses = True
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """The head is there: begin to answer it here, or let uvicorn do so."""
        self._sends, self._head_bytes = _BODY, 0
        if cycle := self._direct_cycle():
            self.cycle = cycle
            return
        target, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = target, expects
        self.headers += headers
        super().on_headers_complete()
        if len(self.pipeline) > LIMITS.http_ahead_max:
            self._cut_off()
            raise _TooManyAhead  # or the parser would go on with what came with it

    def _direct_cycle(self) -> "DirectCycle | None":
        """What answers the request here, if anything does.

        To uvicorn is left what was sent without waiting for answers, what it or this connection refuses, and all where
        uvicorn writes lines or adds to paths.
        """
        parser: HttpRequestParser | None = self.parser
        if (
            self._direct is None
            or parser is None
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.flow.write_paused
            or self.app is not self.config.loaded_app
            or self.limit_concurrency is not None
            or self.root_path
            or self.config.access_log
            or parser.get_method() != b"POST"
            or parser.get_http_version() != "1.1"
            or parser.should_upgrade()
            or not parser.should_keep_alive()
        ):
            return None
        return self._direct.cycle(self, self.url, self.headers)

    def on_body(self, body: bytes) -> None:
        """A piece of the body is there."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is there, or there is none."""
        self._parses, self._head_bytes = False, 0
        super().on_message_complete()
        cycle = self.cycle
        self._sends = _HEAD if cycle.response_complete else _WHOLE
        if isinstance(cycle, DirectCycle):
            cycle.begin()

    def on_response_complete(self) -> None:
        """Wait for the rest of the request that was answered, or for the next."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        if self._sends is _WHOLE and self.cycle.response_complete:
            self._sends = _HEAD if self._parses else _REST
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
        if isinstance(self.cycle, DirectCycle) and self.cycle.more_body:
            self.cycle.broke_off()
        self._sending, self._reading = _none_of(self._sending), _none_of(self._reading)
        if self.cycle is not None and self.cycle.response_complete:
            # Or each would hold the other, until the collector looks.
            self.cycle = None  # type: ignore[assignment] # as it is before the first request

    def _wait(self) -> None:
        """Give a connection at rest, the head of a request and its body a time each, however little comes at once."""
        if self._sends is self._awaited:
            return
        self._awaited = self._sends
        if self._sends is _WHOLE or self.transport.is_closing():
            self._until = None
        elif self._sends is _REST:
            self._wait_for(self.timeout_keep_alive)
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

    def _too_large(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response("The head of the request is too large.")
        else:  # it is sent ahead, or after a body
            self._cut_off()

    def _cut_off(self) -> None:
        """Say nothing more, for an answer to what came before may be under way."""
        self.pipeline.clear()
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, unless the connection is cut off already."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _too_slow(self) -> None:
        if self._sends is _HEAD and self.cycle is not None and not self.cycle.response_complete:
            return  # it began to send its next request before this one is answered
        self.transport.close()


class _TooManyAhead(Exception):
    """More requests came than may wait for the answer to one before them; the parser hands it on as its own."""


class DirectCycle(RequestResponseCycle):
    """A request that is answered on its connection: what uvicorn's protocol asks of a cycle, and no more of one."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.message_event = _NOBODY_WAITS
        self.body = bytearray()
        self.keep_alive = self.more_body = True
        self.disconnected = self.response_complete = False
        self.head: KnownHead | None = None
        """Its own, where it came in one piece with the body."""

    def again(self, varying: Mapping[bytes, bytes], length: int) -> "DirectCycle | None":
        """What answers another request, with a body of this length, whose head differs from its own in these headers.

        None: that is to be parsed, and looked at anew.
        """
        raise NotImplementedError

    def begin(self) -> None:
        """Begin to answer: the request is whole."""
        raise NotImplementedError

    def broke_off(self) -> None:
        """The other end went before the request was whole."""
        raise NotImplementedError

    def answer(self, answer: Answer, named: str) -> None:
        """Send an answer and these lines of headers, in one piece; to nobody where the other end has gone."""
        self.response_complete = True
        if self.disconnected:
            return
        status, body, form, more = answer
        own = "".join([f"{name.lower()}: {value}\r\n" for name, value in more.items()])
        ends = "" if self.keep_alive else "connection: close\r\n"
        head = f"{own}content-length: {len(body)}\r\ncontent-type: {form}\r\n{named}{ends}\r\n"
        connection = self.connection
        start = _start(int(status), tuple(connection.server_state.default_headers))
        connection.joined.send(b"".join((start, head.encode(), body)))
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()


_NOBODY_WAITS = Event()


@lru_cache(32)
def _start(status: int, headers: Headers) -> bytes:
    """How all answers of a status begin, until it is another second."""
    return STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % each for each in headers])


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
            self._loop.call_soon(self.send)
        self._held.append(data)

    def send(self, data: bytes = b"") -> None:
        """Send what is left and this, now."""
        if self._held:
            data = b"".join([*self._held, data])
            self._held.clear()
        if data:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is left, and close."""
        self.send()
        self._transport.close()


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
