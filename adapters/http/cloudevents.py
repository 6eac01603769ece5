"""The touchpoints that a request carries: CloudEvents 1.0 in structured, binary and batched mode."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

from fastapi import Request

from adapters.http.bodies import json_in, json_of, too_large
from adapters.http.contract import BATCHED, JSON, STRUCTURED
from adapters.http.problems import RequestRefused
from adapters.settings import LIMITS
from domain.errors import UnreadableInput

_BINARY_PREFIX = "ce-"
_ONCE = ("content-type", "content-encoding", "if-match", "prefer")


class Sent(NamedTuple):
    """What a request carries: the touchpoints, and whether they came as a batch."""

    events: Sequence[Mapping[str, Any]]
    batched: bool


@asynccontextmanager
async def sent_in(request: Request) -> AsyncIterator[Sent]:
    """Read the touchpoints off a request, in whichever mode of the CloudEvents binding they came.

    They count among the bodies at hand until the block ends.

    Raises:
        RequestRefused, UnreadableInput: they cannot be read.
    """
    form = form_of(request.headers.get("content-type", ""))
    binary = form == JSON and f"{_BINARY_PREFIX}type" in request.headers
    if not binary and form not in FORMS:
        raise RequestRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body is none of the forms of CloudEvents",
            where="Content-Type",
            rule=f"it is {STRUCTURED}, {BATCHED}, or {JSON} with the attributes in ce- headers",
            way_out="name the form that the body has",
        )
    names = [name for name in request.headers if name.startswith(_BINARY_PREFIX) or name in _ONCE]
    if len(names) != len(set(names)):
        raise RequestRefused(
            HTTPStatus.BAD_REQUEST,
            "a header came twice",
            where=", ".join(sorted({name for name in names if names.count(name) > 1})),
            rule="two readers could choose different ones",
            way_out="send each of them once",
        )
    if not binary:
        async with json_of(request, _SIZES[form]) as found:
            yield FORMS[form](found)
        return
    async with json_of(request, LIMITS.touchpoint_size_max_bytes) as data:
        yield _binary(request, names, data)


def _binary(request: Request, names: Sequence[str], data: Any) -> Sent:
    flawed = [name for name in names if not request.headers[name].isascii() or name == "ce-data"]
    if flawed:
        raise UnreadableInput(
            "an attribute in a header is not ASCII, or is the data",
            where=", ".join(flawed),
            rule="the CloudEvents binding percent-encodes what is not ASCII, and the data is the body",
            way_out="write %C3%A9 for é",
        )
    attributes = {
        name.removeprefix(_BINARY_PREFIX): unquote(value)
        for name, value in request.headers.items()
        if name.startswith(_BINARY_PREFIX)
    }
    return Sent([_typed(attributes) | {"data": data}], batched=False)


def sent_whole(form: str, body: bytes) -> Sent:
    """The same of a body that came whole, in one of `FORMS`.

    Raises:
        RequestRefused: it is too large. UnreadableInput: it cannot be read.
    """
    return FORMS[form](json_in(body, _SIZES[form]))


def form_of(content_type: str) -> str:
    """The form that a body is said to have."""
    return content_type.partition(";")[0].strip().lower()


def _typed(attributes: dict[str, str]) -> dict[str, Any]:
    """The attributes with the one that is no text as what it is; what cannot be read is left for validation to name."""
    sequence = attributes.get("sequence", "")
    digits = sequence.removeprefix("-")
    if digits.isascii() and digits.isdecimal() and len(digits) < 20:
        return attributes | {"sequence": int(sequence)}
    return dict(attributes)


def _one(found: Any) -> Sent:
    if not isinstance(found, dict):
        raise UnreadableInput("this is no CloudEvent", where="the body", rule="it is a JSON object")
    return Sent([found], batched=False)


def _batch(found: Any) -> Sent:
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise UnreadableInput("this is no batch", where="the body", rule="it is a list of one CloudEvent or more")
    if len(found) > LIMITS.http_batch_max:
        raise too_large(f"a batch holds at most {LIMITS.http_batch_max} touchpoints")
    return Sent(found, batched=True)


FORMS: Mapping[str, Callable[[Any], Sent]] = {STRUCTURED: _one, BATCHED: _batch}
"""How what a body holds is read, by its form."""

_SIZES = {STRUCTURED: LIMITS.touchpoint_size_max_bytes, BATCHED: LIMITS.http_body_max_bytes}
