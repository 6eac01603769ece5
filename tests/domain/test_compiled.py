"""What is read in compiled code is what pydantic reads: the same touchpoints, and the same bytes."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator, model_validator

from adapters.codec import draft_of, read_envelope, read_touchpoint
from adapters.settings import LIMITS
from domain.company import Company
from domain.compiled import Encoded, read_encoded
from domain.errors import LifecircleError
from domain.forms import form_of
from domain.money import MICROS_MAX, Amount, WrittenNumber
from domain.touchpoint import INT64_MAX, KINDS, Touchpoint
from tests.domain.test_kinds import EVERY, ORDER
from tests.strategies import envelopes

NOW_US = 1_780_000_000_000_000
COMPANY = Company()

PYDANTICS_ALONE = {
    "CustomersMerged", "CustomerMergeReverted", "PersonalDataErased", "TouchpointCorrected",  # decided first
    "IdentifierLinked", "IdentifierUnlinked",  # identifiers
    "RiskAssessed",  # a float
}  # fmt: skip

_BOUNDS = (0, 1, 199, 200, 201, 1_000, 1_001)
_HOSTILE = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1, "", " ", "1", "\0", "\ud800", "é", "a\n", "sealed:1:x", "a@b.example"]
        + ["+49 30 1234567", "0.19", "-0.0", "1.50", "1.", ".5", "01", "1e2", "1234567890123", "0.1234567"]
        + [INT64_MAX, -INT64_MAX, INT64_MAX + 1, -INT64_MAX - 1, MICROS_MAX + 1, 1.0, 0.5, float("nan"), float("inf")]
        + [WrittenNumber("1.50"), WrittenNumber("1e3"), [], (), {}, set[str](), b"x", [None], {"a": 1}, [[]], {"": ""}]
        + ["12.34 EUR", "12.34  EUR", "12.34 eur", "-0 EUR", "1.1234567 EUR", "1e3 EUR", "12.34", "٣ EUR"]
        + ["2026-03-01", "2026-02-30", "0000-01-01", "2026-3-1", "2026-03-01T00:00:00Z"]
        + [datetime(2026, 3, 1, tzinfo=UTC), date(2026, 3, 1), WrittenNumber("0.1234567"), Decimal("1.5")]
        + [{"amount": "1.5", "currency": "EUR"}, {"amount": 3, "currency": "EUR"}, {"amount": "1", "currency": "XYZ"}]
        + [{"amount": WrittenNumber("2.5"), "currency": "USD"}, {"micros": True, "currency": "EUR"}]
        + [{"micros": 5, "currency": "EUR"}, {"micros": 5, "currency": "EUR", "amount": "1"}, {"micros": 5}]
        + [Amount.of("1.5", "EUR"), {"amount": "1", "x": 1}, {"currency": "EUR", "x": 1}]
        + ["x" * length for length in _BOUNDS]
    ),
    st.text(max_size=4),
    st.text('\x00\x07\x08\x1f\x7f\x80\u2028/\\"<é😀\n', max_size=4),
    st.integers(-(2**70), 2**70),
)
_TIMES = st.one_of(
    st.from_regex(
        r"(0000|0001|1969|2026|9999)-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{0,8})?)?"
        r"([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?\n?"
    ),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value of JSON."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*at, step)
        yield from _places(inner, (*at, step))


def _put(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    if not place:
        return other
    step, *rest = place
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[step] = _put(changed[step], tuple(rest), other)
    return changed


def _without(value: Any, place: tuple[Any, ...]) -> Any:
    *rest, last = place
    holder = value
    for step in rest:
        holder = holder[step]
    fewer = {name: each for name, each in holder.items() if name != last} if isinstance(holder, dict) else holder[:-1]
    return _put(value, tuple(rest), fewer)


@st.composite
def _sent(draw: st.DrawFn, kind: type[Touchpoint]) -> dict[str, Any]:
    """What a producer might send as a kind: right, with something else in some place, or with something left out."""
    sent: dict[str, Any] = draw(envelopes(kinds=[kind])).model_dump(mode="json", exclude_none=True)
    if draw(st.booleans()):
        sent.pop("dataschema")
    if draw(st.booleans()):
        sent["time"] = draw(_TIMES)
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from([*_places(sent), ("data", "new"), ("cost",), ("campaign",), ("custom",)]))
        if place in {*_places(sent)} and draw(st.integers(0, 4)) == 0:
            sent = _without(sent, place)
        elif len(place) == 1:
            sent[place[0]] = draw(_HOSTILE)
        elif place in {*_places(sent)}:
            sent = _put(sent, place, draw(_HOSTILE))
        elif isinstance(sent.get("data"), dict):
            sent["data"] = {**sent["data"], place[1]: draw(_HOSTILE)}
    return sent


def _by_pydantic(sent: dict[str, Any]) -> tuple[Any, ...] | str:
    try:
        return draft_of(read_envelope(sent, NOW_US, COMPANY), "tests")
    except LifecircleError as error:
        return error.name


def _in_either_way(sent: dict[str, Any]) -> tuple[Any, ...] | str:
    try:
        return draft_of(read_touchpoint(sent, NOW_US, COMPANY), "tests")
    except LifecircleError as error:
        return error.name


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(EVERY).flatmap(_sent))
def test_whatever_is_sent_is_read_as_pydantic_reads_it(sent: dict[str, Any]) -> None:
    assert _in_either_way(sent) == _by_pydantic(sent)


def _said(kind: str, **changes: Any) -> dict[str, Any]:
    return {"id": "e-1", "source": "s", "type": kind, "subject": "c-1", "time": "2026-03-01T10:00:00Z", **changes}


@pytest.mark.parametrize(
    "given",
    [
        {"data": ORDER},
        {"data": {**ORDER, "lines": [*ORDER["lines"], {"line": "3", "quantity": 1, "net": "1 EUR"}]}},
        {"data": {**ORDER, "total": {"amount": WrittenNumber("12.5"), "currency": "EUR"}}, "cost": "0.10 USD"},
        {"data": ORDER, "precision": "date", "sequence": 3, "campaign": "spring", "time": "2026-03-01T10:00:00.123Z"},
        {"data": {**ORDER, "total": Amount.of("12.50", "EUR")}, "time": "2026-03-01T10:00:00-03:30"},
    ],
)
def test_what_is_plain_does_not_go_by_pydantic(given: dict[str, Any]) -> None:
    sent = _said("OrderPlaced", **given)
    assert isinstance(read_touchpoint(sent, NOW_US, COMPANY), Encoded)
    assert _in_either_way(sent) == _by_pydantic(sent)


@pytest.mark.parametrize(
    ("line", "number"),
    [({}, "2"), ({"line": "1"}, None), ({"line": "7"}, "7"), ({"line": None}, None), ({"line": "a@b.example"}, None)],
)
def test_a_line_has_the_number_of_its_place_or_its_own(line: dict[str, Any], number: str | None) -> None:
    first = {"quantity": 1, "net": "1 EUR"}
    sent = _said("QuoteRequested", data={"lines": [first, {**first, **line}]})
    assert _in_either_way(sent) == _by_pydantic(sent)
    encoded = read_encoded(sent, 10_000)
    assert (encoded and encoded.typed().data.model_dump()["lines"][1]["line"]) == number


def test_only_what_is_decided_sealed_or_no_number_of_ours_is_left_to_pydantic_altogether() -> None:
    declined = {kind.kind for kind in EVERY if form_of(kind) is None}
    assert declined == PYDANTICS_ALONE


def test_too_long_is_refused_alike() -> None:
    sent = _said("PageViewed", data={"url": "é" * 4_000, "utm": {str(at): "x" * 100_000 for at in range(11)}})
    assert read_encoded(sent, 10**7) is not None
    assert read_encoded(sent, LIMITS.touchpoint_size_max_bytes) is None
    assert _in_either_way(sent) == _by_pydantic(sent) == "InvalidTouchpoint"


def test_a_companys_kind_is_compiled_unless_it_does_more_than_its_annotations_say() -> None:
    known = dict(KINDS)
    try:

        class BikeServiced(Touchpoint):
            """A bicycle was looked after."""

            parts: Annotated[int, Field(ge=0, le=99)] = 1
            by: str | None = None

        class BikeInspected(Touchpoint):
            """A bicycle was looked at."""

            by: str

            @field_validator("by")
            @classmethod
            def _upper(cls, by: str) -> str:
                return by.upper()

        class BikeSold(Touchpoint):
            """A bicycle was sold."""

            by: str

            @model_validator(mode="after")
            def _someone(self) -> "BikeSold":
                if not isinstance(self, BikeSold) or not self.by:
                    raise ValueError("must be somebody")
                return self

        assert [kind for kind in (BikeServiced, BikeInspected, BikeSold) if form_of(kind)] == [BikeServiced]
        for data in ({}, {"parts": 2, "by": "rosa"}, {"parts": 100}, {"parts": "2"}, {"by": "a\0"}, {"by": ""}):
            for kind in ("BikeServiced", "BikeInspected", "BikeSold"):
                sent = _said(kind, data=data)
                assert _in_either_way(sent) == _by_pydantic(sent)
    finally:
        KINDS.clear()
        KINDS.update(known)
