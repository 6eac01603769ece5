"""A funnel: steps that customers take one after the other, as an analyst states them.

A step is a kind, perhaps with conditions on its fields: `OpportunityOpened where lead_source = fair and amount >= 500
EUR`. A customer's attempt begins with any touchpoint that is the first step. Under loose order every further step is
the next touchpoint that is it, whatever lies between; under strict order it is the customer's very next touchpoint.
All steps of an attempt lie within the window, which begins with its first. A customer counts once, with the attempt
that came furthest, of several such with the first.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from difflib import get_close_matches
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Literal, NamedTuple, cast

from domain.errors import LifecircleError, UnknownKind
from domain.flat import ATTRIBUTES, Flat, Sort, flat_fields
from domain.money import Amount, micros
from domain.touchpoint import INT64_MAX, Fact, Touchpoint, kind_named, microseconds

STEPS_MAX = 32
"""The most steps that a funnel has."""

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_EQUALITY = ("=", "!=")
_CONDITION = re.compile(
    r"\s*([a-z_][a-z0-9_]*)\s*(!=|<=|>=|=|<|>)\s*(?:'([^']*)'|([^'\s](?:(?! and )[^'])*?))\s*(?:\band\s(?=\s*\S)|$)"
)
_WINDOW = re.compile(r"([0-9]{1,9})\s*(second|minute|hour|day|week)s?")
_UNIT_S = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}

Order = Literal["loose", "strict"]


class FunnelInvalid(LifecircleError):
    """The funnel cannot be asked for as it is stated."""

    exit_code = 3


class Condition(NamedTuple):
    """A column compared with a value; a touchpoint that does not say it fulfils no condition on it."""

    column: Flat
    operator: str
    value: Any

    def holds(self, fact: Fact) -> bool:
        """Whether a fact fulfils it."""
        cell = self.column.read(fact)
        return cell is not None and OPERATORS[self.operator](cell, self.value)


class Step(NamedTuple):
    """A kind with conditions, all of which hold; `text` is how it was stated."""

    text: str
    kind: str
    conditions: tuple[Condition, ...] = ()

    def matches(self, fact: Fact) -> bool:
        """Whether a fact is this step."""
        return fact.kind == self.kind and all(condition.holds(fact) for condition in self.conditions)


class Funnel(NamedTuple):
    """Steps, the window in microseconds (None is without end), their order, and what attempts are told apart by.

    `by` is read off an attempt's first touchpoint.
    """

    steps: tuple[Step, ...]
    within_us: int | None = None
    order: Order = "loose"
    by: Flat | None = None


def read_funnel(steps: Iterable[str], within: str | None = None, order: str = "loose", by: str | None = None) -> Funnel:
    """Read a funnel as it is stated in a file or on the command line.

    Raises:
        UnknownKind: a step names no kind.
        FunnelInvalid: fewer than two steps or too many, an unknown field, a value that the field cannot have, a window
            of no length, or no such order.
    """
    read = tuple(read_step(text, f"step {place}") for place, text in enumerate(steps, start=1))
    if not 2 <= len(read) <= STEPS_MAX:
        raise FunnelInvalid(
            f"the number of steps is {len(read)}",
            where="steps",
            rule=f"a funnel has 2 to {STEPS_MAX} steps",
            way_out="state each as a kind, such as: OpportunityOpened where lead_source = fair",
        )
    if order not in ("loose", "strict"):
        raise FunnelInvalid(
            "there is no such order of steps",
            where="order",
            rule="loose (others may lie between) or strict (nothing of the customer's lies between)",
            way_out='write order = "loose" or order = "strict"',
        )
    return Funnel(read, _window(within), cast("Order", order), _by(by, read[0]))


def read_step(text: str, where: str) -> Step:
    """Read one step.

    Raises:
        UnknownKind, FunnelInvalid: as `read_funnel`.
    """
    name, _, told = text.partition(" where ")
    try:
        kind = kind_named(name.strip())
    except UnknownKind as error:
        raise UnknownKind(error.what, where=where, rule=error.rule, way_out=error.way_out) from None
    conditions = _conditions(kind, told, where) if told.strip() else ()
    return Step(text.strip(), kind.kind, tuple(conditions))


def columns_of(kind: type[Touchpoint]) -> dict[str, Flat]:
    """What conditions on a kind may name: its fields and the envelope's attributes, but for lists and objects."""
    return {each.name: each for each in (*ATTRIBUTES, *flat_fields(kind)) if each.sort is not Sort.JSON}


def _conditions(kind: type[Touchpoint], told: str, where: str) -> Iterator[Condition]:
    at = 0
    while at < len(told):
        matched = _CONDITION.match(told, at)
        if not matched:
            raise FunnelInvalid(
                "the conditions cannot be read",
                where=where,
                rule=f"a condition is a field, one of {' '.join(OPERATORS)} and a value, perhaps in single quotes; "
                "and joins it to the next",
                way_out="for example: OpportunityOpened where lead_source = fair and amount >= 500 EUR",
            )
        name, operator, quoted, plain = matched.groups()
        yield from _condition(kind, name, operator, quoted if plain is None else plain, where)
        at = matched.end()


def _condition(kind: type[Touchpoint], name: str, operator: str, text: str, where: str) -> Iterator[Condition]:
    known = columns_of(kind)
    exact = known.get(f"{name}_micros")
    if name in known:
        yield Condition(known[name], operator, _value(known[name], name, operator, text, where))
    elif exact is None:
        raise _unknown_field(kind, name, where)
    elif f"{name}_currency" in known:
        # Amounts of other currencies are neither more nor less: they fulfil no condition on this one.
        amount = _read(Amount.model_validate, text, name, "an amount with its currency, such as 500 EUR", where)
        yield Condition(known[f"{name}_currency"], "=", amount.currency)
        yield Condition(exact, operator, amount.micros)
    else:
        yield Condition(exact, operator, _read(micros, text, name, "a decimal of at most six places", where))


def _value(column: Flat, name: str, operator: str, text: str, where: str) -> Any:
    if column.sort in (Sort.TEXT, Sort.FLAG) and operator not in _EQUALITY:
        raise FunnelInvalid(
            f"{name} cannot be compared so",
            where=where,
            rule=f"texts, and yes or no, are compared by {' and '.join(_EQUALITY)}",
            way_out=f"write {name} = value or {name} != value",
        )
    convert, rule = _VALUES[column.sort]
    return _read(convert, text, name, rule, where)


def _read(convert: Callable[[str], Any], text: str, name: str, rule: str, where: str) -> Any:
    try:
        return convert(text)
    except ValueError:
        raise FunnelInvalid(
            f"{name} cannot have this value", where=where, rule=f"{name} is {rule}", way_out="write such a value"
        ) from None


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text] if text in ("true", "false") else _refuse()


def _refuse() -> Any:
    raise ValueError


def _moment(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return microseconds(moment) if moment.tzinfo else _refuse()


_VALUES: dict[Sort, tuple[Callable[[str], Any], str]] = {
    Sort.TEXT: (str, "a text"),
    Sort.INTEGER: (int, "a whole number"),
    Sort.MICROS: (int, "a whole number of micro-units"),
    Sort.NUMBER: (float, "a number"),
    Sort.FLAG: (_flag, "true or false"),
    Sort.DAY: (date.fromisoformat, "a day such as 2026-03-01"),
    Sort.MOMENT: (_moment, "an instant with its offset, such as 2026-03-01T10:00:00+01:00"),
}


def _unknown_field(kind: type[Touchpoint], name: str, where: str) -> FunnelInvalid:
    known = [each.removesuffix("_micros") for each in columns_of(kind)]
    near = get_close_matches(name, known, n=3)
    return FunnelInvalid(
        f"{kind.kind} has no field {name} that a funnel can read",
        where=where,
        rule="fields that are personal, lists or objects are not read; one with the name of an attribute of the "
        "envelope is data_ and its name",
        way_out=f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(known)}",
    )


def _window(text: str | None) -> int | None:
    if text is None:
        return None
    matched = _WINDOW.fullmatch(text.strip())
    length_us = int(matched[1]) * _UNIT_S[matched[2]] * 1_000_000 if matched else 0
    if not 0 < length_us <= INT64_MAX // 4:
        raise FunnelInvalid(
            "the window has no length" if matched and not length_us else "the window cannot be read",
            where="within",
            rule="a window is a whole number above zero and a unit: " + ", ".join(f"{unit}s" for unit in _UNIT_S),
            way_out='write for example within = "30 days", or leave it out',
        )
    return length_us


def _by(name: str | None, first: Step) -> Flat | None:
    if name is None:
        return None
    kind = kind_named(first.kind)
    known = columns_of(kind)
    if name not in known:
        raise _unknown_field(kind, name, "by")
    return known[name]
