"""What must come first: an append that is committed when that is done, and not at all where it fails."""

from contextlib import closing

import pytest

from adapters.addresses import open_log
from adapters.log import Log
from tests.contracts.drafts import append, draft, group, stored


def test_nothing_is_stored_before_what_must_come_first_and_nothing_of_it_if_that_fails(log: Log, url: str) -> None:
    groups = [group(draft("C-1", "a")), group(draft("C-2", "b"))]
    seen: list[int] = []

    def fails() -> None:
        raise TimeoutError

    def looks() -> None:
        with closing(open_log(url)) as other:
            seen.append(len(other.read(other.start(), 10)))

    for _ in range(2):
        with pytest.raises(TimeoutError):
            log.append(groups, fails)
    assert log.read(log.start(), 10) == []
    log.append(groups, looks)
    assert set(seen) == {0}
    assert [row.id for row in log.streams(["C-1", "C-2"], log.heads())["C-2"]] == ["b"]
    # What is known already stores nothing, and leaves the connection fit for the next.
    assert [stored(each)[0].repeat for each in log.append(groups, looks)] == [True, True]
    append(log, draft("C-1", "c"))
