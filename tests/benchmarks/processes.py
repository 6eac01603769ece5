"""Appending from several processes at once, each with several producers of its own."""

import asyncio
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from time import monotonic

from adapters.engine import Engine
from tests.benchmarks import stock
from tests.benchmarks.appends import apart, append_one_async, in_tasks, in_threads
from tests.benchmarks.ground import Site
from tests.benchmarks.touchpoints import envelopes, events

_START_MAX_S = 120

_ready: Barrier


def _begin(ready: Barrier) -> None:
    global _ready
    _ready = ready


def append_processes(site: Site) -> float:
    """Our engine, in each process tasks that commit in groups."""
    url = site.fresh()
    Engine.create(url).close()
    return _at_once(site, site.sizes.append, partial(_ours, url))


def stock_append_processes(site: Site) -> float:
    """The library's recorder, in each process threads."""
    url = site.fresh()
    factory, _ = stock.recorder(url)
    factory.close()
    return _at_once(site, site.sizes.append_peer, partial(_stock, url))


def _at_once(site: Site, each: int, work: Callable[[int, int, int], tuple[float, float]]) -> float:
    """Run a work in every process, all beginning at once; answer touchpoints a second of all together."""
    processes = site.sizes.processes
    producers = max(1, site.sizes.producers // processes)
    context = get_context("spawn")
    # A process that fails breaks the barrier, so that all of them fail instead of waiting.
    with context.Pool(processes, _begin, (context.Barrier(processes, timeout=_START_MAX_S),)) as pool:
        times = pool.starmap(work, [(number, producers, each) for number in range(processes)], chunksize=1)
    began, ended = zip(*times, strict=True)
    elapsed: float = max(ended) - min(began)
    return processes * producers * each / elapsed


def _ours(url: str, process: int, producers: int, each: int) -> tuple[float, float]:
    items = list(events(producers * (each + 1), seed=process + 1))
    with Engine.open(url) as engine:
        work = partial(append_one_async, engine)
        asyncio.run(in_tasks(items[:producers], producers, work))
        began = _all_ready()
        asyncio.run(in_tasks(items[producers:], producers, work))
        return began, monotonic()


def _stock(url: str, process: int, producers: int, each: int) -> tuple[float, float]:
    stored = apart(stock.stored_events(envelopes(producers * (each + 1)), {}), f"{process}/")
    factory, recorder = stock.recorder(url, connections=producers, made=True)
    with factory:
        in_threads(stored[:producers], producers, lambda event: recorder.insert_events([event]))
        began = _all_ready()
        in_threads(stored[producers:], producers, lambda event: recorder.insert_events([event]))
        return began, monotonic()


def _all_ready() -> float:
    try:
        _ready.wait()
    except BrokenBarrierError:
        raise RuntimeError("another process failed before the start") from None
    return monotonic()
