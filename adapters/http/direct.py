"""Direct ways for the commonest request: a touchpoint or a batch of them, under no conditions but those of headers.

What asks for nothing besides passes the framework by. Of that, what a key opens and what comes whole over a connection
of the server's is answered on the connection itself. Both go to the functions that are behind the route.
"""

from collections.abc import Callable
from functools import partial

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from adapters import loglines, tracing
from adapters.apikeys import Principal
from adapters.http import events
from adapters.http.cloudevents import FORMS, form_of
from adapters.http.connections import answer_whole
from adapters.http.noting import Noting, broken, headers_of, named
from adapters.http.problems import refused
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
    """Answers plain appends on their connections: those of callers who may, which come whole and ask nothing unusual.

    Whatever is unusual about a request, or to be refused before its body is read, is left to the application.
    """

    def __init__(self, application: FastAPI) -> None:
        self._application = application

    def instead_of(self, app: ASGIApp, cycle: RequestResponseCycle, target: bytes) -> ASGIApp:
        """What answers a request whose head has come: `app`, unless it may be answered here."""
        scope = cycle.scope
        sent = list(scope["headers"])
        headers: dict[bytes, bytes] = dict(sent)
        length, connection = headers.get(b"content-length", b""), headers.get(b"connection", b"keep-alive")
        service: Service | None = self._application.state.service
        if (
            service is None
            or target != _TARGET
            or scope["raw_path"] != _TARGET
            or scope["method"] != "POST"
            or scope["http_version"] != "1.1"
            or len(headers) != len(sent)
            or not _KNOWN.issuperset(headers)
            or not length.isdigit()
            or int(length) > LIMITS.http_body_aside_bytes
            or connection.lower() != b"keep-alive"
            or tracing.active()
        ):
            return app
        form = form_of(headers.get(b"content-type", b"").decode("latin-1"))
        key = borne(headers.get(b"authorization", b"").decode("latin-1"))
        if form not in FORMS or not key or "." in key:  # a token may take a question to its provider
            return app
        try:
            principal = service.keys.principal(key)
        except LifecircleError:
            return app
        if principal is None or not principal.has(events.APPENDERS):
            return app
        return partial(self._answer, app, cycle, headers, service, principal, form)

    async def _answer(
        self,
        app: ASGIApp,
        cycle: RequestResponseCycle,
        headers: dict[bytes, bytes],
        service: Service,
        principal: Principal,
        form: str,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if cycle.more_body and not await _came_whole(cycle, service, int(headers[b"content-length"])):
            await app(scope, receive, send)
            return
        name, together = named(headers)
        loglines.named({"request_id": name, "correlation_id": together})
        noting = Noting("POST")
        try:
            try:
                answer = await events.append_whole(service, principal, form, bytes(cycle.body))
            except LifecircleError as error:
                answer = refused(error)
            except Exception as error:  # noqa: BLE001 - it is told in a line, as of any request
                noting.failed(error, _ROUTE)
                answer = broken()
            noting.answered(int(answer.status))
            await answer_whole(cycle, answer, headers_of(name, together))
        finally:
            noting.end(_ROUTE, service)


async def _came_whole(cycle: RequestResponseCycle, service: Service, length: int) -> bool:
    """Wait for a body that comes in pieces; whether it came, and there was room for it."""
    try:
        service.take(length)
        while cycle.more_body and not cycle.disconnected:
            cycle.message_event.clear()
            await cycle.message_event.wait()
    except LifecircleError:
        return False  # it is refused where all are
    finally:
        service.give_back(length)
    return not cycle.disconnected
