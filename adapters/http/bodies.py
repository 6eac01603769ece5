"""Bodies of requests, read strictly and only as far as they may go."""

from asyncio import to_thread
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from adapters.codec import parse_json
from adapters.http.problems import RequestRefused
from adapters.http.service import service_of
from adapters.settings import LIMITS
from domain.shortcuts import where_and_rule

Asked = TypeVar("Asked", bound=BaseModel)


@asynccontextmanager
async def body_of(request: Request) -> AsyncIterator[bytes]:
    """The body of a request, which counts among those at hand until the block ends.

    Raises:
        RequestRefused: it is too large, and no more of it was read; it is packed; it broke off; or too much of others
            is on its way.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RequestRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body is packed",
            where="Content-Encoding",
            rule="bodies are taken as they are: nobody knows how large a packed one is before it is unpacked",
            way_out="send it unpacked, in several parts where it is large",
        )
    body, size = bytearray(), 0
    service = service_of(request)
    try:
        async for chunk in request.stream():
            body += chunk
            size += len(chunk)
            service.take(len(chunk))
            if size > LIMITS.http_body_max_bytes:
                raise too_large(f"it has at most {LIMITS.http_body_max_bytes} bytes")
        whole = bytes(body)
        body.clear()
        yield whole
    except ClientDisconnect:
        raise broken_off() from None
    finally:
        service.give_back(size)


@asynccontextmanager
async def json_of(request: Request, size_max: int = LIMITS.http_body_max_bytes) -> AsyncIterator[Any]:
    """The body of a request as strict JSON, which counts among those at hand until the block ends.

    Raises:
        RequestRefused: it cannot be taken, or is larger than this. UnreadableInput: it is no strict JSON.
    """
    async with body_of(request) as body:
        if len(body) <= LIMITS.http_body_aside_bytes:
            yield json_in(body, size_max)
            return
        # One by one: what is read may take thirty times as much memory, and to read several takes no less time.
        async with service_of(request).aside:
            found = await to_thread(json_in, body, size_max)
        yield found


def json_in(body: bytes, size_max: int = LIMITS.http_body_max_bytes) -> Any:
    """A body that came whole as strict JSON.

    Raises:
        RequestRefused: it is larger than this. UnreadableInput: it is none.
    """
    if len(body) > size_max:
        raise too_large(f"it has at most {size_max} bytes")
    return parse_json(body, "the body", size_max)


def broken_off() -> RequestRefused:
    """The refusal of what did not come whole."""
    return RequestRefused(
        HTTPStatus.BAD_REQUEST,
        "the connection ended before the request did",
        rule="what did not arrive whole is not looked at",
        way_out="send it again",
    )


def too_large(rule: str) -> RequestRefused:
    """The refusal of what is more than one request may carry."""
    return RequestRefused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "this is more than one request may carry",
        where="the body",
        rule=rule,
        way_out="send fewer or smaller touchpoints at once; what is sent twice is stored once",
    )


def reads(shape: type[Asked]) -> Callable[[Request], Awaitable[Asked]]:
    """What a route takes as JSON of this shape; stated after the principal, whose right is looked at first."""

    async def asked(request: Request) -> Asked:
        async with json_of(request) as found:
            try:
                return shape.model_validate(found, strict=True)
            except ValidationError as error:
                where, rule = where_and_rule(error)
                raise RequestRefused(
                    HTTPStatus.BAD_REQUEST,
                    "the body cannot be read",
                    where=where or "the body",
                    rule=rule,
                    way_out="see the contract at /docs",
                ) from None

    return asked


def taking(shape: type[BaseModel]) -> dict[str, Any]:
    """The same as the contract states it."""
    schema = shape.model_json_schema()
    inner = schema.pop("$defs", {})

    def whole(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return whole(inner[part["$ref"].rpartition("/")[2]])
            return {name: whole(value) for name, value in part.items()}
        return [whole(each) for each in part] if isinstance(part, list) else part

    return {"requestBody": {"required": True, "content": {"application/json": {"schema": whole(schema)}}}}
