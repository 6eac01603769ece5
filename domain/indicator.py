"""Indicators: the notation in which a goal says what it is measured by.

    funnel_total.rate
    rfm_segments.net_micros where segment=champion and currency=EUR
    mean tickets.resolution_seconds where severity='very high'

It names a column of a view or question; `where` picks its rows by equal values, in quotes where they hold more than a
word. Without sum, mean, min, max or count before it, exactly one row must be left. It is a notation of its own and not
SQL, so that what somebody recorded as a goal is never run as a statement: there is nothing in it but names and values.
"""

import re
from typing import Any, NamedTuple

INDICATOR_LENGTH_MAX = 1_000
_NAME = r"[a-z][a-z0-9_]{0,62}"
_MEASURED = re.compile(rf"\s*(?:(sum|mean|min|max|count)\s+)?({_NAME})\.({_NAME})\s*")
# A backslash is in no value: some databases can be set to take it for the beginning of an escape.
_CONDITION = re.compile(rf"\s*({_NAME})\s*=\s*(?:'((?:[^'\\\x00-\x1f]|'')*)'|([\w.:/+-]+))\s*")
_WORD = re.compile(r"(where|and)\b")


class Indicator(NamedTuple):
    """What a goal is measured by: `conditions` are the columns that must equal a value, written as text."""

    aggregate: str | None
    relation: str
    column: str
    conditions: tuple[tuple[str, str], ...] = ()

    @property
    def is_money(self) -> bool:
        """Whether it is an amount, in millionths of a currency."""
        return self.column.endswith("_micros") and self.aggregate != "count"


def read_indicator(text: Any) -> Indicator | None:
    """Read the notation; None for what is not written in it."""
    if not isinstance(text, str) or len(text) > INDICATOR_LENGTH_MAX or not (head := _MEASURED.match(text)):
        return None
    conditions, at, expected = list[tuple[str, str]](), head.end(), "where"
    while at < len(text):
        word = _WORD.match(text, at)
        if not word or word[1] != expected or not (said := _CONDITION.match(text, word.end())):
            return None
        quoted, bare = said[2], said[3]
        conditions.append((said[1], bare if quoted is None else quoted.replace("''", "'")))
        at, expected = said.end(), "and"
    return Indicator(head[1], head[2], head[3], tuple(conditions))
