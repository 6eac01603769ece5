"""How a figure of an answer is written for people: with its unit, and money with its currency."""

from collections.abc import Mapping
from typing import Any

from adapters.told import iso
from domain.fields import is_sealed
from domain.money import MICROS

SEALED = "[sealed]"
NONE = "-"
"""What stands where an answer has no value."""

_SHARES = ("rate", "share", "margin", "retention", "uptake", "confidence", "support", "return", "progress", "change")
_COUNTED = ("quantity", "credit", "baseline", "target", "value", "forecast")
"""Millionths that are no money: of quantities, of conversions, and of a goal's indicator."""
_TIMES = ("days", "hours", "seconds")
_RECKONED = ("mean", "potential", "weighted", "lifetime", "first", "last", "linear", "decay", "position", "markov")
"""Amounts that nobody paid or agreed on: they are rounded to hundredths."""
_HUNDREDTH = MICROS // 100


def unit_of(name: str, meaning: str = "") -> str:
    """The unit of a column by its name: money, share, days, hours, seconds; empty for counts and texts."""
    words = name.split("_")
    if name.endswith("_micros"):
        of = words[0] if "conversions credited" not in meaning else "credit"
        return "" if set(words) & set(_COUNTED[:2]) or (len(words) == 2 and of in _COUNTED[2:]) else "money"
    if words[-1] in _SHARES or words[0] == "share":
        return "share"
    return next((time for time in _TIMES if words[-1] == time), "")


def number_of(name: str, value: Any) -> float | None:
    """A value as it is drawn: micro-units as units."""
    if value is None or isinstance(value, str):
        return None
    return float(value) / MICROS if name.endswith("_micros") else float(value)


def currency_of(name: str, row: Mapping[str, Any], reported: str | None) -> str:
    """The currency of an amount: that of its row, or the one that the company reports in; empty for other figures."""
    if unit_of(name) != "money":
        return ""
    told = reported if name == "reported_micros" else row.get("currency")
    return told or ""


def shown(name: str, value: Any, currency: str = "") -> str:
    """A value for people. Nothing is rounded but what was reckoned: amounts stand to their last digit."""
    if value is None:
        return NONE
    if is_sealed(value):
        return SEALED
    unit = unit_of(name)
    if name.endswith("_micros") and isinstance(value, int):
        if unit == "money" and set(name.split("_")) & set(_RECKONED):
            value = round(value / _HUNDREDTH) * _HUNDREDTH
        return f"{_decimal(value, 2 if unit == 'money' else 0)} {currency}".rstrip()
    if isinstance(value, int) and (name == "at" or name.endswith("_at")):
        return iso(value)[:16].replace("T", " ") + " UTC"
    if unit == "share" and isinstance(value, (int, float)):
        return f"{value * 100:.1f} %"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"
    return str(value)


def _decimal(micros: int, places: int) -> str:
    whole, rest = divmod(abs(micros), MICROS)
    digits = f"{rest:06d}".rstrip("0").ljust(places, "0")
    return ("-" if micros < 0 else "") + f"{whole:,}" + (f".{digits}" if digits else "")
