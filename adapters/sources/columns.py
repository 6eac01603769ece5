"""What the cells of a column look like: times and their formats, numbers and their spelling, addresses, words."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from adapters.sources.answers import MONTH_FIRST
from adapters.sources.spelling import plain_number, without_sign
from domain.money import ISO_4217

_MOST = 0.9
"""Which share of a column's filled cells must look alike: the rest is for quarantine. Of a few, one may be odd."""
_FEW = 4
_TRIED_MAX = 2_000
_IDS = re.compile("id|no|code|key|.*(?:nummer|number)")
"""The last word of a column's name that says that it holds ids."""

_DATES = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%Y-%m-%d",
)
_TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %H:%M:%S",
    " %H.%M",
    "T%H:%M:%S",
    " %H:%M:%S.%f",
    ", %I:%M %p",
    ", %I:%M:%S %p",
)
_ZONES = ("", " %z", " UTC", " Z", " GMT")
_CLOCKS = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")
_MONTH_FIRST = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y", "%d/%m/%y": "%m/%d/%y"}
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", re.ASCII)
_STYLES = ("1234.56", "1,234.56", "1.234,56", "1 234,56", "1'234.56")
_SIGNS = {
    "€": "EUR",
    "$": "USD",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "zł": "PLN",
    "Kč": "CZK",
    "CHF": "CHF",
    "Fr.": "CHF",
    "US$": "USD",
    "kr": "SEK",
}
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"(?:\+|00|\()[\d ()./\-]{6,20}|0\d{1,5}[ /\-][\d \-/]{4,15}")
_BOOLEAN = {
    "true": "yes",
    "false": "no",
    "yes": "yes",
    "no": "no",
    "y": "yes",
    "n": "no",
    "t": "yes",
    "f": "no",
    "ja": "yes",
    "nein": "no",
    "1": "yes",
    "0": "no",
    "on": "yes",
    "off": "no",
    "wahr": "yes",
    "falsch": "no",
}
_CODE = re.compile(r"[(\s_\[]([A-Za-z]{3})[)\]]?$")


class TimeForm(NamedTuple):
    """How a column writes times: in which format, as bare dates, with offsets, with days and months unclear.

    day_format: the same for who wants the day alone; "" where no format of `strptime` says it.
    """

    format: str
    is_date: bool
    zoned: bool
    day_format: str
    ambiguous: bool = False

    @property
    def month_first(self) -> bool:
        """Whether the month is read before the day."""
        return self.format.startswith("%m")

    def other_way(self) -> "TimeForm":
        """The reading that takes the day for the month."""
        pairs = [*_MONTH_FIRST.items(), *((two, one) for one, two in _MONTH_FIRST.items())]
        one, two = next((pair for pair in pairs if self.format.startswith(pair[0])), ("", ""))
        return self._replace(format=self.format.replace(one, two), day_format=self.day_format.replace(one, two))


class NumberForm(NamedTuple):
    """How a column writes numbers: style and currency sign as a mapping says them; whether all are whole."""

    style: str
    sign: str
    whole: bool
    ambiguous: bool = False


@dataclass(frozen=True)
class Column:
    """A column and what its sampled cells look like. `cells` are all of them, without outer blanks."""

    name: str
    cells: Sequence[str]
    filled: int
    words: tuple[str, ...]
    different: frozenset[str]
    time: TimeForm | None
    clock: str | None
    number: NumberForm | None
    email: bool
    phone: bool
    currency: bool
    boolean: bool

    @property
    def unique(self) -> bool:
        """Whether every sampled row has a value of its own."""
        return self.filled == len(self.cells) == len(self.different)

    @cached_property
    def name_like(self) -> bool:
        """Whether its cells are words without a digit, as names are and ids seldom, and are not said to be ids."""
        if self.words and _IDS.fullmatch(self.words[-1]):
            return False
        return _most(not any(map(str.isdigit, cell)) for cell in islice(self.different, _TRIED_MAX))

    @property
    def named_currency(self) -> str | None:
        """The currency that its name or its cells' sign tells."""
        if self.number and self.number.sign:
            return _SIGNS[self.number.sign]
        found = _CODE.search(self.name)
        if found and found[1].upper() in ISO_4217:
            return found[1].upper()
        return next((code for sign, code in _SIGNS.items() if sign in self.name and not sign.isalpha()), None)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a column's or a file's name: `createdAt`, `Created At` and `created_at` have the same."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    for umlaut, written in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("Ä", "Ae"), ("Ö", "Oe"), ("Ü", "Ue")):
        text = text.replace(umlaut, written)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return tuple(re.findall(r"[a-z]+|\d+", plain))


def columns_of(names: Sequence[str], rows: Sequence[Sequence[str]], dates: str | None = None) -> list[Column]:
    """Look at every column of sampled rows; `dates` says how those are read that could be read either way."""
    columns = [_column(name, [row[place].strip() for row in rows]) for place, name in enumerate(names)]
    # A file has one habit: a column that shows whether days or months come first tells it for those that do not.
    clear = {each.time.format[:5] for each in columns if each.time and not each.time.ambiguous}
    return [_told_by_others(each, clear, dates) for each in columns]


def _told_by_others(column: Column, clear: set[str], dates: str | None) -> Column:
    time = column.time
    if time is None or not time.ambiguous:
        return column
    other = time.other_way()
    known = (time.format[:5] in clear, other.format[:5] in clear)
    if known[0] == known[1]:
        if dates is None:
            return column
        known = (time.month_first == (dates == MONTH_FIRST), False)
    return replace(column, time=(time if known[0] else other)._replace(ambiguous=False))


def _column(name: str, cells: list[str]) -> Column:
    filled = [cell for cell in cells if cell]
    different = frozenset(filled)
    tried = list(islice(dict.fromkeys(filled), _TRIED_MAX))
    low = [cell.lower() for cell in tried]
    return Column(
        name,
        cells,
        len(filled),
        tuple(re.sub("nr$", "nummer", word) for word in words_of(name)),
        different,
        _time_form(tried),
        next((style for style in _CLOCKS if _most(_reads(cell, style) for cell in tried)), None),
        _number_form(tried),
        email=_most(bool(_EMAIL.fullmatch(cell)) for cell in tried),
        phone=_most(bool(_PHONE.fullmatch(cell)) for cell in tried),
        currency=_most(cell.upper() in ISO_4217 for cell in tried),
        boolean=0 < len(set(low)) <= 2 and all(cell in _BOOLEAN for cell in low),
    )


def boolean_words(cells: Iterable[str]) -> dict[str, str]:
    """What the words of a column of yes and no say."""
    return {cell: _BOOLEAN[cell.lower()] for cell in sorted(cells) if cell.lower() in _BOOLEAN}


def _most(hits: Iterable[bool]) -> bool:
    found = list(hits)
    return _enough(sum(found), len(found))


def _enough(hits: int, cells: int) -> bool:
    return cells > 0 and hits >= (cells - 1 if _FEW <= cells <= 1 / (1 - _MOST) else _MOST * cells)


def _reads(cell: str, style: str) -> bool:
    try:
        if style == "iso":
            return bool(_ISO.fullmatch(cell)) and bool(datetime.fromisoformat(cell))
        return bool(datetime.strptime(cell, style))  # noqa: DTZ007 - only asks whether it can be read
    except ValueError:
        return False


def _styles() -> Iterator[str]:
    yield "iso"
    yield from (day + clock + zone for day in _DATES for clock in _TIMES for zone in (_ZONES if clock else _ZONES[:1]))


def _time_form(cells: Sequence[str]) -> TimeForm | None:
    """The format that reads most cells, tried over all of them: one day above 12 tells day from month."""
    if not cells or not any(char.isdigit() for char in cells[0]):
        return None
    first = cells[:3]
    likely = [style for style in _styles() if any(_reads(cell, style) for cell in first)]
    shares = {style: sum(_reads(cell, style) for cell in cells) for style in likely}
    best = max(shares.values(), default=0)
    if not _enough(best, len(cells)):
        return None
    style = next(style for style in likely if shares[style] == best)
    if style == "iso":
        zoned = _most(datetime.fromisoformat(cell).tzinfo is not None for cell in cells if _reads(cell, "iso"))
        is_date = _most(len(cell) == len("2026-03-01") for cell in cells)
        spelled = next((each for each in likely[1:] if shares[each] == best), "")
        return TimeForm("iso", is_date, zoned, "iso" if is_date else spelled)
    form = TimeForm(style, style in _DATES, "%z" in style, style)
    other = form.other_way()
    if other.format == style or shares.get(other.format) != best:
        return form
    # Clocks of twelve hours go with months first.
    return (other if "%p" in style and not form.month_first else form)._replace(ambiguous=True)


def _number_form(cells: Sequence[str]) -> NumberForm | None:
    if not cells:
        return None
    sign = next((sign for sign in _SIGNS if _most(without_sign(cell, sign) != cell for cell in cells)), "")
    bare = [without_sign(cell, sign) if sign else cell for cell in cells]
    plain = {style: [found for cell in bare if (found := plain_number(cell, style)) is not None] for style in _STYLES}
    best = max(map(len, plain.values()))
    if not _enough(best, len(cells)):
        return None
    fitting = [style for style in _STYLES if len(plain[style]) == best]
    style = fitting[0]
    whole = all("." not in number for number in plain[style])
    # "1,234" may be a thousand or one and a bit: a reading of whole numbers and one of fractions both fit.
    readings = {tuple(plain[style]) for style in fitting}
    return NumberForm(style, sign, whole, ambiguous=len(readings) > 1)
