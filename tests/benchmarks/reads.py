"""Reading the log from end to end, and one customer's history."""

from collections.abc import Callable
from functools import cache, partial
from itertools import islice
from statistics import median
from time import perf_counter
from typing import Any

from eventsourcing.persistence import ApplicationRecorder, JSONTranscoder, StoredEvent

from adapters.codec import fact_of
from adapters.engine import Engine
from tests.benchmarks import stock
from tests.benchmarks.appends import fill, fill_stock
from tests.benchmarks.ground import Site
from tests.benchmarks.measures import Work, rate
from tests.benchmarks.touchpoints import events

_STOCK_PAGE = 1_000
_WARM = 10


def _stock_log(site: Site) -> str:
    count = site.sizes.read

    def filled(url: str) -> None:
        factory, recorder = stock.recorder(url)
        with factory:
            fill_stock(recorder, count)

    return site.kept(f"stock {count}", filled)


def _log(site: Site) -> str:
    return site.kept(f"log {site.sizes.read}", partial(fill, site.sizes.read))


def _stock_pages(recorder: ApplicationRecorder, use: Callable[[StoredEvent], object]) -> None:
    start = 1
    while page := recorder.select_notifications(start, _STOCK_PAGE):
        for notification in page:
            use(notification)
        start = page[-1].id + 1


def stock_read(*, decoded: bool) -> Work:
    """The library's recorder, pages of 1,000; each state read by the library's transcoder, or left as it is."""

    def work(site: Site) -> float:
        factory, recorder = stock.recorder(_stock_log(site))
        decode = JSONTranscoder().decode
        with factory:
            use = (lambda event: decode(event.state)) if decoded else lambda _: None
            return rate(site.sizes.read, lambda: _stock_pages(recorder, use))

    return work


def read(*, decoded: bool) -> Work:
    """Our log, as a whole; each decoded to the fact that folds see, or left as it is."""

    def work(site: Site) -> float:
        use: Callable[[Any], object] = fact_of if decoded else lambda _: None
        with Engine.open(_log(site)) as engine:

            def pages() -> None:
                for page in engine.log.pages(engine.log.start(), engine.log.heads()):
                    for stored in page:
                        use(stored)

            return rate(site.sizes.read, pages)

    return work


@cache
def _asked(count: int, histories: int) -> list[str]:
    """Customers whose histories are read: drawn by touchpoint, so that long lives come more often."""
    step = max(1, count // (histories + _WARM))
    return [event["subject"] for event in islice(events(count), 0, None, step)]


def stock_history(site: Site) -> float:
    """The library's recorder and transcoder: one stream, decoded; the median in ms."""
    factory, recorder = stock.recorder(_stock_log(site))
    decode = JSONTranscoder().decode
    with factory:
        return _median_ms(site, lambda subject: [decode(event.state) for event in recorder.select_events(subject)])


def history(site: Site) -> float:
    """Our engine: one customer's effective history, merges and corrections applied; the median in ms."""
    with Engine.open(_log(site)) as engine:
        return _median_ms(site, engine.history)


def _median_ms(site: Site, ask: Callable[[str], object]) -> float:
    took: list[float] = []
    asked = _asked(site.sizes.read, site.sizes.histories)
    for subject in asked[:_WARM]:  # connections are opened and statements prepared
        ask(subject)
    for subject in asked[_WARM:]:
        began = perf_counter()
        found = ask(subject)
        took.append((perf_counter() - began) * 1_000)
        assert found
    return median(took)
