"""What every log promises to other processes: real ones, several at a time, and killed in the middle."""

from collections import Counter
from contextlib import ExitStack, closing
from itertools import islice, pairwise
from threading import Event

from adapters.addresses import open_log
from adapters.log import Log, Stored
from tests.contracts.drafts import append, draft, pages
from tests.contracts.writer import Writer

WRITERS = 8
APPENDS = 200


def _followed(log: Log, writers: list[Writer]) -> list[Stored]:
    """Everything that a follower is given until all writers have ended and nothing more comes."""
    stop, seen = Event(), list[Stored]()
    for batch in log.follow(log.start(), stop):
        seen += batch
        if not batch and not any(writer.is_alive() for writer in writers) and len(seen) >= sum(log.heads().numbers):
            stop.set()
    return seen


def test_a_follower_sees_what_another_process_appends(url: str, log: Log) -> None:
    with Writer(url, "other", 3, 2) as writer:
        seen = _followed(log, [writer])
    assert sorted(row.id for row in seen) == [f"other-{at}-{n}" for at in range(3) for n in range(2)]
    assert sorted(row[:2] for row in seen) == sorted(row[:2] for row in log.read(log.start(), 100))


def test_a_follower_of_many_writers_misses_nothing_and_sees_nothing_twice(url: str, log: Log) -> None:
    with ExitStack() as ending:
        writers = [ending.enter_context(Writer(url, f"writer-{n}", APPENDS, 1)) for n in range(WRITERS)]
        seen = _followed(log, writers)
        told = [place for writer in writers for _, places in writer.told() for place in places]
        assert [writer.exitcode for writer in writers] == [0] * WRITERS
    total = WRITERS * APPENDS
    for bucket in range(1, log.buckets + 1):
        mine = [row for row in seen if row.bucket == bucket]
        assert [row.number for row in mine] == list(range(1, len(mine) + 1))
        assert all(earlier.recorded < later.recorded for earlier, later in pairwise(mine))
    assert sorted(told) == sorted(f"{row.bucket}/{row.number}" for row in seen)
    assert len({(row.stream, row.id) for row in seen}) == total
    for stream, held in Counter(row.stream for row in seen).items():
        assert [row.version for row in seen if row.stream == stream] == list(range(1, held + 1))


def test_a_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_half_stored(url: str, log: Log) -> None:
    size = 40
    for attempt in range(4):
        name = f"killed-{attempt}"
        with Writer(url, name, 100_000, size) as writer:
            acknowledged = list(islice(writer.told(), 5 + attempt))
            assert len(acknowledged) == 5 + attempt
            writer.kill()  # in the middle of whatever it is doing
            acknowledged += writer.told()
        for at, places in acknowledged:
            found = [log.find(name if n % 2 else f"shared-{at % 3}", "shop", f"{name}-{at}-{n}") for n in range(size)]
            assert [row and f"{row.bucket}/{row.number}" for row in found] == places
    with closing(open_log(url)) as again:
        append(again, draft("after"))
        stored = list(pages(again))
        assert sum(again.heads().numbers) == len(stored)
        assert (len(stored) - 1) % size == 0
