"""Direct ways for the commonest request: a touchpoint or a batch of them, under no conditions but those of headers.

What asks for nothing besides passes the framework by. Of that, what a key opens is answered on its connection itself.
Both go to the functions that are behind the route.
"""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from adapters import loglines, tracing
from adapters.apikeys import Principal
from adapters.appending.async_committer import Later
from adapters.http import events
from adapters.http.bodies import broken_off
from adapters.http.cloudevents import FORMS, form_of
from adapters.http.connections import Connection, DirectCycle, Headers
from adapters.http.noting import Ids, Noting, broken, ids_of
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

    def __init__(self, application: FastAPI) -> None:
        self._application = application

    def cycle(self, connection: Connection, target: bytes, headers: Headers) -> DirectCycle | None:
        """What answers a POST by HTTP 1.1 whose head has come, if it may be answered here."""
        sent = dict(headers)
        length = sent.get(b"content-length", b"")
        service: Service | None = self._application.state.service
        if (
            service is None
            or target != _TARGET
            or len(sent) != len(headers)
            or not _KNOWN.issuperset(sent)
            or not length.isdigit()
            or int(length) > LIMITS.http_body_aside_bytes
            or sent.get(b"connection", b"keep-alive").lower() != b"keep-alive"
            or tracing.active()
        ):
            return None
        form = form_of(sent.get(b"content-type", b"").decode("latin-1"))
        key = borne(sent.get(b"authorization", b"").decode("latin-1"))
        if form not in FORMS or not key or "." in key:  # a token may take a question to its provider
            return None
        try:
            principal = service.keys.principal(key)
        except LifecircleError:
            return None
        if principal is None or not principal.has(events.APPENDERS):
            return None
        found = _PlainAppend(connection, service, principal, form, int(length), ids_of(sent))
        return found if found.has_room() else None


class _PlainAppend(DirectCycle):
    """One plain append.

    A touchpoint that nothing stands against is answered when the round that stores it is over. Whatever else a body
    holds is answered by a task, which begins with the body again.
    """

    def __init__(
        self,
        connection: Connection,
        service: Service,
        principal: Principal,
        form: str,
        length: int,
        ids: Ids,
    ) -> None:
        super().__init__(connection)
        self._service, self._principal, self._form = service, principal, form
        self._length, self._ids = length, ids

    def has_room(self) -> bool:
        """Whether there is room for its body, which is then kept for it."""
        try:
            self._service.take(self._length)
        except LifecircleError:
            self._service.give_back(self._length)
            return False
        return True

    def begin(self) -> None:
        """Its body is whole."""
        self._service.give_back(self._length)
        self._noting = Noting("POST", self._ids)
        try:
            stored = events.append_at_once(self._service, self._principal, self._form, bytes(self.body))
        except Exception:  # noqa: BLE001 - it happens again in the task, which tells of it
            stored = None
        if stored is None:
            self._answer_in_task()
        else:
            self.connection.await_end_of(stored)
            stored.add_done_callback(self._stored)

    def broke_off(self) -> None:
        """What did not come whole is not looked at."""
        self._service.give_back(self._length)
        self._noting = Noting("POST", self._ids)
        self._tell(refused(broken_off()))

    def _stored(self, stored: Later) -> None:
        if stored.cancelled():  # the process ends
            self._tell(broken())
        elif answer := events.answer_at_once(self._service, stored, self._noting.passed_s()):
            self._tell(answer)
        else:
            self._answer_in_task()

    def _answer_in_task(self) -> None:
        self.connection.await_end_of(self.connection.loop.create_task(self._answered()))

    async def _answered(self) -> None:
        loglines.named(self._ids._asdict())
        try:
            answer = await events.append_whole(self._service, self._principal, self._form, bytes(self.body))
        except LifecircleError as error:
            answer = refused(error)
        except BaseException as error:  # noqa: BLE001 - it is told in a line, as of any request, also when the process ends
            self._noting.failed(error, _ROUTE)
            answer = broken()
        self._tell(answer)

    def _tell(self, answer: Answer) -> None:
        """Answer, and note so."""
        self._noting.answered(int(answer.status))
        self.answer(answer, self._ids.headers())
        self._noting.end(_ROUTE, self._service)
