"""Whether a row of a view can be kept by every database."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

from projections.view import Column, Row

_FLOAT_MAX = sys.float_info.max
_INTEGER_MAX = 2**63 - 1

_PLAIN = {str, int, float, type(None)}


class _Places(NamedTuple):
    """Where the cells are of which more must be known than their types, by the types of their columns."""

    texts: tuple[int, ...]
    integers: tuple[int, ...]
    floats: tuple[int, ...]


class Fit:
    """What the columns of a view ask of its rows. The subject of a row that does not fit is parked."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._known: dict[tuple[type, ...], _Places] = {}

    def misfit(self, row: Row) -> bool:
        """Whether no database could keep a row as its columns say."""
        places = self._known.get(types := tuple(map(type, row)))
        if places is None:
            if self._looked_at(row):
                return True
            if _PLAIN.issuperset(types):
                self._known[types] = _Places(*(self._filled(type_, row) for type_ in (str, int, float)))
            return False
        texts, integers, floats = places
        for at in integers:
            if not -_INTEGER_MAX - 1 <= row[at] <= _INTEGER_MAX:
                return True
        for at in floats:
            # What is no number is kept as it is by one database and as nothing by the other.
            if not -_FLOAT_MAX <= row[at] <= _FLOAT_MAX:
                return True
        return any("\0" in row[at] for at in texts)

    def _filled(self, type_: type, row: Row) -> tuple[int, ...]:
        pairs = zip(self._columns, row, strict=True)
        return tuple(at for at, (column, cell) in enumerate(pairs) if column.type is type_ and cell is not None)

    def _looked_at(self, row: Row) -> bool:
        """The same of a row whose types are met for the first time, or are classes of somebody's own."""
        for column, cell in zip(self._columns, row, strict=True):
            if cell is None:
                if not column.nullable:
                    return True
            elif column.type is int:
                if not isinstance(cell, int) or not -_INTEGER_MAX - 1 <= cell <= _INTEGER_MAX:
                    return True
            elif column.type is float:
                if not isinstance(cell, (int, float)) or not -_FLOAT_MAX <= cell <= _FLOAT_MAX:
                    return True
            elif not isinstance(cell, str) or "\0" in cell:
                return True
        return False
