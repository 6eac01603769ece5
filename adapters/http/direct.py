"""A direct way for the commonest request: a touchpoint or a batch of them, under no conditions but those of headers."""

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from adapters.http import events
from domain.errors import LifecircleError


def is_plain_append(scope: Scope) -> bool:
    """Whether a request appends, to a log or a tenant's, and has no query."""
    path: str = scope["path"]
    return (
        path.endswith("/events")
        and path == scope.get("root_path", "") + "/events"
        and scope["method"] == "POST"
        and not scope["query_string"]
    )


class PlainAppends:
    """Hands such requests to what the route would hand them to. `refused` answers what is refused, as for any route."""

    def __init__(self, refused: Callable[[Request, Exception], JSONResponse]) -> None:
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
