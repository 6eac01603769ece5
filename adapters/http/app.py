"""The service put together: its routes, what guards them, and what it says of itself."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from time import perf_counter
from types import FrameType
from typing import Annotated, Any
from uuid import uuid4

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.addresses import open_tables
from adapters.configuration import configured
from adapters.engine import Engine
from adapters.extensions import load_extensions
from adapters.http import events, quarantine, reading, rights, sealed
from adapters.http.answers import Alive, Ready, answers
from adapters.http.apikeys import ApiKeys, Principal, Role
from adapters.http.contract import openapi
from adapters.http.problems import RequestRefused, refusal
from adapters.http.service import Service, in_turn, service_at, service_of
from adapters.http.tokens import Tokens, tokens_named
from adapters.loglines import as_json
from adapters.views.projector import status as views_status
from domain.errors import LifecircleError

UNKNOWN_CALLER = "unknown caller"
"""As whom a denial is recorded to whoever is not authenticated."""

TENANT = "lifecircle.tenant"
"""Under which name a request's scope says whose log it is about, where a server has several."""

_REQUEST_ID = "X-Request-Id"
_STOPPING = (signal.SIGINT, signal.SIGTERM)

_log = structlog.get_logger("lifecircle.http")


def from_environment() -> ASGIApp:
    """The service over the log or the tenants that are configured; what each process of it begins with."""
    as_json()
    if parent := parent_process():
        threading.Thread(target=_stop_after, args=(parent,), daemon=True).start()
    configuration = configured()
    if configuration.tenants:
        from adapters.http.hosting import Hosting  # which is made of what is below

        return Hosting(configuration.tenants, tokens_named(several=True))
    url = configuration.log
    assert url is not None  # noqa: S101 - who starts these processes says so in their environment
    return create(url, ApiKeys.of_log(url), tokens_named(several=False))


def _stop_after(parent: BaseProcess) -> None:
    """End this worker, in peace, when who began it is gone: killed, it could not tell its workers."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def create(url: str, keys: ApiKeys, tokens: Tokens | None = None) -> FastAPI:
    """The service over one log. It opens the log when it starts, and closes it when it stops."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with serving(app, url, keys, tokens) as service:
            with ending(service.feed.end):
                yield

    return application(life)


def application(
    life: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None, ready: Callable[..., Any] | None = None
) -> FastAPI:
    """All routes, over the log that `app.state.service` has while the application lives; over none where it has none.

    Args:
        life: what is open while it lives; where it is none, whoever made the application sees to that.
        ready: what answers /readyz instead of the one log.
    """
    load_extensions()
    app = FastAPI(
        title="lifecircle",
        version=version("lifecircle"),
        summary="Append touchpoints, replay histories, read views, follow the log.",
        lifespan=life,
    )
    for part in (events, reading, rights, sealed, quarantine):
        app.include_router(part.router)
    app.add_exception_handler(LifecircleError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _failed)
    app.add_middleware(Noted)
    app.get("/livez", summary="Whether the process answers", tags=["service"], responses=answers(Alive, "It does"))(
        livez
    )
    app.get(
        "/readyz",
        summary="Whether it can serve, and if not, why",
        tags=["service"],
        response_model=None,
        responses=answers(Ready, "It can"),
    )(ready or readyz)
    app.get(
        "/status",
        summary="How the log and its views stand",
        tags=["service"],
        response_model=None,
        responses=answers(dict[str, Any], "How they stand"),
    )(status)
    app.openapi = partial(openapi, app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def serving(app: FastAPI, url: str, keys: ApiKeys, tokens: Tokens | None) -> AsyncIterator[Service]:
    """Let an application serve the log at an address, until the block ends.

    Raises:
        LogNotFound, NotOurLog, NewerLog, LogUnavailable: it cannot be opened.
    """
    engine = await asyncio.to_thread(Engine.open, url)
    try:
        app.state.service = service = Service(engine, keys, tokens)
        async with service.feed.watching():
            yield service
    finally:
        app.state.service = None
        await asyncio.to_thread(engine.close)


def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


def readyz(request: Request) -> JSONResponse:
    """The log can be reached; a projector that lags is told of, and does not keep touchpoints from being appended."""
    return JSONResponse(readiness(service_of(request)))


def readiness(service: Service) -> dict[str, Any]:
    """How far a service can serve.

    Raises:
        LogUnavailable: its log cannot be reached.
    """
    service.engine.log.heads()
    with closing(open_tables(service.engine.url, service.engine.company)) as tables:
        late = {view.view: view.lag for view in views_status(service.engine.log, tables) if view.lag}
    return {"status": "ready", "views_behind": late}


def status(
    request: Request, _: Annotated[Principal, Depends(in_turn(Role.OPERATOR), scope="function")]
) -> JSONResponse:
    """The head of the log with its cursor, and each view's lag in touchpoints and seconds."""
    service = service_of(request)
    heads = service.engine.log.heads()
    with closing(open_tables(service.engine.url, service.engine.company)) as tables:
        views = [view._asdict() for view in views_status(service.engine.log, tables)]
    told = {"log": service.engine.log.log_id.hex(), "touchpoints": sum(heads.numbers), "cursor": str(heads)}
    return JSONResponse(told | {"followers": service.feed.followers, "views": views})


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LifecircleError)  # noqa: S101 - it is the handler of these
    if isinstance(error, RequestRefused) and error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        # The route and not the path, which may name a customer.
        route = f"{request.method} {getattr(request.scope.get('route'), 'path', 'none')}"
        principal: Principal | None = getattr(request.state, "principal", None)
        recordedby = principal.recordedby if principal else UNKNOWN_CALLER
        if service := service_at(request):  # a caller whom no tenant knows is nobody's to note
            service.engine.refusals.note_denied(route, error.what, recordedby)
    return refusal(error)


def _invalid(_: Request, error: Exception) -> JSONResponse:
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


def _failed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is the handler of these
    return refusal(RequestRefused(HTTPStatus(error.status_code), HTTPStatus(error.status_code).phrase))


class Noted:
    """One line for each request: never its path or body, for a customer may be named there, but its route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(_REQUEST_ID, "")
        name = asked if asked.isascii() and asked.replace("-", "").isalnum() and len(asked) <= 64 else uuid4().hex
        began, status = perf_counter(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)[_REQUEST_ID] = name
            await send(message)

        try:
            await self._app(scope, receive, named)
        finally:
            route, took = scope.get("route"), round((perf_counter() - began) * 1_000, 1)
            told = {"request_id": name, "method": scope["method"], "route": getattr(route, "path", "none")}
            if tenant := scope.get(TENANT):
                told["tenant"] = tenant
            _log.info("request", **told, status=status, ms=took)


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
