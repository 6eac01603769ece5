"""How cells spell what they say: numbers as different countries write them, currency signs, words of one's own."""

import re
from collections.abc import Callable

from adapters.sources.values import Value

# Each with what parts thousands and what stands before the fraction. Blanks of all widths part thousands alike.
_MARKS = {
    "1234.56": ("", "."),
    "1,234.56": (",", "."),
    "1.234,56": (".", ","),
    "1 234,56": (" ", ","),
    "1'234.56": ("'", "."),
}
_BLANKS = str.maketrans("\u00a0\u2009\u202f", "   ", "")
_APOSTROPHES = str.maketrans("\u2019", "'")


def _pattern(thousands: str, fraction: str) -> re.Pattern[str]:
    parted = rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|" if thousands else ""
    return re.compile(rf"[+-]?(?:{parted}\d+)(?:{re.escape(fraction)}\d+)?", re.ASCII)


_PATTERNS = {style: _pattern(*marks) for style, marks in _MARKS.items()}


def plain_number(text: str, style: str) -> str | None:
    """A number written in a style, as a decimal with a point; None where it is not written so."""
    text = text.translate(_BLANKS).translate(_APOSTROPHES)
    if not _PATTERNS[style].fullmatch(text):
        return None
    thousands, fraction = _MARKS[style]
    return (text.replace(thousands, "") if thousands else text).replace(fraction, ".")


def without_sign(text: str, sign: str) -> str:
    """A number without the currency sign that stands before or after it, and before or after its minus."""
    bare = text.removeprefix(sign).removesuffix(sign).strip()
    if bare[:1] in ("-", "+") and bare[1:].lstrip().startswith(sign):
        bare = bare[0] + bare[1:].lstrip().removeprefix(sign)
    return bare[0] + bare[1:].lstrip() if bare[:1] in ("-", "+") else bare


def speller(value: Value) -> Callable[[str], str | None] | None:
    """What turns a value's cells into what mappings read, or None where one is not spelled so.

    None itself where cells are plain already.
    """
    words, style, sign = value.words, value.number, value.sign
    if not (words or style or sign):
        return None

    def plain(text: str) -> str | None:
        if words:
            return words.get(text, text)
        bare = without_sign(text, sign) if sign else text
        return plain_number(bare, style) if style else bare

    return plain
