"""Rounds that an event loop carries out itself: it goes on meanwhile, and what it leaves behind harms nobody."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import enumerate as threads
from typing import Any

import psycopg
import pytest

from adapters.appending.rounds import Rounds
from adapters.engine import Engine
from adapters.log import Draft, Group
from domain.company import Company
from tests.engine.conftest import Touch

# As the append function takes it of bucket 1.
_LOCK = "SELECT pg_advisory_lock(1818453603, 1)"
_WAITS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
"""


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    with Engine.create(postgres_url, Company()) as opened:
        yield opened


@contextmanager
def _held_up(url: str) -> Iterator[Callable[[], bool]]:
    """Keep every append waiting until the block ends; what is yielded tells whether one does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_LOCK)
        yield lambda: connection.execute(_WAITS).fetchone() != (0,)


def test_appends_that_wait_to_be_decided_leave_the_threads_of_the_loop_to_others(engine: Engine, touch: Touch) -> None:
    async def append() -> None:
        with _held_up(engine.url) as waits:
            opened = [touch("TicketOpened", "anna", f"s{number}", ticket=f"t{number}") for number in range(40)]
            decided = [asyncio.create_task(engine.append_async([each], strict=True)) for each in opened]
            while not waits():
                await asyncio.sleep(0.01)
            assert await asyncio.wait_for(asyncio.to_thread(engine.log.read, engine.log.start(), 1), 30) == []
            assert not any(each.done() for each in decided)
        assert len(await asyncio.gather(*decided)) == 40

    asyncio.run(append())


def test_a_loop_goes_on_while_its_round_is_held_up_and_no_thread_waits(engine: Engine, touch: Touch) -> None:
    turns, before = 0, set(threads())
    engine.append([touch("TicketOpened", "anna", "1", ticket="t")])  # connects

    async def append() -> int:
        nonlocal turns
        with _held_up(engine.url) as waits:
            under_way = asyncio.create_task(engine.append_async([touch("TicketOpened", "anna", "2", ticket="u")]))
            while not waits():
                await asyncio.sleep(0)
            while turns < 100:
                turns += 1
                await asyncio.sleep(0)
            assert not under_way.done()
            assert not [each.name for each in set(threads()) - before if each.name.startswith("asyncio")]
        [receipt] = await under_way
        return receipt.version

    assert asyncio.run(append()) == 2


def test_what_comes_while_a_small_round_is_stored_is_shared_out_to_equal_rounds(engine: Engine, touch: Touch) -> None:
    sizes = list[int]()
    engine.log.heads()  # connects

    async def append() -> None:
        engine.rounds.observe = lambda touchpoints, _: sizes.append(touchpoints)
        with _held_up(engine.url) as waits:
            first = asyncio.create_task(engine.append_async([touch("TicketOpened", "anna", "0", ticket="t")]))
            while not waits():
                await asyncio.sleep(0)
            sent = [touch("TicketOpened", f"c{n}", "1", ticket="t") for n in range(63)]
            others = [asyncio.create_task(engine.append_async([each])) for each in sent]
            await asyncio.sleep(0)
        await asyncio.gather(first, *others)

    asyncio.run(append())
    assert sizes == [1, 32, 31]


def test_a_round_whose_loop_ends_harms_none_after_it(engine: Engine, touch: Touch) -> None:
    async def begin(waits: Callable[[], bool]) -> None:
        begun = asyncio.create_task(engine.append_async([touch("TicketOpened", "anna", "1", ticket="t")]))
        while not waits():
            await asyncio.sleep(0)
        assert not begun.done()

    for _ in range(2):
        engine.log.heads()  # connects
        with _held_up(engine.url) as waits:
            asyncio.run(begin(waits))
    for n in "12":
        asyncio.run(engine.append_async([touch("TicketOpened", "anna", n, ticket="t")]))
    assert [fact.id for fact in engine.history("anna")] == ["1", "2"]


def test_a_round_larger_than_the_socket_takes_at_once_arrives_whole(engine: Engine) -> None:
    before = set(threads())
    engine.log.heads()  # connects
    groups = [
        Group((Draft("anna", "ContactMade", f"id-{at}", "shop", 0, "test", b"%01000000d" % at),)) for at in range(9)
    ]
    verdicts = asyncio.run(Rounds(engine.log).store_on_loop(groups, [None] * 9))
    assert [receipt.version for receipts in verdicts if isinstance(receipts, list) for receipt in receipts] == [
        *range(1, 10)
    ]
    assert [stored.state for stored in engine.log.stream("anna")] == [group.drafts[0].state for group in groups]
    assert not [each.name for each in set(threads()) - before if each.name.startswith("asyncio")]


def test_a_loop_that_watches_no_sockets_has_a_thread_wait(engine: Engine, touch: Touch) -> None:
    class Deaf(asyncio.SelectorEventLoop):
        def add_reader(self, *_: Any, **__: Any) -> None:  # type: ignore[override] # whatever it is
            raise NotImplementedError  # as the loop of Windows

    with asyncio.Runner(loop_factory=Deaf) as runner:
        for version in (1, 2):
            sent = [touch("TicketOpened", "anna", str(version), ticket="t")]
            [receipt] = runner.run(engine.append_async(sent))
            assert (receipt.version, receipt.repeat) == (version, False)
