"""What an import remembers of its rows, beyond what it keeps in memory."""

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.settings import LIMITS
from adapters.sources.scratch import Scratch


@pytest.mark.parametrize("marks", [1, 2**10])
def test_rows_that_are_alike_are_counted_wherever_they_are_remembered(marks: int) -> None:
    few = type(LIMITS)(import_keys_in_memory=4, import_marks_bytes=marks)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(0, 30), max_size=80))
    def each_counts_those_before(rows: list[int]) -> None:
        before = Counter[int]()
        with pytest.MonkeyPatch.context() as patched, Scratch() as scratch:
            patched.setattr("adapters.sources.scratch.LIMITS", few)
            for row in rows:
                assert scratch.ordinal(sha256(b"%d" % row).digest()) == before[row]
                before[row] += 1

    each_counts_those_before()
