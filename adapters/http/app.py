"""The service put together: its routes, what guards them, and what it says of itself."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from types import FrameType
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from adapters import telemetry, tracing
from adapters.apikeys import ApiKeys, Principal
from adapters.engine import Engine
from adapters.extensions import load_extensions
from adapters.http import events, quarantine, reading, rights, sealed, watching
from adapters.http.answers import Ready, answers
from adapters.http.connections import DIRECT
from adapters.http.contract import openapi
from adapters.http.contract_page import POLICY, contract_page
from adapters.http.counting import service_id
from adapters.http.direct import PlainAppends, WholeAppends, is_plain_append
from adapters.http.noting import Noted
from adapters.http.problems import JSON_TYPE, RequestRefused, refusal
from adapters.http.service import Service, service_at
from adapters.http.tokens import Tokens
from domain.errors import LifecircleError

UNKNOWN_CALLER = "unknown caller"
"""As whom a denial is recorded to whoever is not authenticated."""

_NOT_ITS_OWN = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)
"""What FastAPI would trace and log by itself: paths, what was sent, and the words of errors."""

_STOPPING = (signal.SIGINT, signal.SIGTERM)

_log = structlog.get_logger("lifecircle.http")


class Application(FastAPI):
    """The framework's application, and before it a way of their own for the commonest requests.

    They would spend more time in finding their route than in being recorded.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the life of the application."""
        if scope["type"] == "http" and is_plain_append(scope):
            scope["app"] = self
            await _plain_append(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create(url: str, keys: ApiKeys, tokens: Tokens | None = None) -> FastAPI:
    """The service over one log. It opens the log when it starts, and closes it when it stops."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        with process():
            async with serving(app, url, keys, tokens) as service, pushing(lambda: {"": service}):
                with ending(service.feed.end):
                    yield {DIRECT: WholeAppends(service)}

    return application(life)


def application(
    life: Callable[[FastAPI], AbstractAsyncContextManager[Any]] | None, ready: Callable[..., Any] | None = None
) -> FastAPI:
    """All routes, over the log that `app.state.service` has while the application lives; over none where it has none.

    Args:
        life: what is open while it lives; where it is none, whoever made the application sees to that.
        ready: what answers /readyz instead of the one log.
    """
    load_extensions()
    app = Application(
        title="lifecircle",
        version=version("lifecircle"),
        summary="Append touchpoints, replay histories, read views, follow the log.",
        lifespan=life,
        telemetry=_NOT_ITS_OWN,
        # Its own pages run what they load from elsewhere, where whoever reads them has a key to personal data.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # it would take forty times as long to write it, whoever asks
    )
    app.add_route("/docs", _docs)
    app.add_route("/openapi.json", _contract)
    for part in (events, reading, rights, sealed, quarantine, watching):
        app.include_router(part.router)
    app.add_exception_handler(LifecircleError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _failed)
    app.add_middleware(Noted)
    app.get(
        "/readyz",
        summary="Whether it can serve, and if not, why",
        tags=["service"],
        response_model=None,
        responses=answers(Ready, "It can; with all that is wrong besides"),
    )(ready or watching.readyz)
    app.openapi = partial(openapi, app)  # type: ignore[method-assign]
    return app


async def _contract(request: Request) -> Response:
    told = request.app.openapi()
    if below := request.scope.get("root_path", ""):
        told = told | {"servers": [{"url": below}, *told["servers"]]}
    return Response(orjson.dumps(told), media_type=JSON_TYPE)


async def _docs(request: Request) -> Response:
    return HTMLResponse(contract_page(request.app.openapi()), headers={"Content-Security-Policy": POLICY})


@asynccontextmanager
async def serving(app: FastAPI, url: str, keys: ApiKeys, tokens: Tokens | None) -> AsyncIterator[Service]:
    """Let an application serve the log at an address, until the block ends.

    Raises:
        LogNotFound, NotOurLog, NewerLog, LogUnavailable: it cannot be opened.
    """
    engine = await asyncio.to_thread(Engine.open, url)
    try:
        app.state.service = service = Service(engine, keys, tokens)
        sampling = asyncio.create_task(service.sampling())
        try:
            async with service.feed.watching():
                yield service
        finally:
            sampling.cancel()
    finally:
        app.state.service = None
        await asyncio.to_thread(engine.close)


@contextmanager
def process() -> Iterator[None]:
    """What a process of a service does as long as it lives, however many logs it serves. Belongs to one event loop."""
    asyncio.get_running_loop().set_exception_handler(_task_failed)
    with tracing.exporting(service_id()):
        yield


@asynccontextmanager
async def pushing(services: Callable[[], Mapping[str, Service]]) -> AsyncIterator[None]:
    """Push the figures of services, by the names of their tenants, until the block ends, where the environment says so.

    Raises:
        ExtraMissing: it does, and what pushes them is not installed.
    """
    if not telemetry.wanted("metrics"):
        yield
        return
    from adapters.http.otlp import pushing_figures  # with OpenTelemetry's SDK

    async with pushing_figures(services):
        yield


def _task_failed(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell of a task that failed without anybody waiting for it; its own words may hold what a customer sent."""
    _log.error("a task failed", exc_info=context.get("exception"))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, LifecircleError)  # noqa: S101 - it is the handler of these
    if isinstance(error, RequestRefused) and error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        # The route and not the path, which may name a customer.
        route = f"{request.method} {getattr(request.scope.get('route'), 'path', 'none')}"
        principal: Principal | None = getattr(request.state, "principal", None)
        recordedby = principal.recordedby if principal else UNKNOWN_CALLER
        if service := service_at(request):  # a caller whom no tenant knows is nobody's to note
            service.engine.refusals.note_denied(route, error.what, recordedby)
    return refusal(error)


_plain_append = Noted(PlainAppends(_refused))


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is the handler of these
    found = [(".".join(map(str, each["loc"][1:])), each["msg"]) for each in error.errors()]
    return refusal(
        RequestRefused(
            HTTPStatus.BAD_REQUEST,
            "the request cannot be read",
            where=", ".join(dict.fromkeys(where for where, _ in found)),
            rule="; ".join(f"{where}: {told}" for where, told in found),
            way_out="see the contract at /docs",
        )
    )


def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is the handler of these
    return refusal(RequestRefused(HTTPStatus(error.status_code), HTTPStatus(error.status_code).phrase))


@contextmanager
def ending(end: Callable[[], None]) -> Iterator[None]:
    """Let followers come to their end as soon as the process is told to stop: it waits for them before all else."""
    if threading.current_thread() is not threading.main_thread():
        yield  # whoever runs it there sees to its end
        return
    loop, before = asyncio.get_running_loop(), {name: signal.getsignal(name) for name in _STOPPING}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(end)
        if callable(handler := before[signal.Signals(number)]):
            handler(number, frame)

    for name in _STOPPING:
        signal.signal(name, stop)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
