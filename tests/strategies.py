"""Any touchpoint of any kind, for tests of laws: read off the models, so a new kind needs nothing here.

`touchpoints(kind)` draws payloads, `envelopes(subjects=…, kinds=…, times=…)` whole touchpoints as producers send them.
"""

import string
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, JsonValue
from pydantic.fields import FieldInfo

from adapters.extensions import HOUSE, load_extensions, package_of
from domain.fields import Digest, Line, Probability, Score
from domain.identifiers import Id
from domain.money import Amount, Currency, Quantity, decimal
from domain.touchpoint import INT64_MAX, KINDS, Envelope, Touchpoint, envelope_of_kind

load_extensions()
OWN = [kind for name, kind in KINDS.items() if package_of(name) != HOUSE]
"""The kinds of packages that are installed where the tests run; the laws of all kinds are theirs too."""

MICROS_MAX_DRAWN = 10**15
ID_LETTERS = string.ascii_letters + string.digits + "-_/:."

ids = st.text(ID_LETTERS, min_size=1, max_size=12)
currencies = st.sampled_from(["EUR", "USD", "GBP", "BRL", "JPY"])
quantities = st.integers(0, 10**9).map(lambda micros: f"{decimal(micros):f}")
days = st.dates(date(1970, 1, 1), date(2100, 12, 31))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=offsets)  # noqa: DTZ001 - gets an offset
subjects_few = st.sampled_from(["customer-1", "customer-2", "customer-3"])

_words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INT64_MAX, INT64_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_words.filter(bool), inner, max_size=2),
    max_leaves=4,
)


def amounts(currency: str | None = None) -> st.SearchStrategy[Amount]:
    """Amounts of money up to a thousand million, of one currency or of any; sums of many stay within 64 bits."""
    whole = st.integers(-MICROS_MAX_DRAWN, MICROS_MAX_DRAWN)
    return st.builds(Amount, micros=whole, currency=currencies if currency is None else st.just(currency))


@st.composite
def touchpoints(draw: st.DrawFn, kind: type[Touchpoint]) -> Touchpoint:
    """Payloads of a kind. All amounts of one have one currency."""
    fields = _fields(draw, kind, draw(currencies))
    return kind.model_validate(_HOUSE_RULES.get(kind.kind, _as_drawn)(fields))


@st.composite
def envelopes(
    draw: st.DrawFn,
    subjects: st.SearchStrategy[str] = subjects_few,
    kinds: Sequence[type[Touchpoint]] | None = None,
    times: st.SearchStrategy[datetime] = moments,
) -> Envelope:
    """Touchpoints as producers send them: an id of its own each, any kind unless `kinds` says which."""
    kind = draw(st.sampled_from(list(KINDS.values()) if kinds is None else list(kinds)))
    return envelope_of_kind(kind)(
        id=str(draw(st.uuids())),
        source=draw(st.sampled_from(["shop", "crm"])),
        type=kind.kind,
        subject=draw(subjects),
        time=draw(times),
        precision=draw(st.sampled_from(["instant", "date"])),
        sequence=draw(st.integers(0, 3)),
        channel=draw(st.none() | st.sampled_from(["web", "store", "phone"])),
        campaign=draw(st.none() | ids),
        cost=draw(st.none() | amounts("EUR")),
        data=draw(touchpoints(kind)),
    )


def with_few_entities(draw: st.DrawFn, envelope: Envelope) -> Envelope:
    """The same touchpoint of entities that have one of two names, so that they meet."""
    names = {name: draw(st.sampled_from("12")) for name in envelope.data.entity_fields()}
    return envelope.model_copy(update={"data": envelope.data.model_copy(update=names)})


def _fields(draw: st.DrawFn, model: type[BaseModel], currency: str) -> dict[str, Any]:
    """A value for every required field, and for some of the others, by stored name."""
    drawn = {}
    for name, hint in _hints(model).items():
        field = model.model_fields[name]
        if field.is_required() or draw(st.booleans()):
            drawn[field.alias or name] = draw(_values(hint, currency))
    return drawn


@cache
def _hints(model: type[BaseModel]) -> dict[str, Any]:
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in model.model_fields}


@st.composite
def _models(draw: st.DrawFn, model: type[BaseModel], currency: str) -> BaseModel:
    return model.model_validate(_fields(draw, model, currency))


@st.composite
def _numbered_lines(draw: st.DrawFn, currency: str) -> tuple[BaseModel, ...]:
    lines = draw(st.lists(_models(Line, currency), max_size=3))
    return tuple(line.model_copy(update={"line": str(place)}) for place, line in enumerate(lines, start=1))


@cache
def _values(hint: Any, currency: str) -> st.SearchStrategy[Any]:
    """Values of a field's type, as the model keeps them."""
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        return _marked(base, marks, currency)
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([_values(member, currency) for member in get_args(hint)])
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple:
        member = get_args(hint)[0]
        return (
            _numbered_lines(currency) if member is Line else st.lists(_values(member, currency), max_size=3).map(tuple)
        )
    if get_origin(hint) is dict:
        key, value = (_values(member, currency) for member in get_args(hint))
        return st.dictionaries(key, value, max_size=3)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return amounts(currency) if hint is Amount else _models(hint, currency)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        NoneType: st.none(),
        bool: st.booleans(),
        int: st.integers(-INT64_MAX, INT64_MAX),
        str: _words,
        date: days,
        AwareDatetime: moments,
        JsonValue: _json,
    }
    return plain[hint]


def _marked(base: Any, marks: list[Any], currency: str) -> st.SearchStrategy[Any]:
    known: dict[Any, st.SearchStrategy[Any]] = {
        Id: ids,
        Digest: st.binary(min_size=32, max_size=32).map(bytes.hex),
        Quantity: quantities,
    }
    known |= {Currency: currencies, Score: st.floats(-1e6, 1e6), Probability: st.floats(0, 1)}
    for type_, values in known.items():
        _, *its_marks = get_args(type_)
        if marks[: len(its_marks)] == its_marks:
            return values
    if base is int:
        lowest = min((limit.ge for mark in marks for limit in _limits(mark)), default=-INT64_MAX)
        return st.integers(lowest, INT64_MAX)
    if base is str:
        return _words.filter(bool)
    return _values(base, currency)


def _limits(mark: Any) -> list[Any]:
    return [limit for limit in mark.metadata if hasattr(limit, "ge")] if isinstance(mark, FieldInfo) else []


def _as_drawn(fields: dict[str, Any]) -> dict[str, Any]:
    return fields


def _answer_one(fields: dict[str, Any]) -> dict[str, Any]:
    return {"ticket": fields.get("ticket") or "t-1"} if not fields.get("inquiry") else {"inquiry": fields["inquiry"]}


def _one_remedy(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("replacement") is not None or fields.get("occurred") is not None:
        return {**fields, "retraction": False}
    return {**fields, "retraction": True}


_HOUSE_RULES = {"FirstResponseGiven": _answer_one, "TouchpointCorrected": _one_remedy}
