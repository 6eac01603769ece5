"""Appending over HTTP: CloudEvents 1.0 in structured, binary and batched mode, each answered with its receipt."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import nullcontext
from http import HTTPStatus
from time import perf_counter
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from adapters.apikeys import Principal, Role
from adapters.appending.async_committer import Later
from adapters.appending.repeats import read_arrived_async
from adapters.clock import clock_us
from adapters.codec import read_touchpoint
from adapters.engine import Engine
from adapters.http.answers import ReceiptTold, Recorded, Results, answers
from adapters.http.answers import refusal as told_refusal
from adapters.http.cloudevents import Sent, sent_in, sent_whole
from adapters.http.contract import BATCHED, JSON, STRUCTURED
from adapters.http.permissions import may_join, may_send
from adapters.http.problems import PROBLEM_TYPE, Answer, RequestRefused, problem_of, refused, status_of
from adapters.http.service import Service, denied, in_turn, needs, service_of, within
from adapters.log import Receipt, Verdict
from adapters.settings import LIMITS
from adapters.told import receipt
from domain.compiled import Appendable
from domain.errors import (
    InvalidTouchpoint,
    LifecircleError,
    LogUnavailable,
    Refused,
    UnknownSubject,
)
from domain.example import example
from domain.history import MERGE_KINDS
from domain.kinds.order import OrderPlaced
from domain.touchpoint import Envelope

_TURN_S = 0.01
"""For how long a batch is read before others have their turn."""
_RECORDED, _REPEATED = int(HTTPStatus.CREATED), int(HTTPStatus.OK)
_EVENT = {"$ref": "#/components/schemas/CloudEvent"}
_EXAMPLE = example(OrderPlaced)
_ETAG = {"ETag": {"description": "the version of the subject, of one touchpoint", "schema": {"type": "string"}}}

router = APIRouter(tags=["touchpoints"])

APPENDERS = frozenset({Role.APPENDER})
"""Who may append."""

_appender = needs(*APPENDERS)


Outcome = Receipt | LifecircleError


@router.post(
    "/events",
    summary="Append touchpoints",
    response_model=None,
    responses=answers(Recorded | Results, "All had been recorded before; their first receipts again", headers=_ETAG)
    | {
        201: {"description": "Recorded; a receipt each", "model": Recorded | Results, "headers": _ETAG},
        207: {
            "description": "Of a batch some subjects' touchpoints were refused; each has its own status",
            "model": Results,
        },
    }
    | {
        int(status): told_refusal(status)
        for status in (
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.CONFLICT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.TOO_MANY_REQUESTS,
        )
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                STRUCTURED: {"schema": _EVENT, "example": _EXAMPLE},
                BATCHED: {
                    "schema": {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": LIMITS.http_batch_max},
                    "example": [_EXAMPLE],
                },
                JSON: {
                    "schema": {"type": "object", "description": "the data; the attributes are ce- headers"},
                    "example": _EXAMPLE["data"],
                },
            },
        }
    },
)
async def append(
    request: Request,
    principal: Annotated[Principal, Depends(_appender)],
    if_match: Annotated[
        str | None, Header(description='the version that the subject must be at, such as "5"; of one subject')
    ] = None,
    prefer: Annotated[str | None, Header(description="wait: answer with the breaches of what was sent")] = None,
    expected: Annotated[
        list[str] | None, Query(description="the version of one of the subject's processes, such as order/123=5")
    ] = None,
    strict: Annotated[bool, Query(description="refuse what would break a rule as things stand")] = False,  # noqa: FBT002 - a query's own form
) -> Response:
    """Record what happened. The same id, subject, source and content again is answered with its first receipt.

    Touchpoints of one subject are stored all or none. What is refused is not stored, and the answer says what, where,
    which rule and the way out.
    """
    service, wait = service_of(request), _waits(prefer)
    # To look for breaches takes a thread and as long as to read a history does.
    async with service.turn() if wait else nullcontext():
        with service.appending():
            async with sent_in(request) as sent:
                expects = _expected(if_match, expected)
                answer = await _append(service, principal, sent, expects, strict=strict, wait=wait)
    return answer.response()


(APPEND,) = router.routes
"""The route by which touchpoints are appended."""


async def append_plainly(request: Request) -> Response:
    """The same for a request without a query, read off it directly.

    Raises:
        LifecircleError: the request as a whole is refused.
    """
    principal = await _appender(request)
    return await append(request, principal, request.headers.get("if-match"), request.headers.get("prefer"))


async def append_whole(service: Service, principal: Principal, form: str, body: bytes) -> Answer:
    """The same for one who may append and whose request came whole, in a form of `FORMS` and under no conditions.

    Raises:
        LifecircleError: the request as a whole is refused.
    """
    with service.appending():
        sent = sent_whole(form, body)
        return await _append(service, principal, sent, None, strict=False, wait=False)


def append_at_once(service: Service, principal: Principal, form: str, body: bytes) -> Later | None:
    """Let the touchpoint of such a request join the next round; `outcome_at_once` tells of it.

    None, and nothing done, where that takes more: of a batch, and of what is to be decided first.

    Raises:
        LifecircleError: it cannot be taken, as `append_whole` finds as well.
    """
    if form != STRUCTURED:
        return None
    stored, engine = None, service.engine
    service.begin_append()
    try:
        ((event,), _) = sent_whole(form, body)
        may_send(principal, str(event.get("subject", "")), str(event.get("type", "")))
        touchpoint = read_touchpoint(event, clock_us(), engine.log.company)
        stored = engine.append_at_once(touchpoint, recordedby=principal.recordedby)
        return stored
    finally:
        if stored is None:
            service.end_append()


def outcome_at_once(service: Service, stored: Later) -> Outcome | None:
    """What became of it when that round is over. None where it was not recorded, and `append_whole` is to say why."""
    service.end_append()
    if error := stored.exception():
        return error if isinstance(error, LogUnavailable) else None
    verdict = stored.result()
    return None if isinstance(verdict, LifecircleError) else verdict[0]


def answer_to(outcome: Outcome) -> Answer:
    """What is answered to one touchpoint."""
    return refused(outcome) if isinstance(outcome, LifecircleError) else _receipt(outcome, receipt(outcome), {})


async def _append(
    service: Service,
    principal: Principal,
    sent: Sent,
    expected: int | Mapping[str, int] | None,
    *,
    strict: bool,
    wait: bool,
) -> Answer:
    outcomes: list[Outcome | None] = [None] * len(sent.events)
    recordedby = principal.recordedby
    groups: dict[str, tuple[list[int], list[Appendable]]] = {}
    """Of each subject the places of its touchpoints, and what was read there."""
    flawed: set[str] = set()
    clock, log, turn = clock_us(), service.engine.log, perf_counter()
    for place, event in enumerate(sent.events):
        subject = str(event.get("subject", ""))
        if (group := groups.get(subject)) is None:
            group = groups[subject] = ([], [])
        if place and perf_counter() - turn > _TURN_S:
            await asyncio.sleep(0)  # to say what is wrong with a thousand takes long
            turn = perf_counter()
        try:
            may_send(principal, subject, str(event.get("type", "")))
            touchpoint = await read_arrived_async(event, clock, log)
            if touchpoint.type in MERGE_KINDS and isinstance(touchpoint, Envelope):
                may_join(principal, touchpoint)
            group[1].append(touchpoint)
            group[0].append(place)
        except LifecircleError as error:
            outcomes[place] = error.with_traceback(None)  # or it would hold frames that hold it
            flawed.add(subject)
            if isinstance(error, Refused):
                service.engine.refusals.note(error, recordedby, event.get("type"), event.get("id"))
            elif isinstance(error, RequestRefused):
                service.engine.refusals.note_denied("POST /events", error.what, recordedby)
    if expected is not None and len(groups) > 1:
        raise InvalidTouchpoint(
            "an expected version came with touchpoints of several subjects",
            where="If-Match",
            rule="it is the version of one subject",
            way_out="append each subject's touchpoints on their own",
        )
    began = perf_counter()
    sound = {subject: group for subject, group in groups.items() if subject not in flawed} if flawed else groups
    sent_on = [found for _, found in sound.values()]
    try:
        verdicts = await _verdicts(service.engine, sent_on, expected, recordedby, strict=strict)
    except LogUnavailable as error:
        service.count([found or error for found in outcomes], perf_counter() - began)
        raise
    for (places, _), verdict in zip(sound.values(), verdicts, strict=True):
        if isinstance(verdict, LifecircleError):
            outcomes[places[0]] = verdict  # the others are its fellows
        else:
            for place, given in zip(places, verdict, strict=True):
                outcomes[place] = given
    settled = [found or _fellow() for found in outcomes]
    service.count(settled, perf_counter() - began)
    breaches = await asyncio.to_thread(_breaches, service, settled) if wait else None
    return _answer(settled, breaches, batched=sent.batched)


async def _verdicts(
    engine: Engine,
    groups: Sequence[Sequence[Appendable]],
    expected: int | Mapping[str, int] | None,
    recordedby: str,
    *,
    strict: bool,
) -> list[Verdict]:
    """Append groups of one subject each; what became of each."""
    if len(groups) > 1 and not strict:
        verdicts = await engine.append_each_async(groups, recordedby=recordedby)
        engine.refusals.note_all(verdicts, groups, recordedby)
        return verdicts

    calls = [engine.append_async(each, expected=expected, strict=strict, recordedby=recordedby) for each in groups]
    return [await _verdict(calls[0])] if len(calls) == 1 else await asyncio.gather(*map(_verdict, calls))


async def _verdict(call: Awaitable[list[Receipt]]) -> Verdict:
    try:
        return await call
    except LifecircleError as error:
        return error.with_traceback(None)  # as above


def _fellow() -> LifecircleError:
    return RequestRefused(
        HTTPStatus.FAILED_DEPENDENCY,
        "nothing was stored, for another touchpoint of this subject was refused",
        rule="touchpoints of one subject that come together are stored all or none",
        way_out="mend the one that was refused, and send them again",
    )


def _answer(outcomes: Sequence[Outcome], breaches: list[dict[str, Any]] | None, *, batched: bool) -> Answer:
    headers = {"Preference-Applied": "wait"} if breaches is not None else {}
    if not batched:
        (found,) = outcomes
        if isinstance(found, LifecircleError) or breaches is None:
            return answer_to(found)
        return _receipt(found, {**receipt(found), "breaches": breaches}, headers)
    receipts = [found for found in outcomes if isinstance(found, Receipt)]
    errors = [found for found in outcomes if isinstance(found, LifecircleError)]
    # What only failed with another is told apart from that other.
    failed = min(errors, key=lambda each: status_of(each) == HTTPStatus.FAILED_DEPENDENCY, default=None)
    if failed and not receipts:
        told = problem_of(failed) | {"results": [_result(found) for found in outcomes]}
        return Answer(status_of(failed), orjson.dumps(told), PROBLEM_TYPE)
    status = _REPEATED if all(each.repeat for each in receipts) else _RECORDED
    results: dict[str, Any] = {"results": [_result(found) for found in outcomes]}
    if breaches is not None:
        results["breaches"] = breaches
    return _told(int(HTTPStatus.MULTI_STATUS) if failed else status, results, headers)


def _receipt(given: Receipt, body: dict[str, Any], headers: dict[str, str]) -> Answer:
    return _told(_REPEATED if given.repeat else _RECORDED, body, {**headers, "ETag": f'"{given.version}"'})


def _told(status: int, content: dict[str, Any], headers: dict[str, str]) -> Answer:
    return Answer(status, orjson.dumps(content), JSON, headers)


def _result(found: Outcome) -> dict[str, Any]:
    if isinstance(found, Receipt):
        return {"status": _REPEATED if found.repeat else _RECORDED, "receipt": receipt(found)}
    return {"status": int(status_of(found)), "problem": problem_of(found)}


def _breaches(service: Service, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    found = service.engine.breaches_of([each for each in outcomes if isinstance(each, Receipt)])
    return [
        {"id": each.id, "kind": each.kind, "rule": each.rule, "entity": each.entity, "detail": each.detail}
        for each in found
    ]


def _expected(if_match: str | None, processes: Sequence[str] | None) -> int | Mapping[str, int] | None:
    if if_match is not None and not processes:
        version = if_match.strip().removeprefix('"').removesuffix('"')
        if version.isascii() and version.isdecimal() and len(version) < 19:
            return int(version)
    elif processes and if_match is None:
        parts = [each.rpartition("=") for each in processes]
        if all(name and version.isascii() and version.isdecimal() and len(version) < 19 for name, _, version in parts):
            return {name: int(version) for name, _, version in parts}
    elif if_match is None:
        return None
    raise RequestRefused(
        HTTPStatus.BAD_REQUEST,
        "the expected version cannot be read",
        where="If-Match" if if_match is not None else "expected",
        rule='If-Match is one version, such as "5"; or else expected is TYPE/ID=VERSION, such as order/123=5',
        way_out="take the version from a receipt",
    )


def _waits(prefer: str | None) -> bool:
    return any(each.partition("=")[0].strip().lower() == "wait" for each in (prefer or "").split(","))


@router.get(
    "/receipts",
    summary="Look a touchpoint up by its id",
    response_model=None,
    responses=answers(ReceiptTold, "It was recorded", HTTPStatus.NOT_FOUND),
)
def find(
    request: Request,
    principal: Annotated[Principal, Depends(in_turn(Role.APPENDER, Role.AUDITOR), scope="function")],
    subject: str,
    source: str,
    id: Annotated[str, Query()],  # noqa: A002 - the envelope's own word
) -> JSONResponse:
    """Whether a touchpoint was recorded, for a caller whose acknowledgement was lost: its receipt, or 404."""
    within(principal, subject)
    stored = service_of(request).engine.log.find(subject, source, id)
    if stored is None:
        raise UnknownSubject("no such touchpoint is recorded", where="id", way_out="send it: its id makes that safe")
    if not principal.covers(subject, stored.kind):
        raise denied("this key does not reach this subject or kind")
    from hashlib import sha256

    digest = sha256(stored.state).digest()
    known = Receipt(stored.bucket, stored.number, stored.stream, stored.version, stored.recorded, digest, repeat=True)
    return JSONResponse(receipt(known))
