"""Errors as HTTP tells them: a status, and problem details by RFC 9457 with the rule and the way out."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
import structlog
from starlette.responses import Response

from adapters.apikeys import ApiKeysUnusable
from adapters.health import Health
from adapters.http.tokens import IdentityUnusable
from adapters.log import Stored
from adapters.settings import LIMITS
from adapters.views.moments import MomentInvalid
from adapters.views.tables import ViewNotBuilt
from domain.errors import (
    CursorInvalid,
    ErasureRefused,
    ExtraMissing,
    IdReused,
    KeysUnusable,
    LifecircleError,
    LogUnavailable,
    NotInQuarantine,
    ProjectorFenced,
    QueryRefused,
    Refused,
    RepeatMixedWithNew,
    SealUnusable,
    SubjectMerged,
    UnknownSubject,
    UnknownView,
    UnreadableInput,
    VersionConflict,
)

JSON_TYPE, PROBLEM_TYPE = "application/json", "application/problem+json"
RETRY_AFTER_S = 1

# The first that an error is an instance of counts.
_STATUSES: tuple[tuple[type[LifecircleError], HTTPStatus], ...] = (
    (IdReused, HTTPStatus.CONFLICT),
    (VersionConflict, HTTPStatus.CONFLICT),
    (RepeatMixedWithNew, HTTPStatus.CONFLICT),
    (ErasureRefused, HTTPStatus.CONFLICT),
    (SubjectMerged, HTTPStatus.CONFLICT),
    (UnreadableInput, HTTPStatus.BAD_REQUEST),
    (Refused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (CursorInvalid, HTTPStatus.BAD_REQUEST),
    (MomentInvalid, HTTPStatus.BAD_REQUEST),
    (QueryRefused, HTTPStatus.BAD_REQUEST),
    (UnknownSubject, HTTPStatus.NOT_FOUND),
    (UnknownView, HTTPStatus.NOT_FOUND),
    (NotInQuarantine, HTTPStatus.NOT_FOUND),
    (SealUnusable, HTTPStatus.NOT_FOUND),
    (ExtraMissing, HTTPStatus.NOT_IMPLEMENTED),
    (ViewNotBuilt, HTTPStatus.SERVICE_UNAVAILABLE),
    (ProjectorFenced, HTTPStatus.SERVICE_UNAVAILABLE),
    (ApiKeysUnusable, HTTPStatus.SERVICE_UNAVAILABLE),
    (IdentityUnusable, HTTPStatus.SERVICE_UNAVAILABLE),
    (KeysUnusable, HTTPStatus.SERVICE_UNAVAILABLE),
    (LogUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)


_INSIDE = (ApiKeysUnusable, IdentityUnusable, KeysUnusable, LogUnavailable, SealUnusable)
"""What names hosts, accounts and files, which are the operator's to know, and no caller's."""

_log = structlog.get_logger("lifecircle.http")


class Answer(NamedTuple):
    """What is answered to a request, whichever way that goes: the status, the body, and headers besides its own."""

    status: int
    body: bytes
    form: str = JSON_TYPE
    headers: Mapping[str, str] = MappingProxyType({})

    def response(self) -> Response:
        """The same as the framework has it."""
        return Response(self.body, self.status, self.headers, self.form)


class RequestRefused(LifecircleError):
    """The request itself cannot be served, whatever it carries; `status` says why in HTTP's words."""

    def __init__(self, status: HTTPStatus, what: str, *, where: str = "", rule: str = "", way_out: str = "") -> None:
        super().__init__(what, where=where, rule=rule, way_out=way_out)
        self.status = status


class NotReady(RequestRefused):
    """Touchpoints cannot be appended now."""

    def __init__(self, health: Health) -> None:
        wrong = ", ".join(dict.fromkeys(cause.trouble for cause in health.causes))
        way_out = "what each cause says; nothing that was not answered is lost when it is sent again"
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {wrong}", way_out=way_out)
        self.told = [cause.as_dict() for cause in health.causes]


def status_of(error: LifecircleError) -> HTTPStatus:
    """The HTTP status that says what kind of error it is."""
    if isinstance(error, RequestRefused):
        return error.status
    found = (status for kind, status in _STATUSES if isinstance(error, kind))
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def problem_of(error: LifecircleError) -> dict[str, Any]:
    """An error as problem details: what, where, which rule and the way out; never a value of a customer's.

    A conflict carries what the caller needs to go on: the version that the subject is at, or where the touchpoint
    stands that has the id, with the digest of its bytes.
    """
    told = error.as_dict()
    name, what = told.pop("error"), told.pop("what")
    status = status_of(error)
    if isinstance(error, _INSIDE):
        told = {"way_out": "send the same again after a while; if that does not help, ask whoever runs the service"}
    found: dict[str, Any] = {"type": f"urn:lifecircle:error:{name}", "title": name, "status": int(status)}
    found |= {"detail": _shortened(what), **{part: _shortened(text) for part, text in told.items()}}
    if isinstance(error, VersionConflict):
        found["current"] = error.current
    if isinstance(error, IdReused) and isinstance(error.stored, Stored):
        from hashlib import sha256

        stored = error.stored
        found["stored"] = {
            "version": stored.version,
            "position": f"{stored.bucket}/{stored.number}",
            "sha256": sha256(stored.state).hexdigest(),
        }
    if isinstance(error, NotReady):
        found["causes"] = error.told
    return found


def _shortened(text: str) -> str:
    """What may be told in an answer: a caller that is wrong in everything is not told all of it."""
    most = LIMITS.http_problem_max_chars
    return text if len(text) <= most else f"{text[:most]} … and more"


def refusal(error: LifecircleError) -> Response:
    """The response that tells an error."""
    return refused(error).response()


def refused(error: LifecircleError) -> Answer:
    """What is answered where there is an error; what of it is not the caller's to know is told to the operator."""
    if isinstance(error, _INSIDE):
        told = error.as_dict()
        _log.warning("cannot serve", error=told.pop("error"), **told)
    status = status_of(error)
    headers = {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Answer(status, orjson.dumps(problem_of(error)), PROBLEM_TYPE, headers)
