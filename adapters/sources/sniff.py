"""What a stranger's file looks like from outside: whether it is text, in which encoding, and what parts its cells."""

import csv
import gzip
import io
import zlib
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from charset_normalizer import from_bytes

from adapters.settings import LIMITS
from adapters.sources.answers import Doubt
from adapters.sources.columns import columns_of
from domain.errors import UnreadableInput

_SAVE_AS_TEXT = "save it as CSV in UTF-8, and map that"
_PACKED = {
    b"PK\x03\x04": "a ZIP archive, or a spreadsheet",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ENCODINGS = [
    "cp1252",
    "latin_1",
    "cp1250",
    "iso8859_2",
    "iso8859_15",
    "cp1251",
    "koi8_r",
    "cp1253",
    "cp1254",
    "shift_jis",
    "gb18030",
]
_EUROPEAN = ("cp1252", "cp1250")
_ALIKE = "the code pages of Western and Central Europe"
_SHARED = frozenset("ÄÖÜäöüßÉéáíóúâëîôç€§°")
"""No text of another alphabet, nor one of DOS or an old Mac, is made of these alone."""
_DELIMITERS = (",", ";", "\t", "|")
_BROKEN_SHARE = 0.05
_ROWS_LOOKED_AT = 200


class Shape(NamedTuple):
    """The form of a file in a mapping's words, and what was assumed about it or is in doubt."""

    form: dict[str, str | bool | list[str]]
    assumed: list[str]
    unsure: list[Doubt]


def shape_of(path: Path, encoding: str | None = None) -> Shape:
    """Look at a file's beginning.

    Args:
        path: the file.
        encoding: how its text is stored, where somebody knows.

    Raises:
        UnreadableInput: it cannot be read, is empty, is no text, or holds a single column.
    """
    raw = _beginning(path)
    if not raw.strip():
        raise _unfit(path, "the file is empty", "a mapping is guessed from rows", "name a file that holds some")
    if telling := _telling(raw):
        return Shape({"format": telling}, [], [])
    for magic, what in _PACKED.items():
        if raw.startswith(magic):
            raise _unfit(path, f"the file is {what}, not rows of text", "a mapping is guessed from text", _SAVE_AS_TEXT)
    assumed: list[str] = []
    unsure: list[Doubt] = []
    encoding = encoding or _encoding(raw, assumed, unsure)
    text = raw.decode(encoding, errors="replace").removeprefix("\ufeff")
    controls = sum(char < " " and char not in "\t\r\n" for char in text)
    if controls > len(text) / 100:
        raise _unfit(path, "the file is binary, not rows of text", "a mapping is guessed from text", _SAVE_AS_TEXT)
    if text.lstrip().startswith("{"):
        raise _unfit(
            path, "the file holds JSON", "its rows are no cells", "import CloudEvents on lines without a mapping"
        )
    form: dict[str, str | bool | list[str]] = {} if encoding == "utf-8" else {"encoding": encoding}
    rows = _cells(text, form, path, assumed)
    if not _is_header(rows):
        form |= {"header": False, "columns": [f"c{place}" for place in range(1, len(rows[0]) + 1)]}
        unsure.append(Doubt("the first line reads like a row, so the columns are numbered c1, c2 and so on"))
    return Shape(form, assumed, unsure)


def _telling(raw: bytes) -> str | None:
    """The form of a file that says all of itself."""
    if raw.startswith(b"PAR1"):
        return "parquet"
    return "xes" if raw.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"<log" in raw else None


def _unfit(path: Path, what: str, rule: str, way_out: str) -> UnreadableInput:
    return UnreadableInput(what, where=str(path), rule=rule, way_out=way_out)


def _beginning(path: Path) -> bytes:
    """The first bytes, unpacked; whole lines, where there is more than is looked at."""
    limit = LIMITS.guess_sample_bytes
    try:
        if path.exists() and not path.is_file():
            raise _unfit(path, "this is no file", "rows are read from a file", "name a file in it, or write it to one")
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            raw = gzip.GzipFile(fileobj=file).read(limit) if packed else file.read(limit)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _unfit(
            path, "the file cannot be read", reason or "it is a whole file", "check its name and rights"
        ) from None
    return raw[: raw.rfind(b"\n") + 1] if len(raw) == limit and b"\n" in raw else raw


def _encoding(raw: bytes, assumed: list[str], unsure: list[Doubt]) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding
    lines = raw.splitlines()
    broken = sum(not _is_utf8(line) for line in lines)
    if not broken:
        return "utf-8"
    odd = [line for line in lines if not line.isascii()]
    if broken < len(odd) and broken / len(lines) <= _BROKEN_SHARE:
        unsure.append(
            Doubt(
                f"the encodings are mixed: {broken} of {len(lines)} sampled lines are not UTF-8, and go to quarantine"
            )
        )
        return "utf-8"
    if all(map(_is_european, odd)):
        assumed.append(f"the text is stored as {_EUROPEAN[0]}, for its accented letters are the same in {_ALIKE}")
        return _EUROPEAN[0]
    # What is plain ASCII tells nothing, and hides the little that does.
    best = from_bytes(b"\n".join(odd), cp_isolation=_ENCODINGS).best()
    encoding = best.encoding.replace("_", "-") if best else "cp1252"
    unsure.append(
        Doubt(
            f"the encoding is not UTF-8, and was guessed as {encoding}: look at accented letters",
            "--encoding",
            (encoding,),
        )
    )
    return encoding


def _is_european(line: bytes) -> bool:
    """Whether all that is not ASCII are letters and signs that the code pages of Western and Central Europe share."""
    readings = {line.decode(encoding, errors="replace") for encoding in _EUROPEAN}
    return len(readings) == 1 and all(char.isascii() or char in _SHARED for char in readings.pop())


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _cells(text: str, form: dict[str, str | bool | list[str]], path: Path, assumed: list[str]) -> list[list[str]]:
    """Part the text into cells by what gives most rows the same number of them, and write down by what."""
    tried = {}
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            tried[delimiter] = [row for row in islice(reader, _ROWS_LOOKED_AT) if row]
        except csv.Error:
            continue
    fits = {delimiter: _fit(rows) for delimiter, rows in tried.items() if rows}
    best = max(fits, key=lambda delimiter: fits[delimiter], default=",")
    if fits and fits[best][1] > 1:
        if best == "\t":
            form["format"] = "tsv"
        elif best != ",":
            form["delimiter"] = best
        return tried[best]
    parted = [line.split() for line in text.splitlines()[:_ROWS_LOOKED_AT] if line.strip()]
    share, width = _fit(parted)
    if width > 1 and share == 1.0 and len(parted) > 1:
        form["format"] = "whitespace"
        assumed.append("cells are parted by blanks")
        return parted
    raise _unfit(
        path,
        "the file has a single column",
        "a touchpoint needs at least a subject and a time; cells are parted by comma, semicolon, tab, | or blanks",
        "write a mapping by hand where another character parts them: delimiter under [file]",
    )


def _fit(rows: list[list[str]]) -> tuple[float, int]:
    """Which share of rows has the commonest number of cells, and that number; one cell alone fits nothing."""
    width, count = Counter(map(len, rows)).most_common(1)[0]
    return (round(count / len(rows), 2), width) if width > 1 else (0.0, 1)


def _is_header(rows: list[list[str]]) -> bool:
    first = [cell.strip() for cell in rows[0]]
    if not all(first) or len(set(first)) < len(first):
        return False
    looks = columns_of(first, [first])
    return not any(column.number or column.time or column.email for column in looks)
