"""Bodies of requests, read strictly and only as far as they may go."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from adapters.codec import parse_json
from adapters.http.problems import RequestRefused
from adapters.settings import LIMITS

Asked = TypeVar("Asked", bound=BaseModel)


async def body_of(request: Request) -> bytes:
    """The body of a request.

    Raises:
        RequestRefused: it is too large, and no more of it was read; or its caller went away before its end.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LIMITS.http_body_max_bytes:
                raise too_large(f"it has at most {LIMITS.http_body_max_bytes} bytes")
    except ClientDisconnect:
        raise RequestRefused(
            HTTPStatus.BAD_REQUEST,
            "the connection ended before the request did",
            rule="what did not arrive whole is not looked at",
            way_out="send it again",
        ) from None
    return bytes(body)


def too_large(rule: str) -> RequestRefused:
    """The refusal of what is more than one request may carry."""
    return RequestRefused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "this is more than one request may carry",
        where="the body",
        rule=rule,
        way_out="send it in several parts; what is sent twice is stored once",
    )


def reads(shape: type[Asked]) -> Callable[[Request], Awaitable[Asked]]:
    """What a route takes as JSON of this shape; stated after the principal, whose right is looked at first."""

    async def asked(request: Request) -> Asked:
        found = parse_json(await body_of(request), "the body", LIMITS.http_body_max_bytes)
        try:
            return shape.model_validate(found, strict=True)
        except ValidationError as error:
            # Never their values: what was sent may be a customer's.
            flaws = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors(include_input=False)]
            raise RequestRefused(
                HTTPStatus.BAD_REQUEST,
                "the body cannot be read",
                where=", ".join(dict.fromkeys(where for where, _ in flaws)) or "the body",
                rule="; ".join(f"{where}: {told}" for where, told in flaws),
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
