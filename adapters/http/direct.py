"""A direct way for the commonest request, which would spend more time in finding its route than in being recorded."""

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.http import events
from domain.errors import LifecircleError

_PLAIN_APPEND = ("POST", "/events", b"")


class DirectAppends:
    """Hands requests that append, and have no query, to what the route would hand them to; all others go on.

    `refused` answers what is refused, as for every other route.
    """

    def __init__(self, app: ASGIApp, refused: Callable[[Request, Exception], JSONResponse]) -> None:
        self._app, self._refused = app, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or (scope["method"], scope["path"], scope["query_string"]) != _PLAIN_APPEND:
            await self._app(scope, receive, send)
            return
        scope["route"] = events.APPEND
        request = Request(scope, receive)
        try:
            response = await events.append_plainly(request)
        except LifecircleError as error:
            response = self._refused(request, error)
        await response(scope, receive, send)
