"""What is noted of each request: a line, figures, a span; never its path or body, for a customer may be named there."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters import loglines, tracing
from adapters.http.problems import Answer, RequestRefused, refused
from adapters.http.service import Service

if TYPE_CHECKING:
    from opentelemetry.trace import Span

TENANT = "lifecircle.tenant"
"""Under which name a request's scope says whose log it is about, where a server has several."""

REQUEST_ID, CORRELATION_ID = "X-Request-Id", "X-Correlation-Id"
_REQUEST_ID, _CORRELATION_ID = (name.lower().encode() for name in (REQUEST_ID, CORRELATION_ID))
_PARENT = b"traceparent"
_NAMING = frozenset({_REQUEST_ID, _CORRELATION_ID, _PARENT})

# What no person is called: a UUID, 32 hexadecimal digits, or a ULID.
_ID = re.compile(r"[0-9a-fA-F]{8}(-?)(?:[0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}|[0-7][0-9A-HJKMNP-TV-Z]{25}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNTRACED = frozenset({"/livez", "/readyz", "/metrics"})
"""What is asked every few seconds, and would be most of what is traced."""

_log = structlog.get_logger("lifecircle.http")


class Ids(NamedTuple):
    """The id of a request, and of what it belongs to."""

    request_id: str
    correlation_id: str

    def told(self) -> dict[str, str]:
        """The same as log lines tell them."""
        return {"request_id": self.request_id, "correlation_id": self.correlation_id}

    def lines(self) -> str:
        """The lines of headers by which an answer tells them."""
        return f"x-request-id: {self.request_id}\r\nx-correlation-id: {self.correlation_id}\r\n"

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The same headers as the framework takes them."""
        return [(_REQUEST_ID, self.request_id.encode()), (_CORRELATION_ID, self.correlation_id.encode())]


def ids_of(headers: Mapping[bytes, bytes]) -> Ids:
    """The ids of a request: what it belongs to is its trace, if nothing else is said, or itself.

    Both are the caller's own where they are such as machines give; any other may name somebody, and is replaced.
    """
    # It tells requests apart and is no secret, so it need not be hard to guess.
    name = f"{getrandbits(128):032x}"
    if _NAMING.isdisjoint(headers):
        return Ids(name, name)
    asked, together = _sent(headers, _REQUEST_ID), _sent(headers, _CORRELATION_ID)
    if _ID.fullmatch(asked):
        name = asked
    if _ID.fullmatch(together):
        return Ids(name, together)
    traced = _TRACEPARENT.fullmatch(_sent(headers, _PARENT))
    return Ids(name, traced[1] if traced else name)


def _sent(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


class Noted:
    """Notes each request that goes through it, by its ids."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        ids = ids_of(headers)
        loglines.named(ids.told())
        noting = Noting(scope["method"])
        named_so = ids.headers()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                noting.answered(int(message["status"]))
                message["headers"] = [*message.get("headers", ()), *named_so]
            await send(message)

        try:
            if tracing.active() and scope["path"] not in _UNTRACED:
                with tracing.request(noting.method, _sent(headers, _PARENT)) as span:
                    trace = f"{span.get_span_context().trace_id:032x}"
                    loglines.named({**ids.told(), "trace_id": trace})
                    try:
                        await self._app(scope, receive, sending)
                    finally:
                        noting.tell(span, _route(scope))
            else:
                await self._app(scope, receive, sending)
        except Exception as error:
            noting.failed(error, _route(scope))
            if noting.status:
                raise  # the answer has begun, and is cut off by the server
            await broken().response()(scope, receive, sending)
        finally:
            app = scope.get("app")  # none where a tenant could not be opened
            noting.end(_route(scope), getattr(app.state, "service", None) if app else None, scope.get(TENANT))


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "none")


def broken() -> Answer:
    """What is answered where something failed that nobody foresaw."""
    return refused(
        RequestRefused(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "the service failed on this request",
            rule="whether anything was stored is not known; a touchpoint that is sent again is stored once",
            way_out=f"tell the operator the {REQUEST_ID} of this answer",
        )
    )


class Noting:
    """One request, from when it began to be served until it is answered."""

    __slots__ = ("_answered", "began", "ids", "method", "status")

    def __init__(self, method: str, ids: Ids | None = None) -> None:
        """Begin; its line is to tell these ids, where not all lines that are written meanwhile do."""
        self.method = method if method in _METHODS else "other"
        self.ids = ids.told() if ids else {}
        self.status = 0
        self.began = self._answered = perf_counter()

    def answered(self, status: int) -> None:
        """Its answer begins."""
        self.status, self._answered = status, perf_counter()

    @property
    def until_answered_s(self) -> float:
        """How many seconds it took until its answer began."""
        return self._answered - self.began

    def tell(self, span: "Span", route: str) -> None:
        """Put into a span what is known now."""
        span.update_name(f"{self.method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": self.status})

    def failed(self, error: BaseException, route: str) -> None:
        """Write a line on what nobody foresaw."""
        _log.error("request failed", exc_info=error, method=self.method, route=route)

    def end(self, route: str, service: Service | None, tenant: str | None = None) -> None:
        """Count it, and write its line."""
        end_all([self], route, service, tenant)


def end_all(notings: "Sequence[Noting]", route: str, service: Service | None, tenant: str | None = None) -> None:
    """Count requests to one route that end together, and write their lines in one piece."""
    if service and service.metrics:
        service.metrics.requests((each.method, route, each.status, each.until_answered_s) for each in notings)
    more = {"tenant": tenant} if tenant else {}
    ended = perf_counter()
    loglines.lines(
        "request",
        [
            {
                "method": each.method,
                "route": route,
                "status": each.status,
                "ms": round((ended - each.began) * 1_000, 1),
                **more,
                **each.ids,
            }
            for each in notings
        ],
    )
