"""Quarantine over HTTP: which rows of imports wait and why, without their text, and letting them in."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from adapters.apikeys import Principal, Role
from adapters.http.answers import answers
from adapters.http.bodies import reads, taking
from adapters.http.service import Service, denied, in_turn, service_of
from adapters.settings import LIMITS
from adapters.sources.release import Corrected, release, waiting
from adapters.told import iso

router = APIRouter(tags=["quarantine"])

_Operator = Annotated[Principal, Depends(in_turn(Role.OPERATOR), scope="function")]


class CorrectedRow(BaseModel):
    """A row as it should have been: its whole text, or what its cells should say."""

    model_config = ConfigDict(extra="forbid")

    row: Annotated[int, Field(ge=1, le=2**62, description="the line of the file that it begins in")]
    raw: Annotated[str | None, Field(description="its whole text")] = None
    cells: Annotated[dict[str, str], Field(description="what cells of it should say, by column")] = {}


class Release(BaseModel):
    """Rows of one import that are to be let in."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"batch": "b1", "rows": [{"row": 7, "cells": {"total": "1"}}]}]}
    )

    batch: Annotated[str, Field(description="the import")]
    rows: Annotated[
        list[CorrectedRow] | None,
        Field(max_length=LIMITS.http_batch_max, description="which of its rows; where not given, all as they stand"),
    ] = None


class Waiting(TypedDict):
    """A row that waits."""

    batch: str
    row: int
    rule: str
    message: str
    recorded: str


class Quarantine(TypedDict):
    """The rows that wait."""

    rows: list[Waiting]


class ReleasedTold(TypedDict):
    """What became of rows that were to be released."""

    released: int
    left_out: dict[str, int]
    earlier: int
    touchpoints: dict[str, int]
    still_in_quarantine: dict[str, int]


@router.get(
    "/quarantine",
    summary="Rows that wait in quarantine",
    response_model=None,
    responses=answers(Quarantine, "Those that wait"),
)
def rows(request: Request, principal: _Operator, batch: str | None = None) -> JSONResponse:
    """The rows of imports that could not be read or were refused, and the rule that each breaks; without their text."""
    told: list[dict[str, Any]] = [
        {"batch": row.batch, "row": row.row, "rule": row.rule, "message": row.message, "recorded": iso(row.recorded)}
        for row in _unbounded(request, principal).engine.log.quarantined(batch)
    ]
    return JSONResponse({"rows": told})


@router.post(
    "/quarantine/release",
    summary="Let rows in",
    response_model=None,
    responses=answers(
        ReleasedTold,
        "What became of them",
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ),
    openapi_extra=taking(Release),
)
def let_in(request: Request, principal: _Operator, asked: Annotated[Release, Depends(reads(Release))]) -> JSONResponse:
    """Put rows through their mapping again, corrected or as they stand; what still breaks a rule stays, and why."""
    engine = _unbounded(request, principal).engine
    if asked.rows is None:
        corrected = waiting(engine, asked.batch)
    else:
        corrected = [Corrected(asked.batch, each.row, each.raw, each.cells) for each in asked.rows]
    return JSONResponse(release(engine, corrected, recordedby=principal.recordedby).as_dict())


def _unbounded(request: Request, principal: Principal) -> Service:
    """The service, for a caller whose scope is everything: nobody knows yet whose a row in quarantine is."""
    if not principal.unbounded:
        raise denied("this key has a scope, and nobody knows yet whose a row in quarantine is")
    return service_of(request)
