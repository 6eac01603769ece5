"""A connection cut anywhere in an append: nothing lost, nothing doubled, no false conflict."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from threading import Event, Thread
from time import sleep
from typing import Any

import psycopg
import pytest
import uvloop
from eventsourcing.persistence import StoredEvent

from adapters.appending.rounds import Rounds
from adapters.log import Draft, Group, Stored, Verdict
from adapters.postgres import PostgresLog
from domain.company import Company
from domain.errors import VersionConflict
from tests.faults.proxy import PostgresProxy

_END_OTHERS = b"""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

Append = Callable[[PostgresLog, int], None]


def _with_expected_version(log: PostgresLog, version: int) -> None:
    draft = Draft("customer", "ContactMade", f"id-{version}", "shop", 0, "test", b"{}")
    [receipts] = log.append([Group((draft,), {"customer": version - 1})])
    assert not isinstance(receipts, VersionConflict), "nobody else writes: a conflict would be with itself"
    assert isinstance(receipts, list)
    assert [receipt.version for receipt in receipts] == [version]


def _several_groups_that_meet(log: PostgresLog, version: int) -> None:
    drafts = [Draft("customer", "ContactMade", f"id-{version}-{at}", "shop", 0, "test", b"{}") for at in range(2)]
    first = 2 * version - 1
    verdicts = log.append([Group((drafts[0],), {"customer": first - 1}), Group((drafts[1],), {"customer": first})])
    assert [receipts[0].version for receipts in verdicts if isinstance(receipts, list)] == [first, first + 1]


def _facts_when_ready(log: PostgresLog, version: int) -> None:
    first = 2 * version - 1
    groups = [
        Group((Draft("customer", "ContactMade", f"id-{first + at}", "shop", 0, "test", b"{}"),)) for at in range(2)
    ]
    stored = log.append(groups, lambda: None)
    assert [receipts[0].version for receipts in stored if isinstance(receipts, list)] == [first, first + 1]


def _facts_in_turn(log: PostgresLog, version: int) -> None:
    first = 4 * version - 3
    groups = [
        Group((Draft("customer", "ContactMade", f"id-{first + at}", "shop", 0, "test", b"{}"),)) for at in range(4)
    ]
    stored = [verdict for verdicts in log.append_in_turn([groups[:2], groups[2:]]) for verdict in verdicts]
    assert [receipts[0].version for receipts in stored if isinstance(receipts, list)] == [*range(first, first + 4)]


def _on_loop(stored: Coroutine[Any, Any, list[Verdict]]) -> list[Verdict]:
    """What a loop as the service has it comes to, within a time in which no round is forgotten."""
    return uvloop.run(asyncio.wait_for(stored, 20))


def _one_from_a_loop(log: PostgresLog, version: int) -> None:
    draft = Draft("customer", "ContactMade", f"id-{version}", "shop", 0, "test", b"{}")
    [receipts] = _on_loop(Rounds(log).store_on_loop([Group((draft,), {"customer": version - 1})], [None]))
    assert isinstance(receipts, list)
    assert [receipt.version for receipt in receipts] == [version]


def _facts_from_a_loop(log: PostgresLog, version: int) -> None:
    first = 2 * version - 1
    groups = [
        Group((Draft("customer", "ContactMade", f"id-{first + at}", "shop", 0, "test", b"{}"),)) for at in range(2)
    ]
    stored = _on_loop(Rounds(log).store_on_loop(groups, [None, None]))
    assert [receipts[0].version for receipts in stored if isinstance(receipts, list)] == [first, first + 1]


def _by_the_library(log: PostgresLog, version: int) -> None:
    recorder = log.factory().application_recorder()
    events = [StoredEvent("customer", version, "ContactMade", b"{}")]
    assert recorder.insert_events(events) == [version]


TOUCHPOINTS: dict[Append, int] = {
    _with_expected_version: 1,
    _several_groups_that_meet: 2,
    _facts_when_ready: 2,
    _facts_in_turn: 4,
    _one_from_a_loop: 1,
    _facts_from_a_loop: 2,
    _by_the_library: 1,
}
"""How many touchpoints each way of appending stores."""
APPENDS = [*TOUCHPOINTS]


@pytest.mark.parametrize("append", APPENDS)
def test_a_reply_cut_at_any_byte_costs_nothing(postgres_url: str, append: Append) -> None:
    PostgresLog.create(postgres_url, Company()).close()
    with PostgresProxy(postgres_url) as proxy:
        log = PostgresLog.open(proxy.url)
        append(log, 1)  # connects and prepares
        sizes = []
        for version in range(2, 6):
            before = proxy.replies.passed
            append(log, version)
            sizes.append(proxy.replies.passed - before)
        # The least of a few: the pool may open another connection meanwhile, and be greeted.
        places = range(0, min(sizes) + 1, 5)  # no message is shorter, so every one is cut
        for version, place in enumerate(places, start=6):
            proxy.replies.cut_after(place)
            append(log, version)
        # A cut at the very end may still be due when the next is set.
        assert proxy.replies.cuts > 0.9 * len(places)
        _stands_once(log.stream("customer"), len(places) + 5, append)
        log.close()


@pytest.mark.parametrize("append", APPENDS)
def test_a_request_that_never_arrives_is_sent_again(postgres_url: str, append: Append) -> None:
    PostgresLog.create(postgres_url, Company()).close()
    with PostgresProxy(postgres_url) as proxy:
        log = PostgresLog.open(proxy.url)
        for version in range(1, 6):
            proxy.requests.cut_after(0)
            append(log, version)
        assert proxy.requests.cuts == 5
        _stands_once(log.stream("customer"), 5, append)
        log.close()


def test_a_server_that_says_farewell_and_leaves_a_request_unread_is_asked_again(postgres_url: str) -> None:
    PostgresLog.create(postgres_url, Company()).close()
    with PostgresProxy(postgres_url) as proxy, closing(PostgresLog.open(proxy.url)) as log:

        def say_farewell() -> None:
            proxy.requests.held.wait(20)
            with psycopg.connect(postgres_url, autocommit=True) as connection:
                connection.execute(_END_OTHERS)
            sleep(0.2)  # its words pass, and its end
            proxy.requests.let_go()

        _one_from_a_loop(log, 1)  # connects
        farewell = Thread(target=say_farewell)
        proxy.requests.hold()
        farewell.start()
        _one_from_a_loop(log, 2)
        farewell.join()
        _stands_once(log.stream("customer"), 2, _one_from_a_loop)


@pytest.mark.parametrize("append", APPENDS)
def test_a_cut_while_connecting_costs_nothing(postgres_url: str, append: Append) -> None:
    PostgresLog.create(postgres_url, Company()).close()
    with PostgresProxy(postgres_url) as proxy:
        places = range(0, 900, 75)
        for version, place in enumerate(places, start=1):
            log = PostgresLog.open(proxy.url)
            proxy.replies.cut_after(place)
            append(log, version)
            log.close()
        assert proxy.replies.cuts >= len(places) - 1
        log = PostgresLog.open(postgres_url)
        _stands_once(log.stream("customer"), len(places), append)
        log.close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_connection_that_ends_while_an_append_is_held_costs_nothing(postgres_url: str, *, fails: bool) -> None:
    log, calls = PostgresLog.create(postgres_url, Company()), list[int]()
    groups = [Group((Draft("customer", "ContactMade", f"id-{at}", "shop", 0, "test", b"{}"),)) for at in range(2)]

    def ready() -> None:
        calls.append(1)
        if len(calls) == 1:
            with psycopg.connect(postgres_url, autocommit=True) as connection:
                connection.execute(_END_OTHERS)
        if fails:
            raise TimeoutError

    if fails:
        with pytest.raises(TimeoutError):
            log.append(groups, ready)
        assert log.stream("customer") == []
    else:
        log.append(groups, ready)
    log.append(groups)
    assert [stored.number for stored in log.stream("customer")] == [1, 2]
    log.close()


def test_a_follower_whose_connections_are_ended_misses_nothing(postgres_url: str) -> None:
    log = PostgresLog.create(postgres_url, Company())
    follower, stop, seen = PostgresLog.open(postgres_url), Event(), list[int]()

    def follow() -> None:
        for batch in follower.follow(follower.start(), stop):
            seen.extend(stored.number for stored in batch)
            if len(seen) >= 200:
                return

    thread = Thread(target=follow)
    thread.start()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for version in range(1, 201):
            _with_expected_version(log, version)
            if version % 20 == 0:  # the writer's connections too
                connection.execute(_END_OTHERS)
    thread.join(60)
    stop.set()
    assert seen == list(range(1, 201))
    thread.join()
    follower.close()
    log.close()


def test_who_reads_a_whole_log_goes_on_where_a_connection_was_cut(postgres_url: str) -> None:
    log = PostgresLog.create(postgres_url, Company())
    drafts = [Draft("customer", "ContactMade", f"id-{n}", "shop", 0, "test", b'"%0200d"' % n) for n in range(1_000)]
    [receipts] = log.append([Group(tuple(drafts))])
    assert isinstance(receipts, list)
    with PostgresProxy(postgres_url) as proxy:
        reader = PostgresLog.open(proxy.url)
        for place in (0, 1, 300, 5_000, 50_000, 100_000):
            proxy.replies.cut_after(place)
            pages = list(reader.pages(reader.start(), log.heads(), 100))
            assert [stored for page in pages for stored in page] == log.stream("customer")
        assert proxy.replies.cuts == 6
        abandoned = reader.pages(reader.start(), log.heads(), 100)
        assert next(abandoned)[-1].number == 100
        del abandoned  # and its connection with it
        reader.close()
    log.close()


def test_a_subscription_of_the_library_survives_too(postgres_url: str) -> None:
    log = PostgresLog.create(postgres_url, Company())
    recorder, seen = log.factory().application_recorder(), list[int]()
    with recorder.subscribe() as subscription, psycopg.connect(postgres_url, autocommit=True) as connection:
        for version in range(1, 41):
            _by_the_library(log, version)
            if version % 10 == 0:
                connection.execute(_END_OTHERS)
        for notification in subscription:
            seen.append(notification.id)
            if len(seen) == 40:
                break
    assert seen == list(range(1, 41))
    log.close()


def _stands_once(stream: list[Stored], appends: int, append: Append) -> None:
    count = TOUCHPOINTS[append] * appends
    assert [stored.version for stored in stream] == list(range(1, count + 1))
    assert [stored.number for stored in stream] == list(range(1, count + 1))
    ids = [stored.id for stored in stream if stored.id]
    assert len(ids) == len(set(ids))
