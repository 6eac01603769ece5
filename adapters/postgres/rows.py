"""Rows of views on their way into a table, many at once: as the CSV that COPY reads.

The driver would write them cell by cell, each through its type; but a row in JSON is, but for its brackets, the same
row in CSV, and all of a batch are written as JSON in one call.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from projections.view import Row

CSV = "FORMAT csv, NULL 'null'"
"""How COPY is to read them."""

_AT_ONCE = 1_000


def _plain(cell: Any) -> str | int | float:
    """The cell without what a class of its own adds to it."""
    for plain in (str, int, float):
        if isinstance(cell, plain):
            return plain(cell)
    raise TypeError(f"no table takes a {type(cell).__name__}")


_json = msgspec.json.Encoder(enc_hook=_plain)


def as_csv(rows: Sequence[Row]) -> Iterator[bytes]:
    """The rows in CSV, many to a piece.

    Raises:
        TypeError: a cell is none that a table takes, such as a text that is no Unicode.
    """
    for at in range(0, len(rows), _AT_ONCE):
        some = rows[at : at + _AT_ONCE]
        raw = _json.encode_lines(some)
        bare = raw.replace(b"[", b"").replace(b"]", b"")
        # A backslash escapes in JSON and not in CSV. No text holds what parts rows, for a line's end is escaped in it.
        if b"\\" in raw:
            yield b"".join(b",".join(map(_cell, row)) + b"\n" for row in some)
        elif len(raw) - len(bare) == 2 * len(some):
            yield bare  # only the brackets of rows are gone, which takes a fifth of looking for those between rows
        else:
            yield raw[1:-2].replace(b"]\n[", b"\n") + b"\n"


def _cell(cell: Any) -> bytes:
    if isinstance(cell, str):
        return b'"%b"' % cell.encode().replace(b'"', b'""')
    return _json.encode(cell)
