"""Reading over HTTP: histories, views, questions, the kinds, and the log as it grows."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Coroutine
from contextlib import closing
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from adapters.apikeys import Principal, Role
from adapters.cursor import Cursor
from adapters.export.delimited import harmless
from adapters.extras import need
from adapters.http.answers import Catalogue, Followed, HistoryTold, Kinds, Rows, answers
from adapters.http.answers import refusal as told_refusal
from adapters.http.bodies import broken_off
from adapters.http.pages import Page, page
from adapters.http.problems import RequestRefused
from adapters.http.service import Service, in_turn, needs, service_of, within
from adapters.log import Stored
from adapters.settings import LIMITS
from adapters.told import cloud_event, recorded_event
from adapters.views.moments import Moment, named_moment, read_when
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import rows_as_of
from adapters.views.tables import open_tables
from domain.example import example
from domain.registry import versions_of
from domain.schema import DIALECT, json_schema
from domain.touchpoint import KINDS, kind_named
from projections import views

router = APIRouter(tags=["reading"])

_FORMATS = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
}
_SCHEMA = "application/schema+json"
_EVENTS = "text/event-stream"
_STREAMED = {"type": "string", "description": "server-sent events, each a TouchpointRecorded"}
_PAGE_MAX = 10 * LIMITS.http_page_rows


class SchemaResponse(JSONResponse):
    """A JSON Schema."""

    media_type = _SCHEMA


_auditor = needs(Role.AUDITOR)

AsOf = Annotated[str | None, Query(description="leave out what occurred after this moment; a day means its end")]
KnownAt = Annotated[str | None, Query(description="leave out what was recorded after this moment or cursor")]
Limit = Annotated[int, Query(ge=1, le=_PAGE_MAX, description="at most so many")]


@router.get(
    "/subjects/{subject:path}/history",
    summary="A subject's effective history",
    response_model=None,
    responses=answers(HistoryTold, "Its history", HTTPStatus.NOT_FOUND),
)
def history(
    request: Request,
    principal: Annotated[Principal, Depends(in_turn(Role.AUDITOR), scope="function")],
    subject: str,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> JSONResponse:
    """What happened to a subject, corrections applied and merged subjects joined, in the order in which it occurred."""
    within(principal, subject)
    service = service_of(request)
    moment = _moment(service, as_of, known_at)
    facts = service.engine.history(subject, known=moment.known, as_of=moment.as_of)
    told = [cloud_event(fact) for fact in facts if principal.covers(fact.stream, fact.kind)]
    return JSONResponse({"subject": subject, "touchpoints": told})


@router.get(
    "/views", summary="Every view and question", response_model=None, responses=answers(Catalogue, "What can be asked")
)
def catalogue(_: Annotated[Principal, Depends(in_turn(Role.ANALYST), scope="function")]) -> JSONResponse:
    """What can be asked: views with their columns, and the questions across customers that rest on them."""
    told = [
        {
            "name": view.name,
            "comment": view.comment,
            "columns": {column.name: column.comment for column in view.columns()},
            "questions": [
                {"name": each.name, "comment": each.comment, "columns": each.columns} for each in view.questions
            ],
        }
        for view in views().values()
    ]
    return JSONResponse({"views": told})


@router.get(
    "/views/{name}",
    summary="Rows of a view or question",
    response_model=None,
    responses=answers(
        Rows,
        "A page of rows",
        HTTPStatus.NOT_FOUND,
        HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.NOT_IMPLEMENTED,
        content={
            _FORMATS["arrow"]: {"schema": {"type": "string", "format": "binary"}},
            _FORMATS["ndjson"]: {"schema": {"type": "string"}},
            _FORMATS["csv"]: {"schema": {"type": "string"}},
        },
        headers={"Link": {"description": "the next page", "schema": {"type": "string"}}},
    ),
)
def rows(
    request: Request,
    principal: Annotated[Principal, Depends(in_turn(Role.ANALYST), scope="function")],
    name: str,
    order: Annotated[
        str, Query(description="columns of a view, the first one first; - before it for falling; nulls last")
    ] = "",
    limit: Limit = LIMITS.http_page_rows,
    after: Annotated[str | None, Query(description="what the page before answered as next")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    style: Annotated[str, Query(alias="format", description=", ".join(_FORMATS))] = "json",
) -> Response:
    """A page of rows. Any other parameter is a filter: a column, alone or with .ge .gt .le .lt .ne, and its value.

    With a moment, rows are those of one subject, folded from its history as it stood.
    """
    if style not in _FORMATS:
        raise RequestRefused(
            HTTPStatus.NOT_ACCEPTABLE,
            "rows are not to be had in this form",
            where="format",
            rule=f"it is one of {', '.join(_FORMATS)}",
        )
    asked = {"order", "limit", "after", "as_of", "known_at", "format"}
    filters = [(column, value) for column, value in request.query_params.multi_items() if column not in asked]
    service = service_of(request)
    if as_of is not None or known_at is not None:
        moment = _moment(service, as_of, known_at)
        return _told(request, _as_of(service, principal, name, dict(filters), moment), style)
    if principal.kinds:
        raise RequestRefused(
            HTTPStatus.FORBIDDEN,
            "a row of a view rests on touchpoints of many kinds",
            rule="who may see some kinds only reads histories",
        )
    with closing(open_tables(service.engine.url, service.engine.company)) as tables:
        return _told(request, page(tables, name, filters, order, limit, after, principal.subjects), style)


def _as_of(service: Service, principal: Principal, name: str, filters: dict[str, str], moment: Moment) -> Page:
    subject = filters.pop("subject", None)
    if subject is None or filters:
        raise RequestRefused(
            HTTPStatus.BAD_REQUEST,
            "rows of a moment are folded for one subject",
            where="subject",
            rule="with as_of or known_at the only filter is a subject",
            way_out="name one, or see all subjects as of a moment with: lifecircle view NAME --as-of MOMENT",
        )
    within(principal, subject)
    engine, pseudonyms = service.engine, Pseudonyms.of_log(service.engine.url)
    columns, found = rows_as_of(engine.log, engine.company, name, subject, pseudonyms, moment.known, moment.as_of)
    return Page({column.name: column.type for column in columns}, found, None)


def _told(request: Request, found: Page, style: str) -> Response:
    links = {}
    if found.next:
        # What it names takes the place of the whole query, so it says all of it again.
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
        links = {"Link": f'<?{urlencode([*query, ("after", found.next)])}>; rel="next"'}
    if style == "json":
        told = {"rows": [dict(zip(found.columns, row, strict=True)) for row in found.rows], "next": found.next}
        return Response(orjson.dumps(told), headers=links, media_type=_FORMATS[style])
    if style == "ndjson":
        lines = [orjson.dumps(dict(zip(found.columns, row, strict=True))) + b"\n" for row in found.rows]
        return Response(b"".join(lines), headers=links, media_type=_FORMATS[style])
    if style == "arrow":
        return Response(_arrow(found), headers=links, media_type=_FORMATS[style])
    text = io.StringIO()
    cells = ([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in found.rows)
    csv.writer(text).writerows([found.columns, *cells])
    return Response(text.getvalue(), headers=links, media_type=_FORMATS[style])


def _arrow(found: Page) -> bytes:
    need("arrow", "rows as Arrow", way_out="ask for ndjson")
    import pyarrow as pa

    known: dict[type | None, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64(), None: None}
    values = zip(*found.rows, strict=True) if found.rows else [()] * len(found.columns)
    table = pa.table(
        {
            name: pa.array(cells, known[type_])
            for (name, type_), cells in zip(found.columns.items(), values, strict=True)
        }
    )
    into = pa.BufferOutputStream()
    with pa.ipc.new_stream(into, table.schema) as writer:
        writer.write_table(table)
    told: bytes = into.getvalue().to_pybytes()
    return told


@router.get("/kinds", summary="Every kind of touchpoint", response_model=None, responses=answers(Kinds, "All of them"))
def kinds(request: Request) -> JSONResponse:
    """The names of all kinds, each with its phase, what happened, and where its JSON Schema stands."""
    here = str(request.url_for("kinds"))  # found once: anybody may ask, and there are many
    told = [
        {
            "kind": kind.kind,
            "phase": kind.phase,
            "meaning": " ".join((kind.__doc__ or "").split()),
            "dataschema": kind.dataschema,
            "version": kind.schema_version,
            "versions": sorted(versions_of(kind)),
            "schema": f"{here}/{kind.kind}",
        }
        for kind in sorted(KINDS.values(), key=lambda kind: kind.kind)
    ]
    return JSONResponse({"kinds": told})


@router.get(
    "/kinds/{kind}",
    summary="The JSON Schema of a kind",
    response_class=SchemaResponse,
    responses={
        200: {"content": {_SCHEMA: {"schema": {"type": "object"}}}},
        422: told_refusal(HTTPStatus.UNPROCESSABLE_ENTITY),
        404: told_refusal(HTTPStatus.NOT_FOUND),
    },
)
def schema(
    request: Request,
    kind: str,
    version: Annotated[int | None, Query(ge=1, description="of its data alone, as it once was")] = None,
) -> SchemaResponse:
    """The JSON Schema of a kind's whole CloudEvent, with the company's own fields; or of its data in one version."""
    known = kind_named(kind)
    if version is None:
        return SchemaResponse(json_schema(known, service_of(request).engine.company) | {"examples": [example(known)]})
    versions = versions_of(known)
    if version not in versions:
        raise RequestRefused(
            HTTPStatus.NOT_FOUND,
            "this kind has no such version",
            where="version",
            rule=f"its versions are {', '.join(map(str, versions))}",
        )
    return SchemaResponse({"$schema": DIALECT, **versions[version]})


@router.get(
    "/events",
    summary="Touchpoints as they were recorded, by long poll",
    response_model=None,
    responses=answers(Followed, "The next ones", HTTPStatus.TOO_MANY_REQUESTS),
)
async def poll(
    request: Request,
    principal: Annotated[Principal, Depends(_auditor)],
    after: Annotated[str | None, Query(description="begin behind this cursor; with the first where none")] = None,
    limit: Limit = LIMITS.http_page_rows,
    wait: Annotated[float, Query(ge=0, le=LIMITS.http_wait_max_s, description="seconds to wait for the next")] = 0,
) -> JSONResponse:
    """The next touchpoints behind a cursor, in the order of the log, with the cursor to go on from."""
    service = service_of(request)
    cursor = service.engine.cursor(after) if after else service.engine.log.start()
    with service.following():
        news = service.feed.after(cursor, limit, wait)
        batch = await (_unless_gone(request, news) if wait else news)
    if wait:
        principal = await _auditor(request)  # the key may have ended meanwhile
    told, cursor = _shown(principal, batch, cursor)
    return JSONResponse({"touchpoints": told, "cursor": str(cursor)})


async def _unless_gone(request: Request, call: Coroutine[Any, Any, list[Stored]]) -> list[Stored]:
    """What a call answers. It is given up where the caller goes, who would keep a place from the others.

    Raises:
        RequestRefused: the caller went.
    """

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    answered, left = asyncio.ensure_future(call), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((answered, left), return_when=asyncio.FIRST_COMPLETED)
        if answered.done():
            return answered.result()
        raise broken_off()
    finally:
        answered.cancel()
        left.cancel()


async def _place(request: Request) -> AsyncIterator[None]:
    """A place among the followers until the answer is through; asked for before anything is answered."""
    with service_of(request).following():
        yield


@router.get(
    "/stream",
    summary="Touchpoints as they are recorded",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Those that are there, and each that comes", "content": {_EVENTS: {"schema": _STREAMED}}},
        429: told_refusal(HTTPStatus.TOO_MANY_REQUESTS),
    },
)
async def stream(
    request: Request,
    _caller: Annotated[Principal, Depends(_auditor)],
    _: Annotated[None, Depends(_place)],
    after: Annotated[str | None, Query(description="begin behind this cursor; with the first where none")] = None,
    last_event_id: Annotated[str | None, Header(description="where a broken stream goes on: a cursor")] = None,
) -> StreamingResponse:
    """Server-sent events: a touchpoint each, whose id is the cursor to go on from; nothing is ever skipped.

    A stream ends when the key or token that it was asked for by does.
    """
    service = service_of(request)
    begin = last_event_id or after
    cursor = service.engine.cursor(begin) if begin else service.engine.log.start()
    return StreamingResponse(
        _events(request, service, cursor), media_type=_EVENTS, headers={"Cache-Control": "no-cache"}
    )


async def _events(request: Request, service: Service, cursor: Cursor) -> AsyncIterator[bytes]:
    """What is recorded behind a cursor, as server-sent events; a comment while nothing is, so that the line is kept."""
    while not service.feed.ended:
        batch = await service.feed.after(cursor, LIMITS.follow_batch_max, LIMITS.http_heartbeat_s)
        try:
            principal = await _auditor(request)
        except RequestRefused:
            return  # the key was revoked, or it or the token has expired
        told, cursor = _shown(principal, batch, cursor)
        sent = b"".join(
            b"event: %b\nid: %b\ndata: %b\n\n" % (each["type"].encode(), each["cursor"].encode(), orjson.dumps(each))
            for each in told
        )
        del batch, told  # a slow reader keeps waiting what it is sent, and no more
        yield sent or b":\n\n"


def _shown(principal: Principal, batch: list[Stored], cursor: Cursor) -> tuple[list[dict[str, Any]], Cursor]:
    told = []
    for stored in batch:
        cursor = cursor.advanced(stored.bucket, stored.number)
        if principal.covers(stored.stream, stored.kind):
            told.append(recorded_event(stored, cursor))
    return told, cursor


def _moment(service: Service, as_of: str | None, known_at: str | None) -> Moment:
    when: int | date | None = None
    if as_of is not None:
        try:
            when = read_when(as_of)
        except ValueError as error:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, str(error), where="as_of") from None
    return named_moment(service.engine.log, when, known_at)
