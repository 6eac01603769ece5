"""Several companies in one server: each has a service of its own over a database of its own, and knows no other.

Whom a request is passed to is said by its path, `/tenants/NAME/…`, or else by the key or token that it carries. That is
believed for no more than this: the tenant's own service, which has its own keys and its own log alone, authenticates
whoever asks, and answers.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio.to_thread
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from adapters.apikeys import ApiKeysUnusable, key_id
from adapters.http.app import application, ending, process, pushing
from adapters.http.noting import TENANT, Noted
from adapters.http.problems import RequestRefused, refusal
from adapters.http.service import Service, bearer, service_of
from adapters.http.tenancy import Tenancy, Threads
from adapters.http.tokens import Tokens
from adapters.settings import LIMITS
from adapters.tenants import TenantsUnusable, read_tenants

_PREFIX = "/tenants/"

_log = structlog.get_logger("lifecircle.http")


_KEYS_AWAY = RequestRefused(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "whose key this is cannot be told now",
    where="Authorization",
    rule="no tenant is known to have it, and the keys of one cannot be read",
    way_out="send the same again later; whoever runs the service finds at /readyz whose keys they are",
)


class Hosting:
    """The services of all tenants that a file names, as one application; the file is read anew when it changed."""

    def __init__(self, place: Path, tokens: Tokens | None = None) -> None:
        """Prepare it; the file is read when the application starts."""
        self._place, self._tokens = place, tokens
        self._tenants: dict[str, Tenancy] = {}
        self._of_keys: dict[str, Tenancy] = {}
        self._begun = set[asyncio.Task[Any]]()
        self._seen: tuple[int, int] | None = None
        self._front = application(self._life, self.readyz)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to whose it is; to the front, which has no log and knows nobody, if it is nobody's."""
        try:
            tenant = self._asked(scope) if scope["type"] == "http" else None
        except ApiKeysUnusable:
            await Noted(refusal(_KEYS_AWAY))(scope, receive, send)
            return
        if tenant is None:
            await self._front(scope, receive, send)
            return
        scope[TENANT] = tenant.name
        with tenant.asked():
            try:
                app = await tenant.app()
            except RequestRefused as error:
                await Noted(refusal(error))(scope, receive, send)
                return
            await app(scope, receive, send)

    async def readyz(self, request: Request) -> Response:
        """Which tenants can be served. One that cannot does not keep the others from it, so then it is still ready."""
        if request.scope.get("root_path"):
            service_of(request)  # says that there is no such tenant
        told = await asyncio.gather(*(tenant.ready() for tenant in self._tenants.values()))
        stands = dict(zip(self._tenants, told, strict=True))
        if not stands or any(each["status"] == "ready" for each in stands.values()):
            return JSONResponse({"status": "ready", "tenants": stands})
        return refusal(
            RequestRefused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no tenant can be served",
                where=", ".join(stands),
                rule=", ".join(sorted({each["error"] for each in stands.values()})),
                way_out="the server's log lines say what is wrong with each",
            )
        )

    def _asked(self, scope: Scope) -> Tenancy | None:
        self._refresh()
        path: str = scope["path"]
        if path.startswith(_PREFIX):
            name = path.removeprefix(_PREFIX).partition("/")[0]
            scope["root_path"] = scope.get("root_path", "") + _PREFIX + name
            return self._tenants.get(name)
        if not (sent := bearer(Headers(scope=scope))):
            return None
        if self._tokens and sent.count(".") == 2:
            return self._tenants.get(self._tokens.tenant_named(sent) or "")
        return self._holder(sent)

    def _holder(self, sent: str) -> Tenancy | None:
        """The tenant that has a key of this id.

        Raises:
            ApiKeysUnusable: none is known to have it, and the keys of one cannot be read.
        """
        unusable: ApiKeysUnusable | None = None
        id_ = key_id(sent)
        if (known := self._of_keys.get(id_)) and known is self._tenants.get(known.name):
            return known
        for tenant in self._tenants.values():
            try:
                if tenant.keys.holds(sent):
                    self._of_keys[id_] = tenant
                    return tenant
            except ApiKeysUnusable as error:
                unusable = error  # nothing to the callers of the others; /readyz tells of it
        if unusable:
            raise unusable
        return None

    def _refresh(self) -> None:
        """Take in whoever is new in the file, and let go of whoever is not there any more."""
        try:
            found = self._place.stat()
            seen = found.st_mtime_ns, found.st_ino
        except OSError:
            seen = None
        if seen == self._seen:
            return
        self._seen = seen
        try:
            urls = read_tenants(self._place)
        except TenantsUnusable as error:
            _log.warning("tenants stay as they were", **error.as_dict())
            return
        for name, tenant in list(self._tenants.items()):
            if urls.get(name) != tenant.url:
                del self._tenants[name]
                self._begin(tenant.close())
        for name, url in urls.items():
            if name not in self._tenants:
                self._tenants[name] = tenant = Tenancy(name, url, self._tokens, self._tenants)
                self._begin(tenant.ready())
        self._of_keys.clear()
        # Each has so many for itself, whatever the others wait for.
        anyio.to_thread.current_default_thread_limiter().total_tokens = LIMITS.http_threads * (len(self._tenants) + 1)

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    @asynccontextmanager
    async def _life(self, _: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_default_executor(Threads())
        with process(), ending(self._end):
            self._refresh()
            async with pushing(self._services):
                yield
        await asyncio.gather(*(tenant.close() for tenant in self._tenants.values()))
        await asyncio.gather(*self._begun)

    def _services(self) -> dict[str, Service]:
        return {name: tenant.service for name, tenant in self._tenants.items() if tenant.service}

    def _end(self) -> None:
        for tenant in self._tenants.values():
            tenant.end()
