"""What persons may ask for, over HTTP: all that is held of them, being forgotten; and opening what is sealed.

What is answered in clear is never kept by a cache, and each of these is recorded in the log before it is answered.
"""

from base64 import b64encode
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from adapters.apikeys import Principal, Role
from adapters.data_subjects.erasure import erase, known_facts
from adapters.data_subjects.handover import record_handover
from adapters.data_subjects.opening import open_facts
from adapters.http.answers import HistoryTold, answers
from adapters.http.bodies import reads, taking
from adapters.http.problems import RequestRefused
from adapters.http.service import Service, denied, in_turn, service_of, within
from adapters.told import cloud_event
from domain.erasure import forgotten_with

router = APIRouter(tags=["rights of persons"])

_IN_CLEAR = {"Cache-Control": "no-store"}
_Operator = Annotated[Principal, Depends(in_turn(Role.OPERATOR), scope="function")]


class Erasure(BaseModel):
    """What being forgotten rests on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"basis": "GDPR Art. 17(1)(b)"}]})

    basis: Annotated[str, Field(min_length=1, max_length=200, description="the law or request that it rests on")]


class Opening(BaseModel):
    """What personal data is opened for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"purpose": "to answer ticket T-17"}]})

    purpose: Annotated[str, Field(min_length=1, max_length=200, description="what it is needed for")]


class Forgotten(TypedDict):
    """Who was forgotten, and where that is recorded."""

    forgotten: list[str]
    position: str


@router.post(
    "/subjects/{subject:path}/erasure",
    summary="Forget a customer",
    response_model=None,
    responses=answers(
        Forgotten,
        "The keys of all that is personal are destroyed",
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ),
    openapi_extra=taking(Erasure),
)
def forget(
    request: Request,
    principal: _Operator,
    subject: str,
    asked: Annotated[Erasure, Depends(reads(Erasure))],
    approval: Annotated[
        str | None, Header(description="Bearer, and the key of another operator who allows it, where it takes two")
    ] = None,
) -> JSONResponse:
    """Forget a customer and all who were merged into them, for ever.

    Who does it is whom the key stands for, and who allows it is whom the key in `Approval` stands for: neither is
    merely named.
    """
    service = service_of(request)
    _reaches(service, principal, subject)
    second = None if approval is None else _approver(service, approval, subject)
    receipt, persons = erase(
        service.engine, subject, basis=asked.basis, by=principal.name, second=second, recordedby=principal.recordedby
    )
    return JSONResponse({"forgotten": persons, "position": f"{receipt.bucket}/{receipt.number}"})


@router.get(
    "/subjects/{subject:path}/export",
    summary="All that is held of a person",
    response_model=None,
    responses=answers(
        dict[str, Any],
        "All of it, in clear",
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        headers={"Repr-Digest": {"description": "the SHA-256 of the body (RFC 9530)", "schema": {"type": "string"}}},
    ),
)
def export(request: Request, principal: _Operator, subject: str, recipient: str | None = None) -> Response:
    """What a person may ask for: touchpoints as given, history, views, quarantined rows, and who read their data.

    The log records that it left the house, for whom, and the SHA-256 of what is answered.
    """
    service = service_of(request)
    _reaches(service, principal, subject)
    document, digest = record_handover(service.engine, subject, recipient=recipient, recordedby=principal.recordedby)[
        1:
    ]
    headers = _IN_CLEAR | {"Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(digest)).decode()}:"}
    return Response(document, headers=headers, media_type="application/json")


@router.post(
    "/subjects/{subject:path}/opened",
    summary="A subject's history in clear",
    response_model=None,
    responses=answers(
        HistoryTold,
        "Its history, opened",
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ),
    openapi_extra=taking(Opening),
)
def open_history(
    request: Request, principal: _Operator, subject: str, asked: Annotated[Opening, Depends(reads(Opening))]
) -> JSONResponse:
    """The effective history with what is sealed in it opened, and [erased] where its person was forgotten.

    The log records for each person who read which fields, and what for.
    """
    within(principal, subject)
    service = service_of(request)
    facts = [fact for fact in service.engine.history(subject) if principal.covers(fact.stream, fact.kind)]
    opened = open_facts(service.engine, facts, purpose=asked.purpose, by=principal.recordedby)
    told = {"subject": subject, "touchpoints": [cloud_event(fact) for fact in opened]}
    return JSONResponse(told, headers=_IN_CLEAR)


def _reaches(service: Service, principal: Principal, subject: str) -> None:
    """Check that a caller reaches all of a customer: whoever is merged into them goes with them.

    Raises:
        RequestRefused: it does not.
        UnknownSubject: the log holds nothing of them. SubjectMerged: they go on under another one.
    """
    within(principal, subject)
    if principal.kinds:
        raise denied("this key reaches some kinds only, and this concerns all of a person")
    if principal.subjects:
        for person in forgotten_with(subject, known_facts(service.engine, subject)):
            within(principal, person)


def _approver(service: Service, approval: str, subject: str) -> str:
    scheme, _, sent = approval.partition(" ")
    found = service.principal(sent.strip()) if scheme.lower() == "bearer" else None
    if found is None or Role.OPERATOR not in found.roles or found.kinds or not found.covers_subject(subject):
        raise RequestRefused(
            HTTPStatus.FORBIDDEN,
            "whoever allows it may not",
            where="Approval",
            rule="it is: Bearer, and a valid key of another operator who reaches this customer",
            way_out="have an operator allow it, and send their key",
        )
    return found.name
