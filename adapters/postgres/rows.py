"""Rows of views on their way into a table, many at once: as the CSV that COPY reads.

The driver would write them cell by cell, each through its type; but a row in JSON is, but for its brackets, the same
row in CSV, and all of a batch are written as JSON in one call.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from projections.view import Row

CSV = "FORMAT csv, NULL 'null'"
"""How COPY is to read them."""

_AT_ONCE = 1_000


def as_csv(rows: Sequence[Row]) -> Iterator[bytes]:
    """The rows in CSV, many to a piece.

    Raises:
        TypeError: a cell is none that a table takes: an integer beyond 64 bits, a text that is no Unicode.
    """
    for at in range(0, len(rows), _AT_ONCE):
        some = rows[at : at + _AT_ONCE]
        raw = orjson.dumps(some, default=tuple)
        # A backslash escapes in JSON and not in CSV; and a text may hold what parts rows.
        if b"\\" in raw or raw.count(b"],[") >= len(some):
            yield b"".join(b",".join(map(_cell, row)) + b"\n" for row in some)
        else:
            yield raw[2:-2].replace(b"],[", b"\n") + b"\n"


def _cell(cell: Any) -> bytes:
    if isinstance(cell, str):
        return b'"%b"' % cell.encode().replace(b'"', b'""')
    return orjson.dumps(cell)
