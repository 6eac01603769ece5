"""The fields that kinds share: dates, scores, lines of an order, and the marks of personal data.

A shared type carries its meaning as its description; `means` gives a field a meaning of its own.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeGuard, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from domain.identifiers import Id
from domain.money import Amount, Quantity, Rate
from domain.shortcuts import Shortcut, text
from domain.touchpoint import INT64_MAX, Label, Text, marks, plain_json

SCORE_MAX = 1_000_000.0
URL_LENGTH_MAX = 8_000
LINES_MAX = 10_000
VALUES_MAX = 1_000


SEALED = "sealed:1:"
"""Begins the text that stands for a personal value wherever it is kept; nothing that is sent may begin so."""

ERASED_TEXT = "[erased]"
"""What stands for a personal value of somebody who was forgotten."""


def is_sealed(value: Any) -> TypeGuard[str]:
    """Whether a stored value is a sealed one."""
    return isinstance(value, str) and value.startswith(SEALED)


class _Sealable:
    """What fields have in common that are sealed: where a value is asked for, its sealed form fits too.

    The log's own reader needs that, for corrections lay values over sealed ones; at the door no sealed form is let in.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _SEALED_FORM.__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _SEALED_FORM.__get_pydantic_json_schema__(core, handler)


_SEALED_FORM = Shortcut(text(f"^{SEALED}"))


@dataclass(frozen=True)
class Personal(_Sealable):
    """Marks a field that tells who a person is, or what a person wrote. It is sealed in the log and in views."""


@dataclass(frozen=True)
class Identifying(Personal):
    """Marks a personal field by which a person can be found: an address, a number, a device.

    Folds never see its value, only its `Pseudonym`.
    """


@dataclass(frozen=True)
class Attribute(_Sealable):
    """Marks a trait such as age or income. It is sealed in the log; views show only its band.

    `named_by` is the field beside it that says which trait it is, where its own name does not.
    """

    named_by: str | None = None


@dataclass(frozen=True)
class Special(_Sealable):
    """Marks health, faith and their like. It is refused unless the company's settings enable it, and sealed then."""


Sealable: TypeAlias = Personal | Attribute | Special


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """What folds see in place of a personal identifier: the same for the same mailbox, telephone or device.

    `token` tells identifiers apart within one fold and is never shown; `keyed` is the identifier's HMAC under the id
    key of the log, which tables may hold, and None where there is no such key. No database takes it as it is.
    """

    token: str
    keyed: str | None


def means(text: str, stored_as: str | None = None) -> Any:
    """Say what a field means, and its stored name where Python cannot have it (`from`) or the kind already has it."""
    return Field(description=text, alias=stored_as)


def _iso_day(given: Any) -> Any:
    # Pydantic alone would read "1700000000" as a timestamp, and a time as the day it falls on.
    if type(given) is date or (isinstance(given, str) and _DAY.fullmatch(given)):
        return given
    raise ValueError("must be a calendar date, such as 2026-03-01")


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Day = Annotated[date, BeforeValidator(_iso_day)]
"""A calendar date, such as 2026-03-01."""
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=-INT64_MAX, le=INT64_MAX)]
"""An integer of 64 bits."""
Count = Annotated[int, Field(strict=True, ge=0, le=INT64_MAX)]
"""How many, or how long: never below zero."""
Score = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-SCORE_MAX, le=SCORE_MAX)]
Probability = Annotated[float, Field(strict=True, ge=0, le=1)]
Url = Annotated[Text, Field(max_length=URL_LENGTH_MAX)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="a SHA-256, in hexadecimal")]
Value: TypeAlias = Annotated[bool, Field(strict=True)] | Whole | Text
"""A yes or no, an integer or a text."""
Values = Annotated[dict[Label, Value], Field(max_length=VALUES_MAX)]
StoredFields = Annotated[dict[Label, JsonValue], Field(max_length=VALUES_MAX), AfterValidator(plain_json)]
"""Fields as they are stored in JSON."""

PersonalName = Annotated[Label, Personal()]
PersonalText = Annotated[Text, Personal()]
Identifier = Annotated[Label, Identifying()]

Reason = Annotated[Label, Field(description="why, in a word or two that can be counted")]
Product = Annotated[Label, Field(description="the product: its sku or name")]
Sku = Annotated[Id, Field(description="the stock keeping unit")]
Person = Annotated[Id, Field(description="the person on our side, by id")]
Interval = Literal["day", "week", "month", "quarter", "year"]
Severity = Annotated[Label, Field(description="how bad it is, in the company's own scale")]
Side = Annotated[Literal["customer", "company"], Field(description="which side did it")]
Mode = Annotated[
    Literal["visit", "call", "video", "chat", "email", "letter", "sms", "messenger", "social", "event"],
    Field(description="how the two sides meet"),
]


class ContactPoint(BaseModel):
    """An address at which a party can be reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[Literal["email", "phone", "postal", "messenger", "social", "web"], means("what it is")]
    value: Annotated[Identifier, means("the address or number itself")]
    use: Annotated[Label | None, means("what it is used for, such as work or home")] = None
    preferred: Annotated[Flag | None, means("whether the party wants to be reached here first")] = None


class Item(BaseModel):
    """Goods of one order line: which, and how many of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: Annotated[Id | None, means("the order line they belong to, by its number in the order")] = None
    sku: Sku | None = None
    category: Annotated[Label | None, means("the product's category")] = None
    quantity: Annotated[Quantity, means("how many, in the unit")]
    unit: Annotated[Label | None, means("the unit of the quantity; pieces where unset")] = None
    net: Annotated[Amount | None, means("their monetary value, without tax and shipping")] = None
    tax: Annotated[Amount | None, means("the tax on it")] = None
    configuration: Annotated[Label | None, means("the variant or options chosen")] = None

    def amounts(self) -> tuple[Amount | None, ...]:
        """All amounts of it."""
        return self.net, self.tax


class Line(BaseModel):
    """One line of an order, quote or cart. Its net is the monetary value: after discount, without tax and shipping."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: Annotated[Id, means("its number in the order; its place among the lines where unset")] = "1"
    sku: Sku | None = None
    category: Annotated[Label | None, means("the product's category")] = None
    quantity: Annotated[Quantity, means("how many, in the unit")]
    unit: Annotated[Label | None, means("the unit of the quantity; pieces where unset")] = None
    unit_price: Annotated[Amount | None, means("the list price of one unit, without tax")] = None
    discount: Annotated[Amount | None, means("what was taken off the whole line")] = None
    tax_rate: Annotated[Rate | None, means("the share of tax, such as 0.19")] = None
    net: Annotated[Amount, means("the line's monetary value: after discount, without tax and shipping")]
    tax: Annotated[Amount | None, means("the tax on it")] = None
    unit_cost: Annotated[Amount | None, means("what one unit cost us; without it there is no profit figure")] = None
    configuration: Annotated[Label | None, means("the variant or options chosen")] = None
    purpose: Annotated[Label | None, means("what the customer wants it for")] = None

    def amounts(self) -> tuple[Amount | None, ...]:
        """All amounts of it."""
        return self.net, self.unit_price, self.discount, self.tax, self.unit_cost


def _numbered(given: Any) -> Any:
    if not isinstance(given, (list, tuple)):
        return given
    # The first has its number by default, and most orders of a shop have no second.
    return [*given[:1], *[_with_number(line, place) for place, line in enumerate(given[1:], start=2)]]


def _with_number(line: Any, place: int) -> Any:
    if isinstance(line, dict):
        return line if "line" in line else {**line, "line": str(place)}
    if isinstance(line, Line) and "line" not in line.model_fields_set:
        return line.model_copy(update={"line": str(place)})
    return line


def _each_its_number(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    if len(lines) > 1 and len({line.line for line in lines}) < len(lines):
        raise ValueError("must number each line differently")
    return lines


Lines = Annotated[
    tuple[Line, ...],
    Field(max_length=LINES_MAX, description="what was chosen, line by line"),
    BeforeValidator(_numbered),
    AfterValidator(_each_its_number),
]
Items = Annotated[tuple[Item, ...], Field(max_length=LINES_MAX, description="the goods concerned, line by line")]


def one_currency(lines: Iterable[Line | Item], *amounts: Amount | None) -> None:
    """Check that lines and amounts that are reckoned together share one currency.

    Raises:
        ValueError: they hold more than one.
    """
    every = [*amounts]
    for line in lines:
        every += line.amounts()
    first = None
    for amount in every:
        if amount is None or amount.currency == first:
            continue
        if first is not None:
            raise ValueError("lines and totals must have one currency")
        first = amount.currency


class SealedField(NamedTuple):
    """A place in a kind's stored fields that is sealed: a path of names, `("contact_points", "value")`, and its mark.

    What lies at the end of the path is sealed whole; of an object of values each value is.
    """

    path: tuple[str, ...]
    mark: Sealable


@cache
def sealed_fields(model: type[BaseModel]) -> tuple[SealedField, ...]:
    """The places in a kind's stored fields that are sealed."""
    return tuple(_sealed(model))


class PersonalPlace(NamedTuple):
    """A personal field of a kind's own: its Python name, and what stands before its value in JSON, `b'"content":'`."""

    name: str
    before: bytes


@cache
def personal_places(kind: type[BaseModel]) -> tuple[PersonalPlace, ...]:
    """The fields of a kind that are sealed as they are: no identifiers, no traits, none inside of others."""
    named = {field.alias or name: name for name, field in kind.model_fields.items()}
    own = (each.path[0] for each in sealed_fields(kind) if len(each.path) == 1 and type(each.mark) is Personal)
    return tuple(PersonalPlace(named[stored], f'"{stored}":'.encode()) for stored in own)


def _sealed(model: type[BaseModel]) -> Iterator[SealedField]:
    for name, field in model.model_fields.items():
        stored = field.alias or name
        mark = next((mark for mark in marks(field) if isinstance(mark, _Sealable)), None)
        if isinstance(mark, Personal | Attribute | Special):
            yield SealedField((stored,), mark)
            continue
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from (SealedField((stored, *each.path), each.mark) for each in sealed_fields(inner))
