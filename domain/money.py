"""Money: an exact decimal with its currency, kept as integer micro-units."""

import re
from decimal import Decimal, InvalidOperation, localcontext
from functools import lru_cache
from typing import Annotated, Any, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from domain.shortcuts import Shortcut, one_of, whole

MICROS = 1_000_000
MICROS_MAX = 2**63 - 1
WHOLE_MAX = MICROS_MAX // MICROS
DIGITS_MAX = 20

# ISO 4217 alphabetic codes of circulating currencies and the fund and metal codes that invoices may carry.
_ISO_4217_CODES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
    CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR
    LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XCD XCG XDR XOF
    XPD XPF XPT XSU XUA YER ZAR ZMW ZWG
"""
ISO_4217 = frozenset(_ISO_4217_CODES.split())


PLAIN_NUMBER = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]{1,6}))?")


class WrittenNumber(float):
    """A JSON number with a fraction: a float that remembers how it was written, so that money stays exact."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Self:
        """Read the number; `text` keeps its digits."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def _exact(given: Any) -> Decimal | int | str:
    if isinstance(given, WrittenNumber):
        return given.text
    if isinstance(given, bool) or not isinstance(given, (str, int, Decimal)):
        raise ValueError("must be a decimal text or an integer, such as '12.34'")  # noqa: TRY004 - as pydantic wants
    return given


def _known_currency(code: str) -> str:
    if code not in ISO_4217:
        raise ValueError("is no ISO 4217 currency code")
    return code


Currency = Annotated[
    str,
    Field(min_length=3, max_length=3),
    AfterValidator(_known_currency),
    Shortcut(one_of(ISO_4217), written="str"),
]
"""An ISO 4217 alphabetic code, such as EUR."""


def micros(value: Decimal | int | str) -> int:
    """Turn an exact decimal into integer micro-units.

    Raises:
        ValueError: the value is no finite decimal, has more than six places, or leaves 64 bits.
    """
    if isinstance(value, str) and (plain := PLAIN_NUMBER.fullmatch(value)):
        # Nearly every amount is written so, and needs no Decimal.
        units, places = plain.groups("")
        return int(units + places.ljust(6, "0"))
    try:
        exact = Decimal(value)
    except (InvalidOperation, ValueError) as error:
        raise ValueError("is no finite decimal") from error
    if not exact.is_finite():
        raise ValueError("is no finite decimal")
    # Before it is multiplied out: 1E+999999 would fill the memory.
    if exact and not -DIGITS_MAX < exact.adjusted() < DIGITS_MAX:
        raise ValueError("does not fit 64 bits of micro-units, or has more than six decimal places")
    with localcontext(prec=2 * DIGITS_MAX):
        scaled = exact * MICROS
    whole = int(scaled)
    if whole != scaled:
        raise ValueError("has more than six decimal places")
    if abs(whole) > MICROS_MAX:
        raise ValueError("does not fit 64 bits of micro-units")
    return whole


def decimal(micro_units: int) -> Decimal:
    """Turn micro-units back into the exact decimal, without trailing zeros."""
    units, places = divmod(abs(micro_units), MICROS)
    # From text, for arithmetic would round to whatever precision the host program has set.
    return Decimal(f"{'-' * (micro_units < 0)}{units}.{places:06}".rstrip("0").rstrip("."))


_WRITTEN = {"type": ["number", "string"], "pattern": r"^-?[0-9]+(\.[0-9]{1,6})?$"}


class Amount(BaseModel):
    """An amount of money: exact, of at most six places, never without its currency.

    Read from `{"amount": "12.34", "currency": "EUR"}`, from `"12.34 EUR"`, or as stored: `{"micros": 12340000,
    "currency": "EUR"}`. A binary float is refused, for it is not exact.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    micros: int = Field(ge=-MICROS_MAX, le=MICROS_MAX, strict=True, description="integer micro-units")
    currency: Currency

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if type(given) is cls:
            return given
        if isinstance(given, str):
            number, _, currency = given.strip().partition(" ")
            return handler({"micros": micros(number), "currency": currency.strip()})
        if isinstance(given, dict) and "amount" in given:
            amount, its_currency = given["amount"], given.get("currency")
            if len(given) == 2 and type(amount) is str and type(its_currency) is str:
                known = _recurring(cls, amount, its_currency)
                if known:
                    return cast("Self", known)
            rest = {name: value for name, value in given.items() if name != "amount"}
            if "micros" in rest:
                raise ValueError("give either amount or micros, not both")
            return handler({**rest, "micros": micros(_exact(amount))})
        return handler(given)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        stored = handler(core)
        if handler.mode == "serialization":
            return stored
        currency = stored["properties"]["currency"]
        written = {"amount": {**_WRITTEN, "description": "the decimal"}, "currency": currency}
        return {
            "description": "an exact amount of money with its ISO 4217 currency",
            "anyOf": [
                {"type": "object", "properties": written, "required": [*written], "additionalProperties": False},
                {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,6})? [A-Z]{3}$"},
                {key: value for key, value in stored.items() if key not in ("title", "description")},
            ],
        }

    @classmethod
    def of(cls, value: Decimal | int | str, currency: str) -> Self:
        """Make an amount from a decimal: `Amount.of("12.34", "EUR")`."""
        return cls(micros=micros(value), currency=currency)

    def __str__(self) -> str:
        return f"{decimal(self.micros)} {self.currency}"


# Prices recur, and to find one again costs a tenth of what it costs to read it.
@lru_cache(maxsize=10_000)
def _recurring(kind: type[Amount], number: str, currency: str) -> Amount | None:
    """An amount in the form that nearly all have; None for any other."""
    if currency in ISO_4217 and PLAIN_NUMBER.fullmatch(number):
        return kind(micros=micros(number), currency=currency)
    return None


def canonical(given: Any) -> int | str:
    """Read a count or measure as it is kept.

    Raises:
        ValueError: it is no finite decimal of at most six places, or leaves 64 bits.
    """
    if type(given) is int and abs(given) <= WHOLE_MAX:
        return given
    exact = decimal(micros(_exact(given)))
    return int(exact) if exact == exact.to_integral_value() else f"{exact:f}"


_PLAIN_COUNT = Shortcut(whole(-WHOLE_MAX, WHOLE_MAX), written="any")

Quantity = Annotated[int | str, BeforeValidator(canonical), _PLAIN_COUNT, WithJsonSchema(_WRITTEN)]
"""A count or measure of at most six places, kept as an integer or, with a fraction, as a decimal string."""

Rate = Annotated[int | str, BeforeValidator(canonical), _PLAIN_COUNT, WithJsonSchema(_WRITTEN)]
"""A pure number of at most six places, such as a tax rate of 0.19; kept like a quantity."""


def quantity_micros(quantity: int | str) -> int:
    """Turn a stored quantity or rate into integer micro-units."""
    return quantity * MICROS if isinstance(quantity, int) else micros(quantity)
