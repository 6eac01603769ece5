"""Appending, one way after the other. Each answers touchpoints a second.

Ours begins with what a caller has (a CloudEvent) and ends with what a caller gets (a receipt): it validates and
encodes inside the measured time. The library's recorders are given encoded events.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import islice
from time import monotonic
from typing import Any

from eventsourcing.persistence import ApplicationRecorder, StoredEvent

from adapters.clock import clock_us
from adapters.codec import draft_of, read_touchpoint
from adapters.engine import Engine
from adapters.log import Draft, Log, Receipt
from adapters.privacy.keyring import Unsettled
from adapters.privacy.sealing import Sealing
from domain.compiled import Appendable
from domain.touchpoint import Fact
from tests.benchmarks import stock
from tests.benchmarks.ground import Site
from tests.benchmarks.measures import Work, rate
from tests.benchmarks.touchpoints import envelopes, events

BATCH = 1_000

WARM = 10
"""So many go in before the clock starts: connections are open then, and statements planned, on both sides."""


@cache
def given(count: int) -> Sequence[dict[str, Any]]:
    """So many CloudEvents, made once."""
    return list(events(count))


@cache
def encoded(count: int) -> Sequence[StoredEvent]:
    """The same as the library's stored events."""
    return stock.stored_events(envelopes(count), {})


def apart(stored: Sequence[StoredEvent], producer: str = "") -> list[StoredEvent]:
    """Each under a subject of its own, so that no two producers conflict."""
    return [
        StoredEvent(f"{event.originator_id}/{producer}{at}", 1, event.topic, event.state)
        for at, event in enumerate(stored)
    ]


def append_one(engine: Engine, event: Mapping[str, Any], *, strict: bool = False) -> list[Receipt]:
    """Validate and append one event as a service would."""
    return engine.append([read_touchpoint(event, clock_us(), engine.company)], strict=strict)


async def append_one_async(engine: Engine, event: Mapping[str, Any]) -> list[Receipt]:
    """The same from a task."""
    return await engine.append_async([read_touchpoint(event, clock_us(), engine.company)])


def stock_append_1(site: Site) -> float:
    """The library's recorder, an event a call."""
    factory, recorder = stock.recorder(site.fresh())
    with factory:
        stored = encoded(WARM + site.sizes.alone)
        _each(lambda event: recorder.insert_events([event]), stored[:WARM])
        return rate(site.sizes.alone, lambda: [recorder.insert_events([event]) for event in stored[WARM:]])


def append_1(site: Site) -> float:
    """Our engine, a touchpoint a call."""
    with Engine.create(site.fresh()) as engine:
        items = given(WARM + site.sizes.alone)
        _each(partial(append_one, engine), items[:WARM])
        return rate(site.sizes.alone, lambda: [append_one(engine, event) for event in items[WARM:]])


def in_threads(items: Sequence[Any], producers: int, work: Callable[[Any], object]) -> float:
    """Share items out to threads, each of which does its own one by one."""
    with ThreadPoolExecutor(producers) as pool:
        # The threads are made, and their connections opened, before the clock starts.
        warm, rest = items[:producers], items[producers:]
        list(pool.map(work, warm))
        shares = [rest[at::producers] for at in range(producers)]
        return rate(len(rest), lambda: list(pool.map(lambda share: [work(item) for item in share], shares)))


async def in_tasks(items: Sequence[Any], producers: int, work: Callable[[Any], Any]) -> None:
    """Share items out to tasks of one loop, each of which does its own one by one."""

    async def produce(share: Sequence[Any]) -> None:
        for item in share:
            await work(item)

    await asyncio.gather(*(produce(items[at::producers]) for at in range(producers)))


def stock_append_64(site: Site) -> float:
    """The library's recorder, 64 threads."""
    factory, recorder = stock.recorder(site.fresh())
    producers = site.sizes.producers
    with factory:
        stored = apart(encoded(producers * (site.sizes.append_peer + 1)))
        return in_threads(stored, producers, lambda event: recorder.insert_events([event]))


def append_64_threads(site: Site) -> float:
    """Our engine, 64 threads that commit in groups."""
    producers = site.sizes.producers
    with Engine.create(site.fresh()) as engine:
        items = given(producers * (site.sizes.append + 1))
        return in_threads(items, producers, partial(append_one, engine))


def append_tasks(
    site: Site,
    producers: int = 0,
    create: Callable[[str], Engine] = Engine.create,
    made: Callable[[int], Sequence[dict[str, Any]]] = given,
) -> float:
    """Our engine, as many tasks of one event loop, 64 when not given, that commit in groups."""
    producers = producers or site.sizes.producers
    with create(site.fresh()) as engine:
        items = made(producers * (site.sizes.append + 1))
        work = partial(append_one_async, engine)
        asyncio.run(in_tasks(items[:producers], producers, work))
        rest = items[producers:]
        return rate(len(rest), lambda: asyncio.run(in_tasks(rest, producers, work)))


_IN_WORDS = {
    "type": "ContactMade",
    "data": {
        "mode": "call",
        "direction": "inbound",
        "person": "rosa",
        "content": "asked whether the bicycle can be brought to the new flat, as the knee still hurts",
    },
}


@cache
def personal(count: int) -> Sequence[dict[str, Any]]:
    """So many CloudEvents of which each holds a customer's words, made once."""
    return [event | _IN_WORDS for event in given(count)]


@cache
def partly_personal(count: int) -> Sequence[dict[str, Any]]:
    """So many CloudEvents of all kinds, of which each contact holds a customer's words, made once."""
    return [event | _IN_WORDS if event["type"] == "ContactMade" else event for event in given(count)]


class _Unsealing(Sealing):
    def draft(
        self,
        envelope: Appendable,
        recordedby: str,
        stream: str | None = None,
        original: Fact | None = None,  # noqa: ARG002 - nothing is sealed, so nothing must be known
    ) -> Draft:
        return draft_of(envelope, recordedby, stream)

    def draft_at_once(self, envelope: Appendable, recordedby: str, unsettled: list[Unsettled]) -> Draft:  # noqa: ARG002 - as above
        return draft_of(envelope, recordedby)

    def lacking(self, touchpoints: Iterable[Appendable]) -> list[str]:  # noqa: ARG002 - as above
        return []


class Unsealed(Engine):
    """The engine with its sealing left out, to see what that costs."""

    def __init__(self, url: str, log: Log) -> None:
        super().__init__(url, log)
        self.sealing = _Unsealing(log, self.sealing.keyring)


append_sealed = partial(append_tasks, made=personal)
append_unsealed = partial(append_tasks, made=personal, create=Unsealed.create)
append_partly_sealed = partial(append_tasks, made=partly_personal)
append_partly_unsealed = partial(append_tasks, made=partly_personal, create=Unsealed.create)


def stock_batch(size: int) -> Work:
    """The library's recorder, so many events a call."""

    def work(site: Site) -> float:
        factory, recorder = stock.recorder(site.fresh())
        with factory:
            made = encoded(WARM + batched_count(site, size))
            stored = made[WARM:]
            _each(lambda event: recorder.insert_events([event]), made[:WARM])
            batches = [stored[at : at + size] for at in range(0, len(stored), size)]
            return rate(len(stored), lambda: [recorder.insert_events(batch) for batch in batches])

    return work


def batched_count(site: Site, size: int) -> int:
    """How many touchpoints go in batches of a size."""
    return site.sizes.batches * (BATCH if size >= BATCH else 3 * size)


def batch(size: int) -> Work:
    """Our engine, so many touchpoints a call."""

    def work(site: Site) -> float:
        with Engine.create(site.fresh()) as engine:
            made = given(WARM + batched_count(site, size))
            items = made[WARM:]
            _each(partial(append_one, engine), made[:WARM])

            def appended() -> None:
                clock = clock_us()
                batches = (items[at : at + size] for at in range(0, len(items), size))
                read = (([read_touchpoint(event, clock, engine.company)] for event in batch) for batch in batches)
                for verdicts in engine.append_batches(read):
                    assert len(verdicts) == size

            return rate(len(items), appended)

    return work


def fill(count: int, url: str) -> None:
    """Make a log of so many touchpoints."""
    with Engine.create(url) as engine:
        kept = envelopes(count)
        batches = iter(lambda: [[envelope] for envelope in islice(kept, BATCH)], [])
        stored = sum(len(verdicts) for verdicts in engine.append_batches(batches))
        assert stored == count


def fill_stock(recorder: ApplicationRecorder, count: int) -> None:
    """The same in a log of the library's."""
    kept, versions = envelopes(count), dict[str, int]()
    # In one call of many thousands, the library's pipeline and the server wait for each other for ever.
    while stored := stock.stored_events(islice(kept, BATCH), versions):
        recorder.insert_events(stored)


def _on_subject(subject: str, number: int) -> dict[str, Any]:
    about = {
        "specversion": "1.0",
        "source": "shop/web",
        "type": "OpportunityOpened",
        "time": "2025-06-01T12:00:00+00:00",
    }
    return about | {"id": f"e-{number}", "subject": subject, "data": {"opportunity": f"d-{number}"}}


_STRICT = 50
"""Strict appends to one subject, one by one."""


def long_life(site: Site) -> dict[str, float]:
    """Plain and strict appends to a subject with a very long life, against one with ten touchpoints."""
    speeds: dict[tuple[str, str], float] = {}
    with Engine.create(site.fresh()) as engine:
        for subject, length in (("long", site.sizes.long_life), ("short", 10)):
            numbers = iter(range(length + site.sizes.alone + _STRICT + 2))
            for at in range(0, length, BATCH):
                batch = [_on_subject(subject, number) for number in islice(numbers, min(BATCH, length - at))]
                engine.append_each([[read_touchpoint(event, clock_us(), engine.company)] for event in batch])
            for way, times in (("append", site.sizes.alone), ("strict", _STRICT)):
                work = partial(append_one, engine, strict=way == "strict")
                work(_on_subject(subject, next(numbers)))  # what is kept in memory of a subject is made
                items = [_on_subject(subject, number) for number in islice(numbers, times)]
                speeds[way, subject] = rate(times, partial(_each, work, items))
    found: dict[str, float] = {}
    for way in ("append", "strict"):
        found[f"long_life_{way}_x"] = speeds[way, "long"] / speeds[way, "short"]
        found[f"long_life_{way}_per_s"] = speeds[way, "long"]
    return found


def _each(work: Callable[[Any], object], items: Sequence[Any]) -> None:
    for item in items:
        work(item)


def hot_customer(site: Site) -> dict[str, float]:
    """All producers append to one subject for a while, as tasks and as threads: how far the fastest is ahead."""
    producers, seconds = site.sizes.producers, site.sizes.hot_s
    found: dict[str, float] = {}
    with Engine.create(site.fresh()) as engine:
        made = [0] * producers
        ends = monotonic() + seconds

        async def produce(producer: int) -> None:
            while monotonic() < ends:
                await append_one_async(engine, _on_subject("hot", made[producer] * producers + producer))
                made[producer] += 1

        async def all_produce() -> None:
            await asyncio.gather(*map(produce, range(producers)))

        asyncio.run(all_produce())
        found |= {"hot_customer_x": max(made) / max(1, min(made)), "hot_customer_per_s": sum(made) / seconds}

        made = [0] * producers
        ends = monotonic() + seconds

        def produce_in_thread(producer: int) -> None:
            while monotonic() < ends:
                append_one(engine, _on_subject("hotter", made[producer] * producers + producer))
                made[producer] += 1

        with ThreadPoolExecutor(producers) as pool:
            list(pool.map(produce_in_thread, range(producers)))
    found["hot_customer_threads_x"] = max(made) / max(1, min(made))
    return found | {"hot_customer_threads_per_s": sum(made) / seconds}
