"""What the cells of a row say: values, times and conditions, each compiled once into a function of the row."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Context, Decimal, Inexact
from functools import lru_cache, reduce
from hashlib import blake2b, sha256
from operator import ge, gt, le, lt
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from adapters.idkey import keyed_id
from adapters.sources.mapping import Time
from adapters.sources.spelling import speller
from adapters.sources.values import Condition, Value
from domain.errors import UnreadableInput
from domain.money import Amount, WrittenNumber

Cells = Sequence[str]
Reader = Callable[[Cells, str], Any]
"""Reads a value from the cells of a row and the row's stem (see `derive`); None where there is none."""

_DECIMAL = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def unreadable(where: str, rule: str) -> UnreadableInput:
    """The error of a row that cannot become a touchpoint; its values are never echoed."""
    return UnreadableInput(
        "the row cannot be read", where=where, rule=rule, way_out="mend the row and import it, or mend the mapping"
    )


def row_digest(row_key: bytes, text: str) -> bytes:
    """What stands for a row in ids and in quarantine, made of what tells it from others.

    It is keyed, for whoever knows most of a row from elsewhere could else find the rest, a phone number say, by trying.
    """
    return blake2b(text.encode(), key=row_key, digest_size=32).digest()


def derive(stem: str, label: str) -> str:
    """An id that is always the same for a row: `stem` tells the row from all others, `label` what the id is of."""
    return sha256(f"{stem}/{label}".encode()).hexdigest()[:32]


def decimal_of(text: str, where: str) -> Decimal:
    """Read an exact decimal, with a point and no separators of thousands.

    Raises:
        UnreadableInput: it is none.
    """
    return Decimal(_decimal_text(text, where))


def _decimal_text(text: str, where: str) -> str:
    if not _DECIMAL.fullmatch(text):
        raise unreadable(where, "it is a decimal with a point, such as 1234.56")
    return text


class Compiler:
    """Compiles the values, times and conditions of a mapping for the columns of one file."""

    def __init__(self, columns: Sequence[str], zone: str, key: bytes | None) -> None:
        self._place = {name: place for place, name in enumerate(columns)}
        self._width = len(columns)
        self._zone = zone
        self._key = key
        self.ambiguous_times = 0
        """How many local times were read that occurred twice, and were taken as the first."""

    def _at(self, value: Value, name: str) -> int:
        """Where a column's cell stands; the cells of the group's first row stand after those of the row."""
        return self._place[name] + (self._width if value.first else 0)

    def value(self, value: Value) -> Reader:
        """A reader of one value."""
        if value.constant is not None:
            constant = self._convert(value)(str(value.constant), ()) if value.type == "amount" else value.constant
            return lambda _, __: constant
        if value.derived is not None:
            label = value.derived
            return lambda _, stem: derive(stem, label)
        if value.column is not None and value.factor is None:
            return self._cell(value, self._at(value, value.column))
        text, convert = self._text(value), self._convert(value)
        return lambda cells, _: None if (found := text(cells)) is None else convert(found, cells)

    def _cell(self, value: Value, place: int) -> Reader:
        """A reader of one column. It is most of what is read, so it makes no detour."""
        default = value.default
        if speller(value):
            spelled, as_type = self._text(value), self._convert(value)
            return lambda cells, _: None if (found := spelled(cells)) is None else as_type(found, cells)
        if value.type == "text" and not value.keyed:
            return lambda cells, _: cells[place].strip() or default
        convert = self._convert(value)
        return lambda cells, _: convert(text, cells) if (text := cells[place].strip() or default) is not None else None

    def total(self, value: Value) -> Callable[[Sequence[Cells]], Any]:
        """A reader of a value that is summed over the rows of a group; rows where it is empty add nothing."""
        text, convert = self._text(value), self._convert(value)
        where = _where(value)
        currency = self._place[value.currency_column] if value.currency_column else None

        def read(rows: Sequence[Cells]) -> Any:
            terms = [decimal_of(term, where) for cells in rows if (term := text(cells)) is not None]
            if currency is not None and len({cells[currency].strip() for cells in rows}) > 1:
                raise unreadable(f"column {value.currency_column}", "rows that are summed have one currency")
            return convert(f"{reduce(_EXACT.add, terms):f}", rows[0]) if terms else None

        return read

    def _text(self, value: Value) -> Callable[[Cells], str | None]:
        """What stands in the cells, without outer blanks; the default or None where that is nothing."""
        default, spell = value.default, self._spelled(value)
        if value.product:
            columns = [(self._at(value, name), f"column {name}") for name in value.product]
            factor = value.factor or ""

            def multiply(cells: Cells) -> str | None:
                product = factor
                for place, where in columns:
                    if not (text := cells[place].strip()):
                        return default
                    product = _product(product, spell(text) if spell else text, where)
                return product

            return multiply
        if value.template is not None:
            parts = [
                (literal, self._at(value, name) if name else None)
                for literal, name, _, _ in Formatter().parse(value.template)
            ]

            def fill(cells: Cells) -> str | None:
                found = [(literal, "" if place is None else cells[place].strip()) for literal, place in parts]
                return "".join(literal + cell for literal, cell in found) if any(cell for _, cell in found) else default

            return fill
        place = self._at(value, value.column or "")
        if value.factor is not None:
            by, where = value.factor, _where(value)
            return lambda cells: (
                _product(by, spell(text) if spell else text, where) if (text := cells[place].strip()) else default
            )
        if spell:
            return lambda cells: spell(text) if (text := cells[place].strip()) else default
        return lambda cells: cells[place].strip() or default

    @staticmethod
    def _spelled(value: Value) -> Callable[[str], str] | None:
        spell, where = speller(value), _where(value)
        if spell is None:
            return None

        def spelled(text: str) -> str:
            if (found := spell(text)) is None:
                raise unreadable(where, f"it is a number such as {value.number}")
            return found

        return spelled

    def _convert(self, value: Value) -> Callable[[str, Cells], Any]:
        where = _where(value)
        match value.type:
            case "decimal":
                # A count stays a count; a fraction keeps its digits, so that no field rounds it.
                return lambda text, _: (
                    int(text) if _INTEGER.fullmatch(text) else WrittenNumber(_decimal_text(text, where))
                )
            case "amount" if value.currency_column:
                place = self._at(value, value.currency_column)
                return lambda text, cells: _amount(text, cells[place].strip().upper(), where)
            case "amount":
                return lambda text, _: _amount(text, value.currency or "", where)
            case "integer":
                return lambda text, _: _integer(text, where)
            case "boolean":
                return lambda text, _: _boolean(text, where)
            case "date":
                return lambda text, _: _date(text, value.format, where)
            case "text" if value.keyed and self._key:
                key = self._key
                return lambda text, _: keyed_id(key, text)
            case _:
                return lambda text, _: text

    def time(self, time: Time) -> Callable[[Cells], str]:
        """A reader of the time, as ISO 8601 with an offset."""
        places = [self._place[name] for name in time.names()]
        where = "column " + ", ".join(time.names())
        zone_name = time.zone or self._zone
        zone, style, is_date = ZoneInfo(zone_name), time.format, time.precision == "date"

        # Few of a file's times differ, and reading one by `strptime` costs more than all the rest of its row.
        @lru_cache(maxsize=10_000)
        def moment(text: str) -> tuple[str, bool]:
            try:
                found = datetime.fromisoformat(text) if style == "iso" else datetime.strptime(text, style)  # noqa: DTZ007
            except ValueError:
                raise unreadable(where, f"it is a time in the format {style}") from None
            if is_date:
                found = found.replace(hour=0, minute=0, second=0, microsecond=0)
            twice = False
            if found.tzinfo is None:
                found = found.replace(tzinfo=zone)
                # Before a gap the clock is behind, before a fold ahead, of what it is afterwards (PEP 495).
                later = _offset(found, 1) - _offset(found, 0)
                if later > 0 and not is_date:
                    raise unreadable(where, f"the time exists: clocks in {zone_name} were put forward over it")
                twice = later < 0 and not is_date
            return found.isoformat(), twice

        def read(cells: Cells) -> str:
            text = cells[places[0]] if len(places) == 1 else " ".join([cells[place].strip() for place in places])
            time, twice = moment(text.strip())
            self.ambiguous_times += twice
            return time

        return read

    def condition(self, conditions: Iterable[Condition]) -> Callable[[Cells], bool]:
        """Whether all conditions hold."""
        tests = [self._test(condition) for condition in conditions]

        def all_hold(cells: Cells) -> bool:
            for test in tests:  # noqa: SIM110 - a generator costs as much as the tests
                if not test(cells):
                    return False
            return True

        return tests[0] if len(tests) == 1 else all_hold

    def _test(self, condition: Condition) -> Callable[[Cells], bool]:
        place, where = self._place[condition.column], f"column {condition.column}"
        operator = next(iter(condition.model_fields_set - {"column"}))
        wanted = getattr(condition, operator)
        if compare := {"less_than": lt, "at_most": le, "more_than": gt, "at_least": ge}.get(operator):
            bound = Decimal(wanted)

            @lru_cache(maxsize=10_000)
            def holds(text: str) -> bool:
                return bool(compare(decimal_of(text.strip(), where), bound))

            return lambda cells: holds(cells[place])
        match operator:
            case "equals":
                return lambda cells: cells[place].strip() == wanted
            case "not_equals":
                return lambda cells: cells[place].strip() != wanted
            case "empty":
                return lambda cells: (not cells[place].strip()) is wanted
            case "is_in":
                return lambda cells: cells[place].strip() in wanted
            case "not_in":
                return lambda cells: cells[place].strip() not in wanted
            case "starts_with":
                return lambda cells: cells[place].strip().startswith(wanted)
            case _:
                return lambda cells: not cells[place].strip().startswith(wanted)


def _where(value: Value) -> str:
    return "column " + ", ".join(value.columns()) if any(value.columns()) else "the mapping"


def _offset(moment: datetime, fold: int) -> float:
    offset = moment.replace(fold=fold).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


_EXACT = Context(prec=1_000, traps=[Inexact])
"""Products and sums are exact: a rounded one could pass for an amount."""


# Quantities and prices recur, and so do their products.
@lru_cache(maxsize=10_000)
def _product(one: str, other: str, where: str) -> str:
    factor = decimal_of(other, where)
    return f"{_EXACT.multiply(Decimal(one), factor) if one else factor:f}"


# Prices recur, and reading one is dearer than finding it again.
@lru_cache(maxsize=10_000)
def _amount(text: str, currency: str, where: str) -> Amount:
    try:
        return Amount.of(_decimal_text(text, where), currency)
    except ValidationError:
        raise unreadable(where, "its currency is an ISO 4217 code, such as EUR") from None
    except ValueError as error:
        raise unreadable(where, f"an amount {error}") from None


def _integer(text: str, where: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise unreadable(where, "it is an integer, such as 12")
    return int(text)


def _boolean(text: str, where: str) -> bool:
    found = _BOOLEANS.get(text.lower())
    if found is None:
        raise unreadable(where, "it is one of " + ", ".join(_BOOLEANS))
    return found


def _date(text: str, style: str | None, where: str) -> str:
    try:
        found = datetime.strptime(text, style).date() if style else date.fromisoformat(text)  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise unreadable(where, f"it is a date in the format {style or 'iso'}") from None
    return found.isoformat()
