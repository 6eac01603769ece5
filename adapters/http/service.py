"""What all routes of the service share: the engine, who may what, and how much is taken at once."""

from asyncio import Semaphore, sleep, to_thread
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from fastapi import Request
from starlette.datastructures import Headers

from adapters.apikeys import ApiKeys, Principal, Role
from adapters.engine import Engine
from adapters.examiner import Examiner
from adapters.extras import lacking
from adapters.feed import Feed
from adapters.http.problems import RequestRefused
from adapters.http.tokens import Tokens
from adapters.log import Receipt
from adapters.settings import LIMITS
from domain.errors import LifecircleError

if TYPE_CHECKING:
    from adapters.http.metrics import Metrics


class Service:
    """One process of the service, over one log."""

    def __init__(self, engine: Engine, keys: ApiKeys, tokens: Tokens | None = None) -> None:
        self.engine = engine
        self.keys = keys
        self.tokens = tokens
        self.feed = Feed(engine.log)
        self.examiner = Examiner(engine, (keys.all,))
        self.metrics = _metrics(engine.log.log_id)
        if self.metrics:
            engine.rounds.observe = self.metrics.stored
        self._appends = 0
        self._asked = 0
        self._taken_bytes = 0
        self._threads = Semaphore(LIMITS.http_threads)
        self.aside = Semaphore(1)
        """Whose turn it is to have a large body read."""

    def principal(self, sent: str) -> Principal | None:
        """Whom a key or a token stands for; None where it is refused.

        Raises:
            ApiKeysUnusable, IdentityUnusable: what tells it is not to be had.
        """
        if self.tokens is not None and sent.count(".") == 2:  # no key of ours has a full stop
            return self.tokens.principal(sent)
        return self.keys.principal(sent)

    def count(self, outcomes: Sequence[Receipt | LifecircleError], *each_seconds: float) -> None:
        """Count what became of the touchpoints of some requests, and how long each of those took."""
        if self.metrics:
            self.metrics.appended(outcomes, each_seconds)

    def sample(self) -> None:
        """Take down for the figures what changes without anybody counting it."""
        if self.metrics:
            self.metrics.sample(self.engine, self._appends, self.feed.followers)

    async def sampling(self) -> None:
        """Do so again and again, for when another process is asked for the figures of all."""
        while True:
            self.sample()
            await sleep(LIMITS.metrics_sample_s)

    @contextmanager
    def appending(self) -> Iterator[None]:
        """Take an append in, unless too many are under way.

        Raises:
            RequestRefused: there are; nothing was stored.
        """
        self.begin_append()
        try:
            yield
        finally:
            self.end_append()

    def begin_append(self) -> None:
        """Take an append in as `appending` does, until `end_append`.

        Raises:
            RequestRefused: too many are under way.
        """
        if self._appends >= LIMITS.http_appends_max:
            raise _busy("appends", LIMITS.http_appends_max)
        self._appends += 1

    def end_append(self) -> None:
        """One that was taken in has its outcome."""
        self._appends -= 1

    def take(self, size: int) -> None:
        """Take in a part of a body, unless too much is at hand already.

        Raises:
            RequestRefused: it does. What was taken is to be given back all the same.
        """
        self._taken_bytes += size
        if self._taken_bytes > LIMITS.http_bodies_max_bytes:
            raise _busy("bytes of bodies", LIMITS.http_bodies_max_bytes)

    def give_back(self, size: int) -> None:
        """Of a body so much was taken, and is done with."""
        self._taken_bytes -= size

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one of the threads that answer, unless too many wait: a log that hangs has no others to hold up.

        Raises:
            RequestRefused: too many wait.
        """
        if self._asked >= LIMITS.http_requests_max:
            raise _busy("requests", LIMITS.http_requests_max)
        self._asked += 1
        try:
            async with self._threads:
                yield
        finally:
            self._asked -= 1

    @contextmanager
    def following(self) -> Iterator[None]:
        """Take a follower in, unless there are too many.

        Raises:
            RequestRefused: there are.
        """
        if self.feed.followers >= LIMITS.http_followers_max:
            raise _busy("followers", LIMITS.http_followers_max)
        self.feed.followers += 1
        try:
            yield
        finally:
            self.feed.followers -= 1


def _metrics(log_id: bytes) -> "Metrics | None":
    """What counts; None where it is not installed."""
    if lacking("watch"):
        return None
    from adapters.http.metrics import Metrics

    return Metrics(log_id.hex())


def _busy(what: str, most: int) -> RequestRefused:
    return RequestRefused(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"too many {what} at the same moment",
        rule=f"one process takes at most {most}",
        way_out="send the same again a little later; a touchpoint's id makes that safe",
    )


def service_at(request: Request) -> Service | None:
    """The service that a request came to; None where it named no tenant, or none that is served here."""
    return cast("Service | None", getattr(request.app.state, "service", None))


def service_of(request: Request) -> Service:
    """The service that a request came to.

    Raises:
        RequestRefused: it named no tenant, or none that is served here.
    """
    if (service := service_at(request)) is None:
        raise RequestRefused(
            HTTPStatus.NOT_FOUND,
            "this is a tenant's, and no tenant of this name is served here",
            rule="what is open to everybody stands below /tenants/NAME",
            way_out="ask whoever runs the service for the name",
        )
    return service


def bearer(headers: Headers) -> str:
    """The key or token that came; nothing where there is none, or more than one, for others may choose another."""
    sent = headers.getlist("Authorization")
    return borne(sent[0]) if len(sent) == 1 else ""


def borne(authorization: str) -> str:
    """The key or token in the one header that may hold it; nothing where it holds something else."""
    scheme, _, value = authorization.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def needs(*roles: Role) -> Callable[[Request], Awaitable[Principal]]:
    """What a route asks of its caller: a key with one of these roles. Every route has this or is public by name."""

    async def principal(request: Request) -> Principal:
        service = service_at(request)
        sent = bearer(request.headers)
        found = None
        if service is not None and sent:
            asked = partial(service.principal, sent)
            # A token may take a question to its provider, which others must not wait for.
            found = await to_thread(asked) if "." in sent else asked()
        if found is None:
            raise RequestRefused(
                HTTPStatus.UNAUTHORIZED,
                "no valid API key or token came with the request",
                where="Authorization",
                rule="it is: Bearer, and a key or token that has neither ended nor been revoked",
                way_out="ask the operator for one: lifecircle apikey make",
            )
        request.state.principal = found
        if not found.has(roles):
            raise denied(f"this key has none of the roles {', '.join(sorted(roles))}")
        if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
            raise RequestRefused(
                HTTPStatus.BAD_REQUEST,
                "the address holds a NUL character",
                rule="no name in a log does, and PostgreSQL takes none",
            )
        return found

    principal.roles = frozenset(roles)  # type: ignore[attr-defined]
    return principal


def in_turn(*roles: Role) -> Callable[[Request], AsyncIterator[Principal]]:
    """The same for a route that a thread answers: it waits for its turn among the requests to the same log."""
    admitted = needs(*roles)

    async def principal(request: Request) -> AsyncIterator[Principal]:
        found = await admitted(request)
        async with service_of(request).turn():
            yield found

    principal.roles = frozenset(roles)  # type: ignore[attr-defined]
    return principal


def denied(what: str) -> RequestRefused:
    """The refusal of what a key does not open."""
    return RequestRefused(
        HTTPStatus.FORBIDDEN,
        what,
        where="Authorization",
        rule="a key opens what its roles and its scope name, and nothing else",
        way_out="use another key, or ask the operator for one with this right",
    )


def within(principal: Principal, subject: str, kind: str | None = None) -> None:
    """Check that a subject, and a kind, are within a caller's scope.

    Raises:
        RequestRefused: they are not.
    """
    if not (principal.covers(subject, kind) if kind is not None else principal.covers_subject(subject)):
        raise denied("this key does not reach this subject or kind")
