"""What the service answers, as its contract states it: the shapes of bodies, and which answers a route has.

The shapes describe and are not run: a body is made where it is told, and tests hold bodies against these.
"""

from http import HTTPStatus
from typing import (
    Any,
    NotRequired,  # pydantic reads no others below Python 3.12
)

from typing_extensions import TypedDict

from adapters.http.problems import PROBLEM_TYPE

Answers = dict[int | str, dict[str, Any]]


class Stands(TypedDict):
    """Where a touchpoint stands, and the SHA-256 of its stored bytes."""

    version: int
    position: str
    sha256: str


class CauseTold(TypedDict):
    """Something that is wrong: its name, what it is about, how far behind that is, and since when.

    `blocks` says whether nothing can be appended until it is mended.
    """

    trouble: str
    blocks: bool
    way_out: str
    about: NotRequired[str]
    touchpoints: NotRequired[int]
    seconds: NotRequired[float]
    since: NotRequired[str]
    subjects: NotRequired[int]


class Problem(TypedDict):
    """Problem details (RFC 9457): what, where, which rule, and the way out; never a value of a customer's."""

    type: str
    title: str
    status: int
    detail: str
    where: NotRequired[str]
    rule: NotRequired[str]
    way_out: NotRequired[str]
    current: NotRequired[int | None]
    stored: NotRequired[Stands]
    results: NotRequired[list["Result"]]
    causes: NotRequired[list[CauseTold]]


class ReceiptTold(TypedDict):
    """The log's answer to one touchpoint."""

    subject: str
    version: int
    position: str
    recorded: str
    sha256: str
    repeat: bool


class BreachTold(TypedDict):
    """A rule that a touchpoint broke."""

    id: str
    kind: str
    rule: str
    entity: str
    detail: str


class Recorded(ReceiptTold):
    """A receipt, and for a caller that waited the breaches of what was sent."""

    breaches: NotRequired[list[BreachTold]]


class Result(TypedDict):
    """What came of one touchpoint of a batch: a receipt, or a problem."""

    status: int
    receipt: NotRequired[ReceiptTold]
    problem: NotRequired[Problem]


class Results(TypedDict):
    """What came of each touchpoint of a batch, in its order."""

    results: list[Result]
    breaches: NotRequired[list[BreachTold]]


class TouchpointTold(TypedDict):
    """A CloudEvent with what the log added; personal values are sealed, and `data` is as its `dataschema` says."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    dataschema: str
    data: dict[str, Any]
    stream: str
    version: int
    position: str
    recordedtime: str


class TouchpointDelivered(TouchpointTold):
    """A touchpoint as it was recorded, and by whom."""

    recordedby: str | None


class TouchpointRecorded(TouchpointDelivered):
    """The same, and the cursor to go on from."""

    cursor: str


class HistoryTold(TypedDict):
    """A subject's effective history, in the order in which it occurred."""

    subject: str
    touchpoints: list[TouchpointTold]


class Followed(TypedDict):
    """Touchpoints in the order of the log, and the cursor to go on from."""

    touchpoints: list[TouchpointRecorded]
    cursor: str


class Rows(TypedDict):
    """A page of rows, each by the names of its columns, and what to ask for the next one."""

    rows: list[dict[str, Any]]
    next: str | None


class QuestionTold(TypedDict):
    """A question across customers, and its columns with their meaning."""

    name: str
    comment: str
    columns: dict[str, str]


class ViewTold(QuestionTold):
    """A view, its columns with their meaning, and the questions that rest on it."""

    questions: list[QuestionTold]


class Catalogue(TypedDict):
    """What can be asked."""

    views: list[ViewTold]


class KindTold(TypedDict):
    """A kind: its phase, what happened, its present version and all that can be had, and where its schema stands."""

    kind: str
    phase: str | None
    meaning: str
    dataschema: str
    version: int
    versions: list[int]
    schema: str


class Kinds(TypedDict):
    """Every kind."""

    kinds: list[KindTold]


class Alive(TypedDict):
    """The process answers."""

    status: str


class Stand(TypedDict):
    """Whether a log can be served, what is wrong with it and what follows it, and the error if it cannot be opened."""

    status: str
    causes: NotRequired[list[CauseTold]]
    error: NotRequired[str]


class Ready(Stand):
    """The service can serve; where it has several tenants, how each of them stands."""

    tenants: NotRequired[dict[str, Stand]]


class LagTold(TypedDict):
    """How far something is behind the log: touchpoints, and seconds since the first of them was recorded."""

    lag: int
    lag_s: float


class SubscriptionTold(LagTold):
    """A subscription, whether it is delivered, and how many of its subjects are parked."""

    name: str
    state: str
    parked: int


class StatusTold(TypedDict):
    """How the log and all that follows it stand, and what is wrong; `unseen` is what this account may not look at."""

    log: str
    touchpoints: int
    cursor: str
    followers: int
    ready: bool
    causes: list[CauseTold]
    quarantined: int
    views: list[dict[str, Any]]
    sealed: LagTold | None
    subscriptions: list[SubscriptionTold]
    unseen: list[str]


def answers(body: Any, said: str, *refused: HTTPStatus, **more: Any) -> Answers:
    """The answers of a route: 200 with a body of this shape, and the refusals that are its own.

    Those that every route has (a key that is missing or does not reach, a database that is away) the contract adds.
    """
    return {200: {"description": said, "model": body, **more}, **{int(status): refusal(status) for status in refused}}


def refusal(status: HTTPStatus, said: str = "") -> dict[str, Any]:
    """A refusal as the contract states it: problem details, and the headers that come with such a status."""
    schema = {"$ref": "#/components/schemas/Problem"}
    told: dict[str, Any] = {"description": said or SAID[status], "content": {PROBLEM_TYPE: {"schema": schema}}}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        told["headers"] = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}}
    if status == HTTPStatus.UNAUTHORIZED:
        told["headers"] = {"WWW-Authenticate": {"description": "the scheme to use", "schema": {"type": "string"}}}
    return told


SAID = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read",
    HTTPStatus.UNAUTHORIZED: "No valid key came with the request",
    HTTPStatus.FORBIDDEN: "The key does not reach so far",
    HTTPStatus.NOT_FOUND: "There is no such thing",
    HTTPStatus.NOT_ACCEPTABLE: "It is not to be had in this form",
    HTTPStatus.NOT_IMPLEMENTED: "What it needs is not installed here",
    HTTPStatus.CONFLICT: "The id was used before with other content, or the subject is at another version",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body has none of the forms that are read here",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Refused, with field, rule and way out; nothing was stored",
    HTTPStatus.FAILED_DEPENDENCY: "Another touchpoint of this subject was refused",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many at the same moment; the same again is safe",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database or a view is away. Whether it was stored is not known; "
    "the same again is safe",
}
"""What the refusals mean."""
