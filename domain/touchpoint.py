"""What a touchpoint is: a fact of the customer's world, in the envelope that its producer gave it.

A kind is a class, one each, in a file per phase under `domain/kinds`. Its name and its fields are a storage format:
once recorded they are never renamed, only superseded by a higher `schema_version` with an upcast.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache, partial
from math import isfinite
from operator import eq
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo

from domain.errors import InvalidTouchpoint, KindBroken, NameTaken, UnknownKind
from domain.identifiers import Entity, Id
from domain.money import Amount, WrittenNumber
from domain.shortcuts import Shortcut, moment, problems

INT64_MAX = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KINDS: dict[str, type["Touchpoint"]] = {}
"""Every registered kind by its name. `domain.kinds` fills it."""

CURRENT: dict[str, str] = {}
"""The kind of each `dataschema` that is current, which is asked for of every touchpoint that is read.

It is one text for all of a kind, whose hash is known wherever it is looked up again.
"""

# PostgreSQL's text cannot hold NUL, and no word of a customer's needs it.
_NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, StringConstraints(max_length=100_000, pattern=_NO_NUL)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=_NO_NUL)]


class Phase(StrEnum):
    """The eight phases of the CRM circle, in their order."""

    ANALYSIS = "analysis"
    ATTRACTION = "attraction"
    PRESENTATION = "presentation"
    SALE = "sale"
    ORDER = "order"
    FULFILMENT = "fulfilment"
    SERVICE = "service"
    AFTER_SALES = "after-sales"


def marks(field: FieldInfo) -> Iterator[Any]:
    """Everything that a field's annotation is marked with, an optional field's inner type included."""
    yield from field.metadata
    if get_origin(field.annotation) in (Union, UnionType):
        for member in get_args(field.annotation):
            yield from getattr(member, "__metadata__", ())


class Touchpoint(BaseModel):
    """The payload of a kind: what happened, in its own fields and nothing else."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,  # a command builds only the kinds it meets: half the time of importing them all
    )

    kind: ClassVar[str]
    phase: ClassVar[Phase | None]
    schema_version: ClassVar[int]
    dataschema: ClassVar[str]

    def __init_subclass__(cls, phase: Phase | None = None, schema_version: int = 1, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = cls.__name__
        cls.phase = phase
        cls.schema_version = schema_version
        cls.dataschema = f"urn:lifecircle:{cls.kind}:{schema_version}"
        if KINDS.setdefault(cls.kind, cls).__module__ != cls.__module__:
            raise _taken(cls, KINDS[cls.kind].__module__)
        CURRENT.pop(KINDS[cls.kind].dataschema, None)
        KINDS[cls.kind] = cls
        CURRENT[cls.dataschema] = cls.kind

    @classmethod
    @cache
    def entity_fields(cls) -> dict[str, str]:
        """The stored fields that name an entity, each with the entity's type: `{"order": "order"}`."""
        return {
            field.alias or name: mark.of
            for name, field in cls.model_fields.items()
            for mark in marks(field)
            if isinstance(mark, Entity)
        }

    @classmethod
    def upcast(cls, data: dict[str, Any], dataschema: str) -> dict[str, Any]:
        """Lift stored fields of an older schema version to the current one.

        A kind of schema version n defines `upcast_v1_v2(data)` to `upcast_v{n-1}_v{n}(data)`, class or static methods
        that change the fields in place.

        Raises:
            UnknownKind: the stored version is newer than this program knows.
            KindBroken: an upcast failed.
        """
        stored = int(dataschema.rpartition(":")[2])
        if stored > cls.schema_version:
            raise UnknownKind(
                f"{cls.kind} was stored in schema version {stored}",
                rule=f"this program knows {cls.kind} up to version {cls.schema_version}",
                way_out="read this log with a newer lifecircle, or a newer version of the package that has this kind",
            )
        lifted = dict(data)
        for version in range(stored, cls.schema_version):
            try:
                step: Callable[[dict[str, Any]], None] = getattr(cls, f"upcast_v{version}_v{version + 1}")
                step(lifted)
            except Exception as error:  # noqa: BLE001 - a kind may be anybody's code
                raise broken(cls, f"upcast_v{version}_v{version + 1}", error) from None
        return lifted


def _taken(kind: type[Touchpoint], holder: str) -> NameTaken:
    error = NameTaken(
        f"kind {kind.__name__} is defined twice: in {holder} and {kind.__module__}",
        rule="what is stored under a kind's name means one thing",
        way_out="give the newer kind another name",
    )
    error.taken, error.holder = kind.__name__, holder
    return error


def kind_named(name: str) -> type[Touchpoint]:
    """Look a kind up by its name.

    Raises:
        UnknownKind: no kind of this name is registered.
    """
    try:
        return KINDS[name]
    except KeyError:
        from difflib import get_close_matches

        near = get_close_matches(name, KINDS, n=3)
        raise UnknownKind(
            "there is no such kind of touchpoint",
            where="type",
            rule="type names a registered kind, in PascalCase and the past tense",
            way_out=f"did you mean {' or '.join(near)}?" if near else "list them with: lifecircle kinds",
        ) from None


def invalid(error: ValidationError, within: str = "") -> InvalidTouchpoint:
    """Say what pydantic found as an error of the domain: each field with its rule, and never a value."""
    found = [
        (".".join(str(step) for step in (*within.split(), *place)) or "touchpoint", rule)
        for place, rule in problems(error)
    ]
    return InvalidTouchpoint(
        "the touchpoint is invalid",
        where=", ".join(dict.fromkeys(field for field, _ in found)),
        rule="; ".join(f"{field}: {rule}" for field, rule in found),
        way_out="mend these fields; see: lifecircle kinds KIND",
    )


def broken(kind: type[Touchpoint], where: str, error: Exception) -> KindBroken:
    """What a kind's own code raised, as an error of the domain: its type and place, for its words may hold values."""
    at = error.__traceback__
    while at and at.tb_next:
        at = at.tb_next
    place = f" in line {at.tb_lineno} of {at.tb_frame.f_code.co_filename}" if at else ""
    return KindBroken(
        f"the code of {kind.kind} failed on this touchpoint: {type(error).__name__}{place}",
        where=where,
        rule="a validator raises ValueError for what it refuses; an upcast and a serializer take whatever was valid",
        way_out=f"mend {kind.kind} in {kind.__module__}",
    )


def iso_text(given: Any) -> Any:
    """Let only a datetime or an ISO 8601 text through: pydantic alone would read "1700000000" as a timestamp.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(given, datetime) or (isinstance(given, str) and given[4:5] == given[7:8] == "-"):
        return given
    raise ValueError("must be an ISO 8601 text with an offset, such as 2026-03-01T10:00:00+01:00")


# What nearly every producer writes: RFC 3339, to the second or finer. To reckon with, a time of Python's own zones
# costs a third of one that pydantic reads.
_PLAIN_TIME = moment(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$",
    datetime.fromisoformat,
)

Moment = Annotated[AwareDatetime, BeforeValidator(iso_text), Shortcut(_PLAIN_TIME, written="datetime")]
"""An instant with its offset."""


def plain_json(value: Any) -> Any:
    """Let only JSON through that every reader understands alike, and keep its numbers exact.

    Raises:
        ValueError: a number that is not finite, beyond 64 bits or of more digits than a double; NUL in a text.
    """
    match value:
        case WrittenNumber() if Decimal(repr(float(value))) != Decimal(value.text):
            raise ValueError("must hold no number of more digits than a double has; send it as a text")
        case float() if not isfinite(value):
            raise ValueError("must hold finite numbers only")
        case float():
            return float(value)
        case int() if abs(value) > INT64_MAX:
            raise ValueError("must hold integers of at most 64 bits")
        case str() if "\0" in value:
            raise ValueError("must not hold NUL")
        case dict():
            return {plain_json(name): plain_json(inner) for name, inner in value.items()}
        case list():
            return [plain_json(inner) for inner in value]
        case _:
            return value


class Envelope(BaseModel):
    """One touchpoint as its producer gave it: CloudEvents 1.0 attributes, our extensions, and the payload.

    `time` is when it occurred, with the producer's offset; under `precision` date only its calendar date counts.
    `sequence` breaks ties of time. `actor` is the person or system that the producer claims; who was authenticated is
    known to the log alone. `cost` is what this touch cost us.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    specversion: Literal["1.0"] = "1.0"
    id: Id
    source: Id
    type: str
    subject: Id
    time: Moment
    precision: Literal["date", "instant"] = Field(default="instant", exclude_if=partial(eq, "instant"))
    sequence: int = Field(default=0, ge=-INT64_MAX, le=INT64_MAX, strict=True, exclude_if=partial(eq, 0))
    channel: Label | None = None
    actor: Label | None = None
    campaign: Id | None = None
    partner: Id | None = None
    brand: Label | None = None
    cost: Amount | None = None
    correlationid: Id | None = None
    causationid: Id | None = None
    custom: Annotated[dict[str, Any], AfterValidator(plain_json)] | None = None
    dataschema: str | None = None
    data: SerializeAsAny[Touchpoint]

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Envelope":
        """Validate the attributes of a CloudEvent as the envelope of the kind that it names.

        Raises:
            UnknownKind: `type` names no registered kind.
            InvalidTouchpoint: with every field that is wrong and its rule.
            KindBroken: a validator of the kind failed.
        """
        kind = kind_named(str(given.get("type", "")))
        try:
            # model_validate does just this, a little later.
            envelope: Envelope = envelope_of_kind(kind).__pydantic_validator__.validate_python(given)
        except ValidationError as error:
            raise invalid(error) from None
        except Exception as error:  # noqa: BLE001 - a kind may be anybody's code
            raise broken(kind, "data", error) from None
        return envelope

    @property
    def occurred_us(self) -> int:
        """When it occurred, in microseconds since 1970 UTC."""
        return microseconds(self.time)


@cache
def envelope_of_kind(kind: type[Touchpoint]) -> type[Envelope]:
    """The envelope of one kind: it validates attributes and payload at once, several times as fast as in two."""
    named: Any = (Literal[kind.kind], ...)
    dataschema: Any = (Literal[kind.dataschema], kind.dataschema)
    return create_model(f"{kind.kind}Envelope", __base__=Envelope, type=named, dataschema=dataschema, data=(kind, ...))


def microseconds(time: datetime) -> int:
    """An aware time as microseconds since 1970 UTC, exactly."""
    since = time - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class Fact(NamedTuple):
    """One touchpoint as folds see it; its first four fields are the order key of effective history.

    at: effective occurred time, microseconds since 1970 UTC; sequence: the producer's tie-break; stream: the subject it
    is stored under; version: its place in that stream, from 1; data: the payload's stored fields, upcast; envelope: all
    that the producer gave, as stored; bucket and number: its position; recorded: microseconds since 1970 UTC.
    """

    at: int
    sequence: int
    stream: str
    version: int
    kind: str
    id: str
    source: str
    data: dict[str, Any]
    envelope: dict[str, Any]
    bucket: int = 1
    number: int = 0
    recorded: int = 0

    @property
    def order_key(self) -> tuple[int, int, str, int]:
        """What effective history is sorted by. Never position, never recorded time."""
        return self[:4]

    @property
    def is_date(self) -> bool:
        """Whether only the calendar date of its time counts."""
        envelope = self.envelope
        return "precision" in envelope and envelope["precision"] == "date"
