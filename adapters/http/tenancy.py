"""One tenant: its service, opened over its own database in threads of its own, and opened again after that failed."""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI

from adapters.apikeys import ApiKeys
from adapters.http.app import application, serving
from adapters.http.problems import NotReady, RequestRefused
from adapters.http.service import Service
from adapters.http.tokens import Tokens
from adapters.http.watching import readiness
from adapters.settings import LIMITS
from domain.errors import LifecircleError, LogUnavailable

_own: ContextVar[ThreadPoolExecutor | None] = ContextVar("threads of the tenant", default=None)

_log = structlog.get_logger("lifecircle.http")


class TenantsNotSeparate(LifecircleError):
    """The log of a tenant could be reached from another one's, so it is not served."""

    exit_code = 8


class Threads(ThreadPoolExecutor):
    """The threads of a loop. What is done for a tenant is done by that tenant's own, which alone wait for its database.

    They are those of whoever hands something over, so nothing that a task calls must know of tenants.
    """

    def submit(self, call: Any, /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Have something done, by the tenant's threads where it is for one."""
        own = _own.get()
        return super().submit(call, *arguments, **named) if own is None else own.submit(call, *arguments, **named)


class Tenancy:
    """One tenant. Belongs to one event loop."""

    def __init__(self, name: str, url: str, tokens: Tokens | None, others: Mapping[str, "Tenancy"]) -> None:
        """Prepare it; nothing is opened before it is asked for. `others` are all that the server has."""
        self.name, self.url = name, url
        self.keys = ApiKeys.of_log(url)
        self.service: Service | None = None
        self.reach: Any = None
        self._tokens = tokens.of_tenant(name) if tokens else None
        self._others = others
        self._app = application(None)
        self._threads = ThreadPoolExecutor(LIMITS.http_threads, f"tenant-{name}")
        self._opened: asyncio.Future[FastAPI] | None = None
        self._living: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._again_at = 0.0
        self._asked = 0

    async def app(self) -> FastAPI:
        """Its service, opened if it is not.

        Raises:
            RequestRefused: it cannot be opened now.
        """
        loop = asyncio.get_running_loop()
        if self._opened is None or (self._living and self._living.done() and loop.time() >= self._again_at):
            self._opened = loop.create_future()
            self._living = loop.create_task(self._live(self._opened))
        try:
            return await asyncio.shield(self._opened)
        except LifecircleError as error:
            raise RequestRefused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "this tenant cannot be served now",
                rule=error.name,
                way_out="send the same again later; whoever runs the service finds the cause in its log lines",
            ) from error

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Answer one request: in its threads, and it is not closed before."""
        before = _own.set(self._threads)
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1
            _own.reset(before)

    async def ready(self) -> dict[str, Any]:
        """How far it can serve, within a time; what is wrong otherwise, by its name alone."""
        try:
            async with asyncio.timeout(LIMITS.http_tenant_ready_s):
                with self.asked():
                    await self.app()
                    assert self.service is not None  # noqa: S101 - it is open
                    self.keys.all()  # says so if they cannot be used
                    return await readiness(self.service)
        except NotReady as error:
            return {"status": "unavailable", "error": error.name, "causes": error.told}
        except RequestRefused as error:
            return {"status": "unavailable", "error": error.rule}
        except LifecircleError as error:
            return {"status": "unavailable", "error": error.name}
        except TimeoutError:
            return {"status": "unavailable", "error": "no answer in time"}

    def end(self) -> None:
        """Let its followers come to their end."""
        if self.service is not None:
            self.service.feed.end()

    async def close(self) -> None:
        """Finish what was asked of it, within a time, and close it."""
        loop = asyncio.get_running_loop()
        self.end()
        until = loop.time() + LIMITS.http_stop_s
        while self._asked and loop.time() < until:
            await asyncio.sleep(0.02)
        self._end.set()
        if self._living is not None:
            await self._living
        self._threads.shutdown(wait=False)

    async def _live(self, opened: "asyncio.Future[FastAPI]") -> None:
        _own.set(self._threads)
        try:
            self.reach = await asyncio.to_thread(_reach, self.url)
            async with serving(self._app, self.url, self.keys, self._tokens) as service:
                self._check_apart(service)
                self.service = service
                opened.set_result(self._app)
                await self._end.wait()
        except LifecircleError as error:
            _log.warning("tenant cannot be served", tenant=self.name, **error.as_dict())
            if not opened.done():
                opened.set_exception(error)
                with suppress(LifecircleError):
                    opened.result()  # whether or not anybody asked
        finally:
            self.service = None
            self._again_at = asyncio.get_running_loop().time() + LIMITS.http_tenant_retry_s
            if not opened.done():  # what went wrong is none of our errors, and the task tells of it
                opened.set_exception(LogUnavailable("the log could not be opened"))

    def _check_apart(self, service: Service) -> None:
        for other in self._others.values():
            if other is self or other.service is None:
                continue
            if other.service.engine.log.log_id == service.engine.log.log_id:
                raise self._not_separate(other, "they are one log", "give each tenant a log of its own")
            if self.reach and other.reach and (self.reach.reaches(other.reach) or other.reach.reaches(self.reach)):
                raise self._not_separate(
                    other,
                    "on one PostgreSQL server the account of one tenant may not connect to the database of another",
                    "give each an account of its own that is no superuser, and "
                    "REVOKE CONNECT ON DATABASE … FROM PUBLIC",
                )

    def _not_separate(self, other: "Tenancy", rule: str, way_out: str) -> TenantsNotSeparate:
        where = f"[{self.name}] and [{other.name}]"
        return TenantsNotSeparate("two tenants are not separate", where=where, rule=rule, way_out=way_out)


def _reach(url: str) -> Any:
    """How far the account of a PostgreSQL address reaches; None of a file, whose neighbours are other files."""
    if not url.startswith("postgres"):
        return None
    from adapters.postgres.reach import reach

    return reach(url)
