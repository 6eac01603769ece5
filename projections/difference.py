"""What differs between two sets of a view's rows: of two moments, or of two generations."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from projections.view import Row


class RowDifference(NamedTuple):
    """A row that was added (no `old`), removed (no `new`) or changed, by the cells of its key."""

    key: Row
    old: Row | None
    new: Row | None

    @property
    def what(self) -> str:
        """What became of the row: added, removed or changed."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"


def row_differences(old: Iterable[Row], new: Iterable[Row], key: Sequence[int]) -> Iterator[RowDifference]:
    """Compare rows that come in the order of their keys, in one pass, so that memory does not grow with them.

    Putting the differences in the place of the old rows of the same keys gives the new rows.

    Args:
        old: rows before, each key once, ascending.
        new: rows after, likewise, of the same columns.
        key: the places of the cells that make a row unique.

    Raises:
        ValueError: the rows do not come in that order.
    """
    before, after = _keyed(old, key), _keyed(new, key)
    left, right = next(before, None), next(after, None)
    while left or right:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None  # noqa: S101 - one of the two is there
            yield RowDifference(left[0], left[1], None)
            left = next(before, None)
        elif left is None or right[0] < left[0]:
            yield RowDifference(right[0], None, right[1])
            right = next(after, None)
        else:
            if left[1] != right[1]:
                yield RowDifference(left[0], left[1], right[1])
            left, right = next(before, None), next(after, None)


def _keyed(rows: Iterable[Row], key: Sequence[int]) -> Iterator[tuple[Row, Row]]:
    last: Row | None = None
    for row in rows:
        cells = tuple(row[place] for place in key)
        if last is not None and not last < cells:
            raise ValueError("rows are compared in the order of their keys, and these are not in it")
        yield cells, tuple(row)
        last = cells
