"""Examples of what is answered, for the contract: made, as far as they go, by what makes the answers themselves."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Any, TypeVar

import orjson

from adapters.health import Cause, Health, Trouble
from adapters.http.problems import NotReady, RequestRefused, problem_of
from adapters.log import Receipt, Stored
from adapters.told import receipt, recorded_event
from domain.errors import (
    ErasureRefused,
    ExtraMissing,
    IdReused,
    InvalidTouchpoint,
    LifecircleError,
    LogUnavailable,
    SubjectMerged,
    UnknownSubject,
    UnreadableInput,
    VersionConflict,
)
from domain.example import example
from domain.kinds.order import OrderPlaced

_CURSOR = "qdswfAAAAAAAAAABCf3Asg"
_BEHIND = "WyJjdXN0b21lci0xNyIsIm9yZGVyLTEiXQ"
_VERSION = 7
_OCCURRED, _RECORDED = 1_772_442_000_000_000, 1_772_442_001_250_000
_EVENT = example(OrderPlaced)
_STATE = orjson.dumps(_EVENT | {"dataschema": OrderPlaced.dataschema})
_STORED = Stored(
    1, 1, "customer-17", 1, OrderPlaced.kind, _EVENT["id"], "shop", _OCCURRED, _RECORDED, "key:web-shop", _STATE
)
_RECEIPT = receipt(Receipt(1, 1, "customer-17", 1, _RECORDED, sha256(_STATE).digest(), repeat=False))
_FOLLOWED = recorded_event(_STORED) | {"cursor": _CURSOR}
_TOLD = {name: value for name, value in _FOLLOWED.items() if name not in ("recordedby", "cursor")}


_Error = TypeVar("_Error", bound=LifecircleError)


def _told(kind: type[_Error], what: str, where: str, rule: str, way_out: str) -> _Error:
    return kind(what, where=where, rule=rule, way_out=way_out)


def _conflict() -> VersionConflict:
    error = _told(
        VersionConflict,
        f"the subject is at version {_VERSION}, not at the one expected",
        "customer-17",
        "an append with an expected version is stored only at that version",
        "read the history again, decide anew, and send it with the current version",
    )
    error.current = _VERSION
    return error


def _reused() -> IdReused:
    error = _told(
        IdReused,
        "this id was used before, for another touchpoint of the same subject and source",
        "id",
        "an id names one touchpoint for ever",
        "give the new touchpoint an id of its own, or send the same content again",
    )
    error.stored = _STORED
    return error


def _asked(status: HTTPStatus, what: str, where: str, rule: str, way_out: str) -> RequestRefused:
    return RequestRefused(status, what, where=where, rule=rule, way_out=way_out)


_AWAY = NotReady(Health(_RECORDED, causes=[Cause(Trouble.DATABASE_AWAY, since=_RECORDED)]))
_ERRORS: Mapping[HTTPStatus, Sequence[LifecircleError]] = {
    HTTPStatus.BAD_REQUEST: [
        _told(
            UnreadableInput,
            "the input is not the strict JSON that is expected",
            "the body",
            "it names a key twice",
            "send RFC 8259 JSON with unique keys, finite numbers and valid Unicode",
        )
    ],
    HTTPStatus.UNAUTHORIZED: [
        _asked(
            HTTPStatus.UNAUTHORIZED,
            "no valid API key or token came with the request",
            "Authorization",
            "it is: Bearer, and a key or token that has neither ended nor been revoked",
            "ask the operator for one: lifecircle apikey make",
        )
    ],
    HTTPStatus.FORBIDDEN: [
        _asked(
            HTTPStatus.FORBIDDEN,
            "this key does not reach this subject or kind",
            "Authorization",
            "a key opens what its roles and its scope name, and nothing else",
            "use another key, or ask the operator for one with this right",
        )
    ],
    HTTPStatus.NOT_FOUND: [
        _told(
            UnknownSubject,
            "the log holds no touchpoint of this subject within that cut",
            "customer-17",
            "",
            "check the id, or ask for a later moment",
        )
    ],
    HTTPStatus.NOT_ACCEPTABLE: [
        _asked(
            HTTPStatus.NOT_ACCEPTABLE,
            "rows are not to be had in this form",
            "format",
            "it is one of json, ndjson, csv, arrow",
            "name one of them",
        )
    ],
    HTTPStatus.CONFLICT: [_conflict(), _reused()],
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: [
        _asked(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "this is more than one request may carry",
            "the body",
            "a batch holds at most 1000 touchpoints",
            "send fewer or smaller touchpoints at once; what is sent twice is stored once",
        )
    ],
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: [
        _asked(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the body is packed",
            "Content-Encoding",
            "bodies are taken as they are: nobody knows how large a packed one is before it is unpacked",
            "send it unpacked, in several parts where it is large",
        )
    ],
    HTTPStatus.UNPROCESSABLE_ENTITY: [
        _told(
            InvalidTouchpoint,
            "the touchpoint is invalid",
            "data.total",
            "data.total: Field required",
            "mend these fields; see: lifecircle kinds KIND",
        )
    ],
    HTTPStatus.TOO_MANY_REQUESTS: [
        _asked(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too many appends at the same moment",
            "",
            "one process takes at most 1000",
            "send the same again a little later; a touchpoint's id makes that safe",
        )
    ],
    HTTPStatus.NOT_IMPLEMENTED: [
        _told(
            ExtraMissing,
            "pyarrow is not installed",
            "",
            "the extra arrow is needed for rows as Arrow",
            "ask for ndjson",
        )
    ],
    HTTPStatus.SERVICE_UNAVAILABLE: [
        _told(
            LogUnavailable,
            "the database server cannot be reached, refuses, or was lost on the way",
            "db.internal/crm",
            "whether what was sent was stored is not known; what was stored is a repeat",
            "send the same again",
        )
    ],
}
_OF_ROUTES: Mapping[tuple[str, HTTPStatus], Sequence[LifecircleError]] = {
    ("/subjects/{subject}/erasure", HTTPStatus.CONFLICT): [
        _told(
            ErasureRefused,
            "this customer may not be forgotten now",
            "customer-17",
            "a legal hold stands",
            "lift it first: LegalHoldLifted",
        )
    ],
    ("/subjects/{subject}/export", HTTPStatus.CONFLICT): [
        _told(
            SubjectMerged,
            "this customer goes on under customer-16",
            "subject customer-17",
            "whoever was merged into another is one customer with them",
            "do it for customer-16, which concerns both; or revert the merge first",
        )
    ],
    ("/readyz", HTTPStatus.SERVICE_UNAVAILABLE): [_AWAY],
    ("/status", HTTPStatus.SERVICE_UNAVAILABLE): [_AWAY],
}


def problems(path: str, status: HTTPStatus) -> dict[str, Any]:
    """Examples of a refusal, as a media type states them."""
    found = _OF_ROUTES.get((path, status)) or _ERRORS[status]
    return {"examples": {type(error).__name__: {"value": problem_of(error)} for error in found}}


_BREACH = {
    "id": "a2",
    "kind": "ShipmentDispatched",
    "rule": "order/never placed",
    "entity": "order/o-2",
    "detail": "no opening of this order is known",
}
_QUESTION = {"name": "funnel", "comment": "How many leads of each source came how far.", "columns": {"leads": "leads"}}
_PROBLEM = problem_of(_ERRORS[HTTPStatus.UNPROCESSABLE_ENTITY][0])
SHAPES: Mapping[str, Any] = {
    "ReceiptTold": _RECEIPT,
    "Recorded": _RECEIPT | {"breaches": [_BREACH]},
    "Results": {"results": [{"status": 201, "receipt": _RECEIPT}, {"status": 422, "problem": _PROBLEM}]},
    "HistoryTold": {"subject": "customer-17", "touchpoints": [_TOLD]},
    "Followed": {"touchpoints": [_FOLLOWED], "cursor": _CURSOR},
    "Rows": {"rows": [{"subject": "customer-17", "order_id": "order-1", "net_micros": 12_340_000}], "next": _BEHIND},
    "Catalogue": {
        "views": [
            {
                "name": "opportunities",
                "comment": "Each opportunity as it stands.",
                "columns": {"subject": "whose it is"},
                "questions": [_QUESTION],
            }
        ]
    },
    "Kinds": {
        "kinds": [
            {
                "kind": OrderPlaced.kind,
                "phase": OrderPlaced.phase,
                "meaning": " ".join((OrderPlaced.__doc__ or "").split()),
                "dataschema": OrderPlaced.dataschema,
                "version": OrderPlaced.schema_version,
                "versions": [OrderPlaced.schema_version],
                "schema": "https://crm.example/kinds/OrderPlaced",
            }
        ]
    },
    "Alive": {"status": "alive"},
    "Ready": {
        "status": "ready",
        "causes": [Cause(Trouble.PROJECTOR_AWAY, "contacts", 12, 31.5, _RECORDED).as_dict()],
    },
    "StatusTold": Health(_RECORDED).as_dict()
    | {"log": "910d271c881812af3c4f1b344e382874", "touchpoints": 1, "cursor": _CURSOR, "followers": 0},
    "Forgotten": {"forgotten": ["customer-17"], "position": "1/9"},
    "Quarantine": {
        "rows": [
            {
                "batch": "orders@cf881ec6e353016c",
                "row": 3,
                "rule": "it is a decimal with a point, such as 1234.56",
                "message": "the cell cannot be read",
                "recorded": _RECEIPT["recorded"],
            }
        ]
    },
    "ReleasedTold": {
        "released": 1,
        "left_out": {},
        "earlier": 0,
        "touchpoints": {OrderPlaced.kind: 1},
        "still_in_quarantine": {},
    },
}
"""Of each shape of an answer what one may look like."""

BODIES: Mapping[tuple[str, str], Any] = {
    ("/views/{name}", "application/x-ndjson"): orjson.dumps(SHAPES["Rows"]["rows"][0]).decode() + "\n",
    ("/views/{name}", "text/csv"): "subject,order_id,net_micros\r\ncustomer-17,order-1,12340000\r\n",
    ("/kinds/{kind}", "application/schema+json"): {"title": OrderPlaced.kind, "type": "object"},
    ("/subjects/{subject}/export", "application/json"): {
        "mark": "5d0ac3f7c8b84f5f9f0f6a7e0d7c2b19",
        "subject": "customer-17",
        "persons": ["customer-17"],
        "company": "Tea & Sons",
        "made": _EVENT["time"],
        "touchpoints": [_EVENT | {"stream": "customer-17", "version": 1}],
        "history": [{"time": _EVENT["time"], "kind": OrderPlaced.kind, **_EVENT["data"]}],
        "views": {"orders": SHAPES["Rows"]["rows"]},
        "quarantine": [],
        "opened": [{"time": _EVENT["time"], "purpose": "to answer ticket T-17", "fields": ["name"]}],
    },
}
"""The same of what has no shape of a name, by its route and form."""
