"""Money is exact: whatever is written comes back to the last place, and what is not exact is refused."""

from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.money import (
    ISO_4217,
    MICROS,
    MICROS_MAX,
    Amount,
    Quantity,
    Rate,
    WrittenNumber,
    decimal,
    micros,
    quantity_micros,
)
from tests.strategies import currencies

whole_micros = st.integers(-MICROS_MAX, MICROS_MAX)
quantity = TypeAdapter[Any](Quantity)
rate = TypeAdapter[Any](Rate)


@given(whole_micros)
def test_micro_units_come_back_from_their_decimal(whole: int) -> None:
    assert micros(decimal(whole)) == micros(str(decimal(whole))) == micros(f"{decimal(whole):f}") == whole
    assert decimal(whole) * MICROS == whole


@given(whole_micros, currencies)
def test_all_forms_of_an_amount_mean_the_same(whole: int, currency: str) -> None:
    text = f"{decimal(whole):f}"
    amount = Amount(micros=whole, currency=currency)
    forms: list[Any] = [
        {"micros": whole, "currency": currency},
        {"amount": text, "currency": currency},
        {"amount": decimal(whole), "currency": currency},
        {"amount": WrittenNumber(text), "currency": currency},
        f"{text} {currency}",
        amount.model_dump(mode="json"),
        str(amount),
    ]
    assert [Amount.model_validate(form) for form in forms] == [amount] * len(forms)
    assert Amount.of(text, currency) == amount


@given(whole_micros)
def test_a_quantity_keeps_its_exact_value_in_one_form(whole: int) -> None:
    stored = quantity.validate_python(f"{decimal(whole):f}")
    assert quantity_micros(stored) == whole
    assert isinstance(stored, int) == (whole % MICROS == 0)
    assert quantity.validate_python(stored) == stored == quantity.validate_python(f"{decimal(whole):f}")


@pytest.mark.parametrize(
    ("given_", "stored"), [("1.50", "1.5"), ("2.000", 2), (3, 3), ("-0", 0), ("0.000001", "0.000001")]
)
def test_a_rate_is_stored_in_its_shortest_form(given_: object, stored: object) -> None:
    assert rate.validate_python(given_) == stored


@pytest.mark.parametrize("text", ["0", "-0.000001", "9223372036854.775807", "-9223372036854.775807", "007.50", "1E+3"])
def test_the_limits_of_64_bits_are_within(text: str) -> None:
    assert decimal(micros(text)) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "0.0000001",
        "1.00000000000000000000000000000000000001",
        "9223372036854.775808",
        "-9223372036854.775808",
        "1e13",
        "1e999999",
        "1e-999999",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "",
        "twelve",
        "12,50",
        "0x10",
    ],
)
def test_what_is_not_exact_or_too_great_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no finite decimal|six decimal places|64 bits"):
        micros(text)


def test_the_precision_that_the_host_program_set_does_not_matter() -> None:
    with localcontext(prec=3):
        assert micros("123456789.123456") == 123_456_789_123_456
        assert micros(Decimal("123456789.123456")) == 123_456_789_123_456
        assert quantity.validate_python("123456789.5") == "123456789.5"
        assert str(Amount.of("123456789.123456", "EUR")) == "123456789.123456 EUR"


@pytest.mark.parametrize(
    "given_",
    [
        12.5,
        12,
        None,
        True,
        [],
        "12.50",
        "EUR 12.50",
        "12.50 eur",
        "12.50 EURO",
        "12.50 XXX",
        "1e400 EUR",
        {"amount": 12.5, "currency": "EUR"},
        {"amount": True, "currency": "EUR"},
        {"amount": None, "currency": "EUR"},
        {"amount": "12.50"},
        {"currency": "EUR"},
        {"micros": 12.0, "currency": "EUR"},
        {"micros": "12", "currency": "EUR"},
        {"micros": 2**63, "currency": "EUR"},
        {"micros": 1, "amount": "1", "currency": "EUR"},
        {"micros": 1, "currency": "EUR", "note": "tip"},
        {"micros": 1, "currency": None},
        {"micros": 1, "currency": "€"},
    ],
)
def test_what_is_no_amount_is_refused(given_: object) -> None:
    with pytest.raises(ValidationError):
        Amount.model_validate(given_)


@pytest.mark.parametrize("given_", [1.5, True, None, "1.5 kg", float("nan"), 2**64, "NaN", {}])
def test_what_is_no_quantity_is_refused(given_: object) -> None:
    with pytest.raises(ValidationError):
        quantity.validate_python(given_)


def test_a_message_never_repeats_the_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Amount.model_validate({"amount": "4711.00000001", "currency": "EUR"})
    assert "4711" not in str([problem["msg"] for problem in caught.value.errors()])


def test_currencies_are_those_in_use() -> None:
    assert {"EUR", "USD", "GBP", "BRL", "JPY", "CHF", "XAU"} <= ISO_4217
    assert not {"XXX", "XTS", "DEM", "BTC"} & ISO_4217
    assert all(len(code) == 3 and code.isupper() and code.isascii() for code in ISO_4217)
