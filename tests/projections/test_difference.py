"""Differences of rows: what is laid over the old rows gives the new ones, and nothing else is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.difference import row_differences
from projections.view import Row

_KEYS = st.tuples(st.sampled_from(["a", "b", "é", "\U0001f600", "\uffff"]), st.integers(-2, 2))
_CELLS = st.tuples(st.none() | st.integers(0, 2), st.none() | st.sampled_from(["x", "y"]))


def _rows(cells: dict[Row, Row]) -> list[Row]:
    # The key stands in the midst of a row, and not in its own order.
    return [(cells[key][0], key[1], cells[key][1], key[0]) for key in sorted(cells)]


@given(st.dictionaries(_KEYS, _CELLS), st.dictionaries(_KEYS, _CELLS))
def test_the_differences_over_the_old_rows_are_the_new_ones(old: dict[Row, Row], new: dict[Row, Row]) -> None:
    before, after = _rows(old), _rows(new)
    found = list(row_differences(before, after, (3, 1)))

    laid = {(row[3], row[1]): row for row in before}
    for each in found:
        assert each.old == laid.pop(each.key, None)
        assert each.old != each.new
        if each.new is not None:
            laid[each.key] = each.new
    assert sorted(laid.values(), key=repr) == sorted(after, key=repr)
    assert [each.key for each in found] == sorted({each.key for each in found})
    backwards = [(each.key, each.new, each.old) for each in found]
    assert backwards == [tuple(each) for each in row_differences(after, before, (3, 1))]


def test_each_says_what_became_of_its_row() -> None:
    old, new = [("a", 1), ("b", 1), ("c", 1)], [("a", 2), ("c", 1), ("d", 1)]
    assert [(each.key, each.what) for each in row_differences(old, new, (0,))] == [
        (("a",), "changed"),
        (("b",), "removed"),
        (("d",), "added"),
    ]


@pytest.mark.parametrize("rows", [[("b",), ("a",)], [("a",), ("a",)]])
def test_rows_that_are_not_in_order_are_not_compared(rows: list[Row]) -> None:
    with pytest.raises(ValueError, match="order"):
        list(row_differences(rows, [], (0,)))
