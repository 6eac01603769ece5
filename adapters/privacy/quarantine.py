"""Rows in quarantine, sealed whole: nobody knows yet whose they are, so each import has a key of its own for them."""

import re
from collections.abc import Iterable, Iterator

from adapters.idkey import plain_identifier
from adapters.log import QuarantinedRow
from adapters.privacy.sealed import About, Sealed, seal
from adapters.privacy.sealing import Sealing
from domain.fields import ERASED_TEXT, is_sealed
from domain.kinds.log_itself import RowQuarantined

_LENGTH_MIN = 4
"""The shortest text by which a row is known as somebody's."""
_NUMBER = re.compile(r"\+?\d{7,}")
_PUNCTUATION = dict.fromkeys(map(ord, " ().-/"))
"""What may stand between the digits of a telephone number."""


def holder(batch: str) -> str:
    """Under what name the key for the rows of an import is kept."""
    return f"quarantine/{batch}"


def seal_rows(sealing: Sealing, rows: Iterable[QuarantinedRow]) -> list[QuarantinedRow]:
    """The same rows with their text sealed.

    Raises:
        KeysUnusable: the keys are not to be had.
    """
    return [row if is_sealed(row.raw) or row.raw == ERASED_TEXT else _sealed(sealing, row) for row in rows]


def _sealed(sealing: Sealing, row: QuarantinedRow) -> QuarantinedRow:
    key = sealing.keyring.of(sealing.realm, holder(row.batch))
    if key is None:
        return row._replace(raw=ERASED_TEXT)
    about = About(sealing.realm, holder(row.batch), row.source, str(row.row), RowQuarantined.kind, "raw")
    # A row that cannot be read may hold halves of characters, which are no text to anybody else.
    return row._replace(raw=seal(about.packed(), row.raw.encode("utf-8", "surrogatepass").decode("latin-1"), key))


def open_rows(sealing: Sealing, rows: Iterable[QuarantinedRow]) -> Iterator[QuarantinedRow]:
    """The same rows with their text in clear.

    Raises:
        KeysUnusable: the keys are not to be had.
    """
    for row in rows:
        if is_sealed(row.raw):
            sealed = Sealed.read(row.raw)
            text: str = sealed.opened(sealing.keyring.known(sealing.realm, sealed.about.subject))
            yield row._replace(raw=text.encode("latin-1").decode("utf-8", "surrogatepass"))
        else:
            yield row


def holding(rows: Iterable[QuarantinedRow], values: Iterable[str]) -> list[QuarantinedRow]:
    """Those of the rows, in clear, that hold one of some values: in any case, and telephone numbers in any spelling."""
    wanted = {value.casefold() for value in values if len(value) >= _LENGTH_MIN}
    numbers = {plain.lstrip("+") for plain in map(plain_identifier, wanted) if _NUMBER.fullmatch(plain)}
    return [
        row
        for row in rows
        if any(value in row.raw.casefold() for value in wanted)
        or any(number in row.raw.translate(_PUNCTUATION) for number in numbers)
    ]
