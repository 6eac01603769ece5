"""Direct ways for the commonest request: a touchpoint or a batch of them, under no conditions but those of headers.

What asks for nothing besides passes the framework by. Of that, what a key opens is answered on its connection itself.
Both go to the functions that are behind the route.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from adapters import loglines, tracing
from adapters.apikeys import Principal
from adapters.appending.async_committer import Later
from adapters.http import events
from adapters.http.bodies import broken_off
from adapters.http.cloudevents import FORMS, form_of
from adapters.http.connections import Connection, DirectCycle, Headers
from adapters.http.heads import VARYING
from adapters.http.noting import Ids, Noting, broken, end_all, ids_of
from adapters.http.problems import Answer, refused
from adapters.http.service import Service, borne
from adapters.settings import LIMITS
from domain.errors import LifecircleError

_ROUTE, _TARGET = "/events", b"/events"

_HARMLESS = frozenset(
    {
        *(b"host", b"user-agent", b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"pragma"),
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto", b"forwarded", b"via"),
        *(b"x-real-ip", b"tracestate", b"connection"),
    }
)
"""Headers that change nothing about a plain append."""

_KNOWN = _HARMLESS | {
    *(b"authorization", b"content-type", b"content-length", b"x-request-id", b"x-correlation-id", b"traceparent")
}
"""All that a request may have that is answered on its connection, each of them once."""


def is_plain_append(scope: Scope) -> bool:
    """Whether a request appends, to a log or a tenant's, and has no query."""
    path: str = scope["path"]
    return (
        path.endswith(_ROUTE)
        and path == scope.get("root_path", "") + _ROUTE
        and scope["method"] == "POST"
        and not scope["query_string"]
    )


class PlainAppends:
    """Hands such requests to what the route would hand them to. `refused` answers what is refused, as for any route."""

    def __init__(self, refused: Callable[[Request, Exception], Response]) -> None:
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope["route"] = events.APPEND
        request = Request(scope, receive)
        try:
            response = await events.append_plainly(request)
        except LifecircleError as error:
            response = self._refused(request, error)
        await response(scope, receive, send)


class WholeAppends:
    """Answers plain appends on their connections: those of callers who may, and which ask nothing unusual.

    Whatever is unusual about a request, or to be refused before its body is read, is left to the application.
    """

    def __init__(self, service: Service) -> None:
        self._turn = _Turn(service)

    def cycle(self, connection: Connection, target: bytes, headers: Headers) -> DirectCycle | None:
        """What answers a POST by HTTP 1.1 whose head has come, if it may be answered here."""
        sent = dict(headers)
        length = sent.get(b"content-length", b"")
        if (
            target != _TARGET
            or len(sent) != len(headers)
            or not _KNOWN.issuperset(sent)
            or not length.isdigit()
            or sent.get(b"connection", b"keep-alive").lower() != b"keep-alive"
        ):
            return None
        form = form_of(sent.get(b"content-type", b"").decode("latin-1"))
        key = borne(sent.get(b"authorization", b"").decode("latin-1"))
        if form not in FORMS or not key or "." in key:  # a token may take a question to its provider
            return None
        return _admitted(connection, self._turn, _Asked(key, form, VARYING & sent.keys()), int(length), ids_of(sent))


class _Asked(NamedTuple):
    """What the head of a plain append asks: by which key, in which form, and with which headers that may vary."""

    key: str
    form: str
    varying: frozenset[bytes]


def _admitted(connection: Connection, turn: "_Turn", asked: _Asked, length: int, ids: Ids) -> "_PlainAppend | None":
    """What answers a plain append with a body of this length, if there is room for it and its caller may append."""
    if length > LIMITS.http_body_aside_bytes or tracing.active():
        return None
    if (principal := turn.appender(asked.key, connection.loop)) is None:
        return None
    try:
        turn.service.take(length)
    except LifecircleError:
        turn.service.give_back(length)
        return None
    return _PlainAppend(connection, turn, asked, principal, length, ids)


class _PlainAppend(DirectCycle):
    """One plain append.

    A touchpoint that nothing stands against is answered when the round that stores it is over. Whatever else a body
    holds is answered by a task, which begins with the body again.
    """

    def __init__(
        self, connection: Connection, turn: "_Turn", asked: _Asked, principal: Principal, length: int, ids: Ids
    ) -> None:
        super().__init__(connection)
        self._turn, self._service = turn, turn.service
        self._asked, self._principal, self._length = asked, principal, length
        self.ids = ids

    def again(self, varying: Mapping[bytes, bytes], length: int) -> DirectCycle | None:
        """What answers another whose head differs in these headers."""
        if varying.keys() != self._asked.varying:
            return None
        said = varying[b"content-length"]
        if not said.isdigit() or int(said) != length:
            return None
        return _admitted(self.connection, self._turn, self._asked, length, ids_of(varying))

    def begin(self) -> None:
        """Its body is whole."""
        self._service.give_back(self._length)
        self.noting = Noting("POST", self.ids)
        try:
            stored = events.append_at_once(self._service, self._principal, self._asked.form, bytes(self.body))
        except Exception:  # noqa: BLE001 - it happens again in the task, which tells of it
            stored = None
        if stored is None:
            self._answer_in_task()
        else:
            self.connection.under_way.add(stored)
            stored.add_done_callback(self._stored)

    def broke_off(self) -> None:
        """What did not come whole is not looked at."""
        self._service.give_back(self._length)
        self.noting = Noting("POST", self.ids)
        self._turn.end(self, refused(broken_off()))

    def _stored(self, stored: Later) -> None:
        self.connection.under_way.discard(stored)
        if stored.cancelled():  # the process ends
            self._turn.end(self, broken())
        elif outcome := events.outcome_at_once(self._service, stored):
            self._turn.end(self, events.answer_to(outcome), outcome)
        else:
            self._answer_in_task()

    def _answer_in_task(self) -> None:
        task = self.connection.loop.create_task(self._answered())
        self.connection.under_way.add(task)
        task.add_done_callback(self.connection.under_way.discard)

    async def _answered(self) -> None:
        loglines.named(self.ids.told())
        try:
            answer = await events.append_whole(self._service, self._principal, self._asked.form, bytes(self.body))
        except LifecircleError as error:
            answer = refused(error)
        except BaseException as error:  # noqa: BLE001 - it is told in a line; also where the end of the process cuts it off
            self.noting.failed(error, _ROUTE)
            answer = broken()
        self._turn.end(self, answer)


class _Turn:
    """One turn of the loop: keys are looked at once; what is answered is counted and noted together, and then sent."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._appenders: dict[str, Principal] = {}
        self._ended: list[tuple[_PlainAppend, Answer]] = []
        self._outcomes: list[events.Outcome] = []
        self._each_s: list[float] = []

    def appender(self, key: str, loop: AbstractEventLoop) -> Principal | None:
        """Whom a key stands for, if they may append."""
        if found := self._appenders.get(key):
            return found
        try:
            principal = self.service.keys.principal(key)
        except LifecircleError:
            return None
        if principal is None or not principal.has(events.APPENDERS):
            return None
        if not self._appenders:
            loop.call_soon(self._appenders.clear)
        self._appenders[key] = principal
        return principal

    def end(self, append: _PlainAppend, answer: Answer, outcome: events.Outcome | None = None) -> None:
        """Send this when the turn is over, and count this outcome, where it was not counted."""
        append.noting.answered(int(answer.status))
        if outcome is not None:
            self._outcomes.append(outcome)
            self._each_s.append(append.noting.until_answered_s)
        if not self._ended:
            append.connection.loop.call_soon(self._over)
        self._ended.append((append, answer))

    def _over(self) -> None:
        ended, outcomes, each_s = self._ended, self._outcomes, self._each_s
        self._ended, self._outcomes, self._each_s = [], [], []
        try:
            if outcomes:
                self.service.count(outcomes, *each_s)
            end_all([append.noting for append, _ in ended], _ROUTE, self.service)
        finally:
            for append, answer in ended:
                append.answer(answer, append.ids.lines())
