"""A shortcut lets nothing through that its rule refuses, and reads nothing otherwise."""

from datetime import UTC, datetime
from typing import Annotated, Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.identifiers import Id
from domain.money import ISO_4217, WHOLE_MAX, Amount, Currency, Quantity
from domain.shortcuts import Shortcut
from domain.touchpoint import Moment
from tests.strategies import currencies, ids, moments

_TIMES = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?(Z|[+-][0-2][0-9]:[0-6][0-9])?"
)
_LETTERS = st.text("Aa0_./:#-@+ \n\x00é", max_size=6)
_WRITTEN = {
    Moment: _TIMES | moments.map(datetime.isoformat) | moments | st.integers(0, 2**31) | _LETTERS,
    Id: ids | _LETTERS | st.integers(0, 9),
    Currency: currencies | st.sampled_from(sorted(ISO_4217)).map(str.lower) | _LETTERS,
    Quantity: st.integers(-2 * WHOLE_MAX, 2 * WHOLE_MAX) | st.booleans() | st.decimals() | _LETTERS | st.none(),
}


def _said(adapter: TypeAdapter[Any], value: Any) -> tuple[Any, bytes] | str:
    try:
        read = adapter.validate_python(value)
    except ValidationError:
        return "refused"
    return read, adapter.dump_json(read)


@pytest.mark.parametrize("kind", list(_WRITTEN), ids=["Moment", "Id", "Currency", "Quantity"])
def test_with_and_without_its_shortcut_a_rule_says_the_same(kind: Any) -> None:
    base, *marks = get_args(kind)
    rules = [mark for mark in marks if not isinstance(mark, Shortcut)]
    without: Any = Annotated[base, *rules]
    whole, rule = TypeAdapter[Any](kind), TypeAdapter[Any](without)
    assert len(rules) < len(marks)

    @settings(max_examples=150)
    @given(_WRITTEN[kind])
    @example("2026-02-30T00:00:00Z")
    @example("2026-03-01T10:00:00+01:00\n")
    @example(datetime(2026, 3, 1, tzinfo=UTC))
    def the_same(value: Any) -> None:
        assert _said(whole, value) == _said(rule, value)

    the_same()


@given(st.from_regex(r"-?[0-9]{1,14}(\.[0-9]{0,8})?", fullmatch=True) | _LETTERS, currencies | _LETTERS)
@settings(max_examples=150)
def test_an_amount_that_recurs_is_the_one_that_was_read(number: str, currency: str) -> None:
    first, again = (_said(TypeAdapter(Amount), {"amount": number, "currency": currency}) for _ in range(2))
    try:
        made: Amount | str = Amount.of(number, currency)
    except ValueError:
        made = "refused"

    assert first == again
    assert (first if isinstance(first, str) else first[0]) == made
