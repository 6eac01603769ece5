"""A kind's payload as flat, typed columns: what columnar files, event logs and conditions on fields all speak of.

Personal fields are never among them, sealed or not. Lists, objects and values of several types stay JSON.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, cast, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, JsonValue
from pydantic.fields import FieldInfo

from domain.fields import Attribute, Personal, Special
from domain.money import Amount, quantity_micros
from domain.touchpoint import INT64_MAX, Fact, Touchpoint, marks, microseconds

Cell = str | int | float | bool | date | None


class Sort(StrEnum):
    """What sort of values a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    MICROS = "micros"
    """Exact decimals as integer micro-units."""
    DAY = "day"
    """Calendar dates."""
    MOMENT = "moment"
    """Microseconds since 1970 UTC."""
    JSON = "json"


class Flat(NamedTuple):
    """A column: its name, what sort of values it holds, and how it is read off a fact; None where it holds nothing."""

    name: str
    sort: Sort
    read: Callable[[Fact], Cell]


@cache
def flat_fields(kind: type[Touchpoint]) -> tuple[Flat, ...]:
    """The columns of a kind's payload, in the order of its fields.

    An amount is two columns, `total_micros` and `total_currency`; another exact decimal is one, `rate_micros`. A field
    with the name of an attribute of the envelope is `data_` and its name.
    """
    found = list[Flat]()
    for name, field in kind.model_fields.items():
        if not _personal(field):
            stored = field.alias or name
            found += _columns(stored, _members(field.annotation))
    return tuple(found)


def _personal(field: FieldInfo) -> bool:
    """Whether a field may hold what is personal, itself or within."""
    if any(isinstance(mark, (Personal, Attribute, Special)) for mark in marks(field)):
        return True
    inner = list(_within(field.annotation))
    # What a correction or an amendment puts in place of stored fields may be any of them.
    return JsonValue in inner or any(
        _personal(each)
        for model in inner
        if isinstance(model, type) and issubclass(model, BaseModel)
        for each in model.model_fields.values()
    )


def _within(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _within(inner)


def _columns(stored: str, members: frozenset[Any]) -> Iterator[Flat]:
    sort = _SORTS.get(members)
    if members == {Amount}:
        yield Flat(_free(f"{stored}_micros"), Sort.MICROS, lambda fact: _inner(fact.data.get(stored), "micros", int))
        yield Flat(_free(f"{stored}_currency"), Sort.TEXT, lambda fact: _inner(fact.data.get(stored), "currency", str))
    elif members == {int, str}:
        yield Flat(_free(f"{stored}_micros"), Sort.MICROS, lambda fact: _exact(fact.data.get(stored)))
    elif sort is None:
        yield Flat(_free(stored), Sort.JSON, lambda fact: fact.data.get(stored))
    else:
        convert = _READ[sort]
        yield Flat(_free(stored), sort, lambda fact: convert(fact.data.get(stored)))


def _free(name: str) -> str:
    return f"data_{name}" if name in _TAKEN else name


def _members(annotation: Any) -> frozenset[Any]:
    """The plain types that a field may hold, None left out."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return frozenset[Any]().union(*map(_members, get_args(annotation)))
    if origin is Literal:
        return frozenset(type(each) for each in get_args(annotation))
    return frozenset() if annotation is type(None) else frozenset({annotation})


# What a correction puts in place of a field may be anything: a value of another type counts as none.
def _text(value: Any) -> Cell:
    return value if isinstance(value, str) else None


def _flag(value: Any) -> Cell:
    return value if isinstance(value, bool) else None


def _integer(value: Any) -> Cell:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INT64_MAX else None


def _number(value: Any) -> Cell:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _day(value: Any) -> Cell:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _moment(value: Any) -> Cell:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return microseconds(moment) if moment.tzinfo else None


def _exact(value: Any) -> Cell:
    try:
        return quantity_micros(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        return None


def _inner(value: Any, name: str, of: type) -> Cell:
    inner = value.get(name) if isinstance(value, dict) else None
    return cast("Cell", inner) if type(inner) is of else None


_SORTS: dict[frozenset[Any], Sort] = {
    frozenset({str}): Sort.TEXT,
    frozenset({bool}): Sort.FLAG,
    frozenset({int}): Sort.INTEGER,
    frozenset({float}): Sort.NUMBER,
    frozenset({date}): Sort.DAY,
    frozenset({datetime}): Sort.MOMENT,
    frozenset({AwareDatetime}): Sort.MOMENT,
}
_READ: dict[Sort, Callable[[Any], Cell]] = {
    Sort.TEXT: _text,
    Sort.FLAG: _flag,
    Sort.INTEGER: _integer,
    Sort.NUMBER: _number,
    Sort.DAY: _day,
    Sort.MOMENT: _moment,
}


def _attribute(name: str) -> Flat:
    return Flat(name, Sort.TEXT, lambda fact: _text(fact.envelope.get(name)))


ATTRIBUTES: tuple[Flat, ...] = (
    Flat("source", Sort.TEXT, lambda fact: fact.source),
    *map(_attribute, ("channel", "actor", "campaign", "partner", "brand", "correlationid", "causationid")),
    Flat("cost_micros", Sort.MICROS, lambda fact: _inner(fact.envelope.get("cost"), "micros", int)),
    Flat("cost_currency", Sort.TEXT, lambda fact: _inner(fact.envelope.get("cost"), "currency", str)),
    Flat("custom", Sort.JSON, lambda fact: fact.envelope.get("custom")),
)
"""What the envelope of every kind says besides who, what and when."""

_TAKEN = frozenset(
    {
        "subject",
        "occurred",
        "day",
        "dated",
        "sequence",
        "stream",
        "version",
        "kind",
        "id",
        "bucket",
        "number",
        "recorded",
    }
    | {"phase", "written", *(each.name for each in ATTRIBUTES)}
)
