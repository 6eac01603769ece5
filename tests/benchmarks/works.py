"""The works that are compared. Each prepares on an empty database, then answers touchpoints a second.

Ours begins with what a caller has (a CloudEvent, a CSV file) and ends with what a caller gets (receipts, tables): it
parses, validates and encodes inside the measured time. The library's recorders are given encoded events.
"""

import asyncio
import csv
import gc
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import psycopg
from eventsourcing.persistence import ApplicationRecorder, JSONTranscoder, StoredEvent

from adapters.addresses import open_tables
from adapters.codec import draft_of, fact_of, read_envelope
from adapters.engine import Engine, clock_us
from adapters.idkey import make_id_key
from adapters.log import Receipt
from adapters.rebuild import rebuild
from adapters.sources.importer import import_file
from adapters.sources.mapping import Mapping
from domain.touchpoint import Envelope
from projections import view_named
from tests.benchmarks import stock
from tests.benchmarks.touchpoints import envelopes, events

ONE_BY_ONE = 300
THREADS = 64
EACH_THREAD = 40
BATCHES, BATCH = 10, 1_000
READ = 60_000
REBUILD, STOCK_REBUILD = 200_000, 3_000
IMPORT = 60_000
THREE_VIEWS = ("contacts", "opportunities", "loyalty")


@cache
def _given(count: int) -> Sequence[dict[str, Any]]:
    return list(events(count, customers=max(100, count // 10)))


@cache
def _validated(count: int) -> Sequence[Envelope]:
    return envelopes(count, customers=max(100, count // 10))


def _rate(count: int, work: Callable[[], object]) -> float:
    # What the harness itself holds in memory must not make the collector run longer than in a real process.
    gc.collect()
    gc.freeze()
    began = perf_counter()
    work()
    return count / (perf_counter() - began)


def stock_append_1(url: str) -> float:
    """The library's recorder, an event a call."""
    factory, recorder = stock.recorder(url)
    with factory:
        stored = stock.stored_events(_validated(ONE_BY_ONE), {})
        return _rate(len(stored), lambda: [recorder.insert_events([event]) for event in stored])


def append_1(url: str) -> float:
    """Our engine, a touchpoint a call."""
    with Engine.create(url) as engine:
        given = _given(ONE_BY_ONE)
        return _rate(len(given), lambda: [_append(engine, event) for event in given])


def _append(engine: Engine, event: dict[str, Any]) -> list[Receipt]:
    return engine.append([read_envelope(event, clock_us(), engine.company)])


def _shares(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[thread::THREADS] for thread in range(THREADS)]


def _in_threads(items: Sequence[Any], work: Callable[[Any], object]) -> float:
    with ThreadPoolExecutor(THREADS) as pool:
        # The threads are made, and their connections opened, before the clock starts.
        warm, rest = items[:THREADS], items[THREADS:]
        list(pool.map(work, warm))
        return _rate(len(rest), lambda: list(pool.map(lambda share: [work(item) for item in share], _shares(rest))))


def stock_append_64(url: str) -> float:
    """The library's recorder, 64 threads; each has subjects of its own, so that nobody conflicts."""
    factory, recorder = stock.recorder(url)
    with factory:
        kept = _validated(THREADS * (EACH_THREAD + 1))
        stored = [
            StoredEvent(f"{event.originator_id}/{at}", 1, event.topic, event.state)
            for at, event in enumerate(stock.stored_events(kept, {}))
        ]
        return _in_threads(stored, lambda event: recorder.insert_events([event]))


def append_64_threads(url: str) -> float:
    """Our engine, 64 threads that commit in groups."""
    with Engine.create(url) as engine:
        return _in_threads(_given(THREADS * (EACH_THREAD + 1)), lambda event: _append(engine, event))


def append_64(url: str) -> float:
    """Our engine, 64 tasks of one event loop that commit in groups."""
    with Engine.create(url) as engine:

        async def produce(events: Sequence[dict[str, Any]]) -> None:
            for event in events:
                await engine.append_async([read_envelope(event, clock_us(), engine.company)])

        async def all_produce(shares: Sequence[Sequence[dict[str, Any]]]) -> None:
            await asyncio.gather(*map(produce, shares))

        given = _given(THREADS * (EACH_THREAD + 1))
        asyncio.run(all_produce(_shares(given[:THREADS])))
        return _rate(len(given) - THREADS, lambda: asyncio.run(all_produce(_shares(given[THREADS:]))))


def stock_batch(url: str) -> float:
    """The library's recorder, 1,000 events a call."""
    factory, recorder = stock.recorder(url)
    with factory:
        stored = stock.stored_events(_validated(BATCHES * BATCH), {})
        batches = [stored[at : at + BATCH] for at in range(0, len(stored), BATCH)]
        return _rate(len(stored), lambda: [recorder.insert_events(batch) for batch in batches])


def batch(url: str) -> float:
    """Our engine, 1,000 touchpoints a call."""
    with Engine.create(url) as engine:
        given = _given(BATCHES * BATCH)

        def appended() -> None:
            clock = clock_us()
            batches = (given[at : at + BATCH] for at in range(0, len(given), BATCH))
            read = (([read_envelope(event, clock, engine.company)] for event in batch) for batch in batches)
            for verdicts in engine.append_batches(read):
                assert len(verdicts) == BATCH

        return _rate(len(given), appended)


def _filled_stock(url: str) -> tuple[Any, ApplicationRecorder]:
    factory, recorder = stock.recorder(url)
    stored = stock.stored_events(_validated(READ), {})
    # In one call of many thousands, the library's pipeline and the server wait for each other for ever.
    for at in range(0, READ, BATCH):
        recorder.insert_events(stored[at : at + BATCH])
    return factory, recorder


def _fill(engine: Engine, count: int) -> None:
    kept = _validated(count)
    for at in range(0, count, 5_000):
        engine.append_each([[envelope] for envelope in kept[at : at + 5_000]])


def _stock_pages(recorder: ApplicationRecorder, use: Callable[[StoredEvent], object]) -> None:
    start = 1
    while page := recorder.select_notifications(start, 1_000):
        for notification in page:
            use(notification)
        start = page[-1].id + 1


def stock_read(url: str) -> float:
    """The library's recorder, pages of 1,000."""
    factory, recorder = _filled_stock(url)
    with factory:
        return _rate(READ, lambda: _stock_pages(recorder, lambda _: None))


def stock_read_decoded(url: str) -> float:
    """The same, each state read back by the library's transcoder."""
    factory, recorder = _filled_stock(url)
    with factory:
        decode = JSONTranscoder().decode
        return _rate(READ, lambda: _stock_pages(recorder, lambda event: decode(event.state)))


def read(url: str) -> float:
    """Our log, in pages of the size that followers read."""
    return _read(url, lambda _: None)


def read_decoded(url: str) -> float:
    """The same, each decoded to the fact that folds see."""
    return _read(url, fact_of)


def _read(url: str, use: Callable[[Any], object]) -> float:
    with Engine.create(url) as engine:
        _fill(engine, READ)

        def pages() -> None:
            cursor = engine.log.start()
            while page := engine.log.read(cursor, 5_000):
                for stored in page:
                    use(stored)
                cursor = cursor.advanced(page[-1].bucket, page[-1].number)

        return _rate(READ, pages)


def stock_rebuild(url: str) -> float:
    """The library's ProjectionRunner, one event a transaction."""
    return STOCK_REBUILD / stock.rebuild(url, _validated(STOCK_REBUILD))


def rebuild_three(url: str) -> float:
    """Our rebuild of three views, to the switch."""
    with Engine.create(url) as engine:
        _fill(engine, REBUILD)
        chosen = {name: view_named(name) for name in THREE_VIEWS}
        tables = open_tables(url, engine.company, chosen)
        return _rate(REBUILD, lambda: rebuild(engine.log, tables, engine.company, THREE_VIEWS))


def bare_copy(url: str) -> float:
    """PostgreSQL's COPY of ready rows into a table such as ours, with its indexes, and nothing else."""
    with Engine.create(url):
        pass
    drafts = [draft_of(envelope, "bench") for envelope in _validated(IMPORT)]
    versions: dict[str, int] = {}
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:

        def copy() -> None:
            columns = "bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state"
            with cursor.copy(f"COPY lifecircle.touchpoints ({columns}) FROM STDIN") as stream:
                for number, draft in enumerate(drafts, start=1):
                    versions[draft.stream] = version = versions.get(draft.stream, 0) + 1
                    named = (draft.kind, draft.id, draft.source, draft.occurred, 1, draft.recordedby, draft.state)
                    stream.write_row((1, number, draft.stream, version, *named))

        return _rate(IMPORT, copy)


_MAPPING = """
name = "bench"
source = "bench"
zone = "Europe/London"

[[touchpoint]]
kind = "OrderPlaced"
subject = "customer"
time = { column = "day", format = "%Y-%m-%d", precision = "date" }

[touchpoint.fields]
order = "order"
total = { column = "price", type = "amount", currency = "GBP" }

[touchpoint.each_row.lines]
sku = "sku"
quantity = { column = "quantity", type = "decimal" }
net = { column = "price", type = "amount", currency = "GBP" }
"""


def import_csv(url: str) -> float:
    """A CSV file through mapping, validation and storing."""
    with Engine.create(url) as engine, TemporaryDirectory() as folder:
        make_id_key(url)
        path = Path(folder) / "orders.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("customer", "order", "day", "sku", "quantity", "price"))
            for number in range(IMPORT):
                day = f"2026-{1 + number % 9:02}-{1 + number % 28:02}"
                writer.writerow((f"c-{number % (IMPORT // 10)}", number, day, f"sku-{number % 500}", 1, "12.50"))
        mapping = Mapping.model_validate(tomllib.loads(_MAPPING))
        return _rate(IMPORT, lambda: import_file(engine, path, mapping, recordedby="bench"))
