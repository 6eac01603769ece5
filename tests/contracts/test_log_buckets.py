"""What a log of several buckets promises beyond one: fair pages, consistent cuts, appends side by side."""

import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event, Thread, Timer
from time import sleep

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.addresses import create_log, open_log, read_sqlite_url
from adapters.appending.committer import Committer
from adapters.appending.rounds import Rounds
from adapters.cursor import Cursor
from adapters.log import Log, Stored, bucket_of
from adapters.settings import LIMITS
from domain.company import Company
from domain.errors import WrongBuckets
from tests.contracts.drafts import append, draft, group, pages, stored

BUCKETS = 4

A_DAY_AHEAD_US = 86_400_000_000


def named(bucket: int) -> str:
    """A subject of a bucket."""
    return next(f"C-{n}" for n in range(1_000) if bucket_of(f"C-{n}", BUCKETS) == bucket)


@pytest.fixture
def log(url: str) -> Iterator[Log]:
    with closing(create_log(url, Company(), BUCKETS)) as created:
        yield created


@pytest.mark.parametrize("buckets", [-1, 0, LIMITS.buckets_max + 1])
def test_a_log_of_no_bucket_or_of_too_many_is_not_made(url: str, buckets: int) -> None:
    with pytest.raises(WrongBuckets):
        create_log(url, Company(), buckets)
    with closing(create_log(url, Company(), LIMITS.buckets_max)) as log:
        assert log.buckets == LIMITS.buckets_max
        append(log, *(draft(f"C-{n}") for n in range(500)))
        assert list(pages(log, 99)) == list(range(1, 501))
        assert all(log.heads().numbers)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6), st.integers(1, 100))
def test_a_page_is_full_and_fair(spans: list[tuple[int, int]], limit: int) -> None:
    after, upto = (Cursor(bytes(16), tuple(numbers)) for numbers in zip(*spans, strict=True))
    page = after.page(upto, limit)
    waiting = [max(0, last - seen) for seen, last in spans]
    taken = [end - seen for end, (seen, _) in zip(page.numbers, spans, strict=True)]
    assert sum(taken) == min(limit, sum(waiting))
    assert all(0 <= got <= needed for got, needed in zip(taken, waiting, strict=True))
    left_waiting = [got for got, needed in zip(taken, waiting, strict=True) if got < needed]
    assert max(taken) <= min(left_waiting, default=limit) + 1, "none gets more while another waits for its share"


def test_a_quiet_bucket_does_not_wait_for_a_busy_one(log: Log) -> None:
    append(log, *(draft(named(1)) for _ in range(500)))
    append(log, draft(named(4)))
    assert Counter(row.bucket for row in log.read(log.start(), 10)) == {1: 9, 4: 1}
    stop = Event()
    batches = log.follow(log.start().advanced(1, 400), stop)
    assert named(4) in [row.stream for row in next(batches)]
    stop.set()


def test_what_is_stored_together_is_wholly_in_a_cut_or_out_of_it(url: str, log: Log) -> None:
    """Writers put a touchpoint in each of two buckets; whoever cuts the log meanwhile finds both or none."""
    stop = Event()

    def write(first: int, second: int) -> None:
        with closing(open_log(url)) as mine:
            for n in range(100_000):
                if stop.is_set():
                    return
                append(mine, draft(named(first), f"{first}{second}-{n}"), draft(named(second), f"{first}{second}-{n}"))

    def torn(rows: list[Stored]) -> list[tuple[str, str]]:
        return [pair for pair, halves in Counter((row.id, row.source) for row in rows).items() if halves != 2]

    writers = [Thread(target=write, args=pair) for pair in ((1, 3), (3, 1), (2, 4), (4, 1))]
    for writer in writers:
        writer.start()
    try:
        follower, followed, whole = log.follow(log.start(), stop), list[Stored](), 0
        for _ in range(40):
            cut = log.heads()
            rows = log.read(log.start(), 10**6, cut)
            assert torn(rows) == []
            for row in rows[:: max(1, len(rows) // 3)]:
                assert torn(log.read(log.start(), 10**6, log.cut_at(row.recorded))) == []
            followed += (batch := next(follower))
            if len(batch) < LIMITS.follow_batch_max:
                whole += 1
                assert torn(followed) == [], "a page with room left goes up to a consistent cut"
        assert whole
        assert followed
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_groups_over_the_same_buckets_in_any_order_never_wait_for_each_other(url: str, log: Log) -> None:
    committer, expected_late = Committer(log, Rounds(log)), Counter[str]()

    def commit(n: int) -> None:
        first, second = named(1 + n % 4), named(1 + (n // 4) % 4)
        if n % 3:
            stored(committer.commit(group(draft(first), draft(second))))
        else:
            # Groups that meet are several calls in one transaction, whose buckets rise and fall.
            one, other = draft(first), draft(second)
            verdicts = log.append([group(one), group(one, **{first.replace("-", "_"): -1}), group(other)])
            expected_late[type(verdicts[1]).__name__] += 1
            stored(verdicts[0])
            stored(verdicts[2])

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(commit, range(480)))
    assert set(expected_late) == {"list"}, "the same again is a repeat, whatever was expected"
    assert list(pages(log)) == list(range(1, sum(log.heads().numbers) + 1))
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_clear_snapshot()")
            asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            assert connection.execute(asked).fetchone() == (0,)


def test_appends_to_one_bucket_do_not_wait_for_another(postgres_url: str) -> None:
    with closing(create_log(postgres_url, Company(), BUCKETS)) as log, psycopg.connect(postgres_url) as other:
        committer = Committer(log, Rounds(log))
        other.execute("SELECT lifecircle.take_locks_v1(ARRAY[1])")
        held = Thread(target=committer.commit, args=(group(draft(named(1))),))
        across = Thread(target=committer.commit, args=(group(draft(named(1)), draft(named(2))),))
        held.start()
        across.start()
        for bucket in (3, 4, 3):
            stored(committer.commit(group(draft(named(bucket)))))
        assert held.is_alive()
        assert across.is_alive()
        other.rollback()
        held.join()
        across.join()
        assert log.heads().numbers == (2, 1, 2, 1)


@pytest.mark.parametrize("before", [0, 1], ids=["who leads next", "one of a round"])
def test_others_are_answered_though_a_caller_was_interrupted(postgres_url: str, before: int) -> None:
    with closing(create_log(postgres_url, Company())) as log, psycopg.connect(postgres_url) as other:
        committer = Committer(log, Rounds(log))
        other.execute("SELECT lifecircle.take_locks_v1(ARRAY[1])")
        waiting: list[Thread] = []

        def others(count: int) -> None:
            for _ in range(count):
                waiting.append(Thread(target=committer.commit, args=(group(draft("anna")),), daemon=True))
                waiting[-1].start()

        others(1 + before)
        sleep(0.05)  # until they wait
        Timer(0.1, others, (1,)).start()
        Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        kept = signal.signal(signal.SIGINT, signal.default_int_handler)  # a command may have left its own
        try:
            with pytest.raises(KeyboardInterrupt):
                committer.commit(group(draft("bert")))
        finally:
            signal.signal(signal.SIGINT, kept)
        other.rollback()
        for each in waiting:
            each.join(10)
            assert not each.is_alive()
    with closing(open_log(postgres_url)) as log:
        assert (log.version("anna"), log.version("bert")) == (2 + before, 1), "an interrupt stops nothing of a round"


def test_what_follows_on_another_is_recorded_after_it_though_the_clock_was_set_back(url: str, log: Log) -> None:
    """Recorded time orders merges and corrections over all buckets, so it must rise along every chain of them."""
    ahead = log.cut_at(0), append(log, draft(named(1)))[0].recorded + A_DAY_AHEAD_US
    row = (1, 2, named(1), 2, "ContactMade", "late", "shop", 0, ahead[1], "clerk", b"{}")
    columns = "bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state"
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(read_sqlite_url(url).path)) as connection:
            connection.execute(f"INSERT INTO touchpoints ({columns}) VALUES ({', '.join('?' * 11)})", row)
            connection.commit()
    else:
        with psycopg.connect(url) as connection:
            inserting = f"INSERT INTO lifecircle.touchpoints ({columns}) VALUES ({', '.join(['%s'] * 11)})"
            connection.execute(inserting.encode(), row)
    chain = [
        append(log, *map(draft, map(named, buckets)))[0].recorded
        for buckets in ((1, 4), (4,), (4, 3), (3, 2), (2,), (2, 1), (1,), (1,))
    ]
    assert [ahead[1], *chain] == sorted({ahead[1], *chain})
