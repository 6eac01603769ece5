"""Figures of the service: what its processes counted, added up, and how the log stands.

Labels are outcomes, routes, statuses, views and subscriptions: a bounded number, and never a customer. Several worker
processes count in files of one folder, which the parent makes; whichever is asked adds them up.
"""

import os
from bisect import bisect_left
from collections import Counter as CountOf
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from adapters.engine import Engine
from adapters.health import Health, Trouble
from adapters.http.counting import COUNTS, counting_since_ns
from adapters.log import Receipt
from domain.errors import IdReused, LifecircleError, LogUnavailable, RepeatMixedWithNew, VersionConflict

OUTCOMES = ("new", "repeat", "conflict", "refused", "unknown")
"""What may become of a touchpoint that was sent: `unknown` is what a database that was lost could not say."""

_LOG = "log"
"""The label by which what several logs of one process count is kept apart."""

_REQUEST = ("method", "route", "status")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TOUCHPOINTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


@runtime_checkable
class Pooled(Protocol):
    """A log whose database is a server."""

    def connections(self) -> tuple[int, int, int]:
        """How many connections are in use, how many idle, and how many callers wait for one."""
        ...


class _Histogram(Histogram):
    """A histogram that takes several amounts at once, each of its figures changing once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Do as `observe` does for each of them."""
        self._sum.inc(sum(amounts))
        for place, count in CountOf(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
            self._buckets[place].inc(count)


class Metrics:
    """The figures of one process about one log; where it serves several, each has its own."""

    def __init__(self, log: str) -> None:
        """Begin to count; `log` tells this log's figures from those of others, and is never told."""
        self.since_ns = counting_since_ns()
        self._log = log
        self._registry = CollectorRegistry()
        self._requests = self._histogram(
            "http_request_seconds", "Until the answer to a request began", _SECONDS, _REQUEST
        )
        self._touchpoints = self._counter(
            "touchpoints", "Touchpoints that were sent, by what became of them", "outcome"
        )
        self._appends = self._histogram("append_seconds", "From a request's touchpoints to their receipts", _SECONDS)
        self._rounds = self._histogram("round_seconds", "Storing a round of group commit", _SECONDS)
        self._sizes = self._histogram("round_touchpoints", "Touchpoints in a round of group commit", _TOUCHPOINTS)
        self._under_way = self._gauge("appends_under_way", "Requests to append")
        self._followers = self._gauge("followers", "Followers of the log")
        self._connections = self._gauge("database_connections", "Connections to the database server", "state")
        self._waiting = self._gauge("database_waiting", "Callers that wait for a connection")
        # Looked up once: a label's value costs more to find than to count.
        self._by_outcome = {outcome: self._touchpoints.labels(log, outcome) for outcome in OUTCOMES}
        self._by_request: dict[tuple[str, str, int], _Histogram] = {}
        self._append, self._round, self._size = (
            each.labels(log) for each in (self._appends, self._rounds, self._sizes)
        )

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"lifecircle_{name}", said, (_LOG, *labels), registry=self._registry)

    def _histogram(self, name: str, said: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> _Histogram:
        return _Histogram(f"lifecircle_{name}", said, (_LOG, *labels), buckets=buckets, registry=self._registry)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        named = (_LOG, *labels)
        return Gauge(f"lifecircle_{name}", said, named, multiprocess_mode="livesum", registry=self._registry)

    def requests(self, answered: Iterable[tuple[str, str, int, float]]) -> None:
        """Count answers by method, route and status, and how many seconds each took to begin."""
        found: dict[tuple[str, str, int], list[float]] = {}
        for method, route, status, seconds in answered:
            found.setdefault((method, route, status), []).append(seconds)
        for key, each_seconds in found.items():
            if (histogram := self._by_request.get(key)) is None:
                histogram = self._by_request[key] = self._requests.labels(self._log, *map(str, key))
            histogram.observe_all(each_seconds)

    def appended(self, outcomes: Iterable[Receipt | LifecircleError], each_seconds: Sequence[float]) -> None:
        """Count what became of the touchpoints of some requests, and how long each of those took."""
        for outcome, count in CountOf(map(_outcome, outcomes)).items():
            self._by_outcome[outcome].inc(count)
        self._append.observe_all(each_seconds)

    def stored(self, touchpoints: int, seconds: float) -> None:
        """Count a round of group commit."""
        self._size.observe(touchpoints)
        self._round.observe(seconds)

    def sample(self, engine: Engine, appends: int, followers: int) -> None:
        """Take down what changes without anybody counting it."""
        self._under_way.labels(self._log).set(appends)
        self._followers.labels(self._log).set(followers)
        if isinstance(engine.log, Pooled):
            used, idle, waiting = engine.log.connections()
            self._connections.labels(self._log, "used").set(used)
            self._connections.labels(self._log, "idle").set(idle)
            self._waiting.labels(self._log).set(waiting)

    def exposition(self, health: Health) -> bytes:
        """All figures as Prometheus reads them."""
        return generate_latest(self.figures(health))

    def figures(self, health: Health) -> CollectorRegistry:
        """All figures as they stand when they are collected: those of every process, and how the log stands."""
        counted = self._registry
        if folder := os.environ.get(COUNTS):
            _forget_the_dead(Path(folder))
            counted = CollectorRegistry()
            MultiProcessCollector(counted, folder)  # type: ignore[no-untyped-call]
        told = CollectorRegistry()
        told.register(_Of(self._log, counted))
        told.register(_Standing(health))
        return told


class _Of(Collector):
    """What was counted about one log."""

    def __init__(self, log: str, counted: CollectorRegistry) -> None:
        self._log = log
        self._counted = counted

    def collect(self) -> Iterator[Metric]:
        for family in self._counted.collect():
            found = [sample for sample in family.samples if sample.labels[_LOG] == self._log]
            family.samples = [
                each._replace(labels={k: v for k, v in each.labels.items() if k != _LOG}) for each in found
            ]
            yield family


def _outcome(found: Receipt | LifecircleError) -> str:
    if isinstance(found, Receipt):
        return "repeat" if found.repeat else "new"
    if isinstance(found, (IdReused, VersionConflict, RepeatMixedWithNew)):
        return "conflict"
    return "unknown" if isinstance(found, LogUnavailable) else "refused"


def _forget_the_dead(folder: Path) -> None:
    """What a killed worker had under way is under way no more; what it counted stays counted."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another process was asked at the same moment
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


class _Standing(Collector):
    """How the log stands, and all that follows it."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        health = self._health
        yield _gauge("ready", "Whether touchpoints can be appended", {(): health.ready})
        counts = {(str(trouble),): sum(cause.trouble is trouble for cause in health.causes) for trouble in Trouble}
        yield _gauge("trouble", "What is wrong, by its name: how often", counts, "trouble")
        if health.heads is None:
            return  # nothing else is known
        yield _gauge("log_touchpoints", "Touchpoints in the log", {(): sum(health.heads.numbers)})
        yield _gauge("quarantined_rows", "Rows that wait in quarantine", {(): health.quarantined})
        views = [view for view in health.views if view.generation]
        yield from _family(
            "view",
            "A view",
            [view.view for view in views],
            {
                "lag_touchpoints": ("touchpoints that it does not show yet", [view.lag for view in views]),
                "lag_seconds": ("for how long the first of them has been waiting", [view.lag_s for view in views]),
                "live": ("whether it is built as it is defined", [view.state == "live" for view in views]),
                "parked_subjects": ("subjects whose fold failed", [view.parked for view in views]),
            },
        )
        if health.sealed:
            yield _gauge("seal_lag_touchpoints", "Touchpoints that are not sealed yet", {(): health.sealed.touchpoints})
            waiting = {(): health.sealed.seconds(health.at)}
            yield _gauge("seal_lag_seconds", "For how long the first of them has been waiting", waiting)
        ways = health.subscriptions
        yield from _family(
            "subscription",
            "A subscription",
            [way.standing.wanted.name for way in ways],
            {
                "lag_touchpoints": (
                    "touchpoints that it has not gone through yet",
                    [way.lag.touchpoints for way in ways],
                ),
                "lag_seconds": ("for how long the first of them waits", [way.lag.seconds(health.at) for way in ways]),
                "parked_subjects": ("subjects that are not tried again", [way.standing.parked for way in ways]),
                "failures": ("how often in a row nothing was taken", [way.standing.failures for way in ways]),
                "paused": ("whether it rests where it is", [way.standing.paused for way in ways]),
            },
        )


def _family(
    label: str, of: str, names: Sequence[str], figures: dict[str, tuple[str, Sequence[float]]]
) -> Iterator[GaugeMetricFamily]:
    """Figures of several things of one sort, each known by its name."""
    for figure, (said, values) in figures.items():
        told = {(name,): value for name, value in zip(names, values, strict=True)}
        yield _gauge(f"{label}_{figure}", f"{of}: {said}", told, label)


def _gauge(name: str, said: str, figures: Mapping[Any, float], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"lifecircle_{name}", said, labels=labels)
    for values, figure in figures.items():
        family.add_metric(values, float(figure))
    return family
