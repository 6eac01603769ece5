"""The figures that /metrics tells, pushed by OTLP over HTTP to a receiver that OpenTelemetry's own variables name.

There is one source of figures: they are read as Prometheus would read them, now and then, in a thread of their own. Of
several worker processes one pushes, for all: sums go on when a worker ends, and nobody adds the same log up twice.

A name here becomes Prometheus' own by the usual translation (`lifecircle.append`, in `s`, is
`lifecircle_append_seconds`), so alerts hold for either way. Only what OpenTelemetry's conventions have a name for is
called as they do.
"""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from importlib.metadata import version
from itertools import pairwise
from threading import Thread
from time import time_ns
from typing import NamedTuple

import structlog
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from adapters import telemetry
from adapters.http.counting import Leadership, service_id
from adapters.http.service import Service
from adapters.settings import LIMITS

_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_INTERVAL_MS = 60_000
"""The specification's default."""

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_LE = "le"
"""By which label Prometheus keeps the buckets of a histogram apart."""

_UNITS = {"seconds": "s", "touchpoints": "{touchpoint}", "subjects": "{subject}", "rows": "{row}"}
"""What the last word of a name says of the unit. Seconds are measured, and part of no name; all else is counted."""

Attributes = dict[str, str | int]

_log = structlog.get_logger("lifecircle.http")


class _Told(NamedTuple):
    """How a figure is told; `adds_up` of what goes up and down, and is told as a sum all the same."""

    name: str
    unit: str
    attributes: Callable[[Mapping[str, str]], Attributes]
    adds_up: bool = False


def _as_labelled(labels: Mapping[str, str]) -> Attributes:
    return dict[str, str | int](labels)


def _of_request(labels: Mapping[str, str]) -> Attributes:
    method, route, status = labels["method"], labels["route"], int(labels["status"])
    told: Attributes = {"http.request.method": "_OTHER" if method == "other" else method, "url.scheme": "http"}
    if route != "none":
        told["http.route"] = route
    if status:  # none where the caller was gone
        told["http.response.status_code"] = status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        told["error.type"] = str(status)
    return told


def _of_pool(labels: Mapping[str, str]) -> Attributes:
    told: Attributes = {f"db.client.connection.{name}": value for name, value in labels.items()}
    return {"db.client.connection.pool.name": "log", **told}


_BY_CONVENTION = {
    "lifecircle_http_request_seconds": _Told("http.server.request.duration", "s", _of_request),
    "lifecircle_database_connections": _Told("db.client.connection.count", "{connection}", _of_pool, adds_up=True),
    "lifecircle_database_waiting": _Told("db.client.connection.pending_requests", "{request}", _of_pool, adds_up=True),
}


def _told(name: str) -> _Told:
    if name in _BY_CONVENTION:
        return _BY_CONVENTION[name]
    unit = _UNITS.get(name.rpartition("_")[2], "")
    return _Told(name.removesuffix("_seconds").replace("_", ".", 1), unit, _as_labelled)


class Read(NamedTuple):
    """Where the figures of one service are read.

    whose: its tenant, where the server has several; since_ns: since when its sums add up.
    """

    whose: Attributes
    since_ns: int
    figures: CollectorRegistry


def converted(read: Iterable[Read], at_ns: int) -> list[Metric]:
    """The figures of all services as OpenTelemetry has them, each metric once, with the points of all."""
    found: dict[str, list[tuple[Read, Family]]] = {}
    for each in read:
        for family in each.figures.collect():
            found.setdefault(family.name, []).append((each, family))
    metrics = [_metric(_told(name), of_each, at_ns) for name, of_each in found.items()]
    return [metric for metric in metrics if metric.data.data_points]


def _metric(told: _Told, of_each: Sequence[tuple[Read, Family]], at_ns: int) -> Metric:
    _, family = of_each[0]
    data: Gauge | Histogram | Sum
    if family.type == "histogram":
        data = Histogram([point for each in of_each for point in _histograms(told, *each, at_ns)], _CUMULATIVE)
    else:
        points = [point for each in of_each for point in _numbers(told, *each, at_ns)]
        counted = family.type == "counter"
        data = Sum(points, _CUMULATIVE, is_monotonic=counted) if counted or told.adds_up else Gauge(points)
    return Metric(told.name, family.documentation, told.unit, data)


def _numbers(told: _Told, read: Read, family: Family, at_ns: int) -> Iterator[NumberDataPoint]:
    for sample in family.samples:
        if not sample.name.endswith("_created"):
            value = sample.value if told.unit == "s" else int(sample.value)
            yield NumberDataPoint(told.attributes(sample.labels) | read.whose, read.since_ns, at_ns, value)


def _histograms(told: _Told, read: Read, family: Family, at_ns: int) -> Iterator[HistogramDataPoint]:
    up_to: dict[frozenset[tuple[str, str]], dict[float, float]] = {}
    sums: dict[frozenset[tuple[str, str]], float] = {}
    for sample in family.samples:
        labels = frozenset((name, value) for name, value in sample.labels.items() if name != _LE)
        if sample.name.endswith("_bucket"):
            up_to.setdefault(labels, {})[float(sample.labels[_LE])] = sample.value
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    for labels, counts in up_to.items():
        bounds = sorted(counts)
        below = [0, *(int(counts[bound]) for bound in bounds)]
        yield HistogramDataPoint(
            attributes=told.attributes(dict(labels)) | read.whose,
            start_time_unix_nano=read.since_ns,
            time_unix_nano=at_ns,
            count=below[-1],
            sum=sums[labels],
            bucket_counts=[upper - lower for lower, upper in pairwise(below)],
            explicit_bounds=[bound for bound in bounds if bound < math.inf],
            min=None,  # type: ignore[arg-type]  # nobody kept them, and they are left out
            max=None,  # type: ignore[arg-type]
        )


@asynccontextmanager
async def pushing_figures(services: Callable[[], Mapping[str, Service]]) -> AsyncIterator[None]:
    """Push the figures of services, by the names of their tenants, until the block ends; then once more."""
    pusher, ended = _Pusher(services), asyncio.Event()
    task = asyncio.create_task(pusher.push_until(ended))
    try:
        yield
    finally:
        ended.set()
        # A receiver that is away is not waited for long.
        with suppress(TimeoutError):
            await asyncio.wait_for(task, LIMITS.telemetry_stop_s)
        pusher.close()


class _Pusher:
    """What pushes figures. Belongs to one event loop, which waits for no receiver."""

    def __init__(self, services: Callable[[], Mapping[str, Service]]) -> None:
        self._services = services
        self._leadership = Leadership()
        self._resource = telemetry.resource(service_id())
        self._scope = InstrumentationScope("lifecircle", version("lifecircle"))
        self._exporter = OTLPMetricExporter()

    async def push_until(self, ended: asyncio.Event) -> None:
        """Push again and again, and a last time when it is ended."""
        interval_s = _interval_s()
        last = False
        while not last:
            with suppress(TimeoutError):
                last = await asyncio.wait_for(ended.wait(), interval_s)
            if self._leadership.ours():
                try:
                    await self._push()
                except Exception as error:  # noqa: BLE001 - nothing that is wrong with figures may end them
                    _log.error("figures were not pushed", exc_info=error)

    def close(self) -> None:
        """Give up what is under way."""
        self._exporter.shutdown()
        self._leadership.close()

    async def _push(self) -> None:
        found = await asyncio.gather(*(_read(*each) for each in self._services().items()))
        done: Future[None] = Future()

        def push() -> None:
            try:
                self._export([each for each in found if each])
            except BaseException as error:  # noqa: BLE001 - whatever it was, whoever waits must learn of it
                done.set_exception(error)
            else:
                done.set_result(None)

        # None of the loop's own threads, for these are waited for at the end.
        Thread(target=push, name="figures", daemon=True).start()
        await asyncio.shield(asyncio.wrap_future(done))

    def _export(self, read: Iterable[Read]) -> None:
        of_scope = ScopeMetrics(self._scope, converted(read, time_ns()), "")
        self._exporter.export(MetricsData([ResourceMetrics(self._resource, [of_scope], "")]))  # which logs what fails


async def _read(tenant: str, service: Service) -> Read | None:
    """Where those of one service are read; None where they cannot be, and those of the others are."""
    assert service.metrics is not None  # noqa: S101 - what pushes comes with what counts
    try:
        service.sample()
        figures = service.metrics.figures(await service.examiner.health())
    except Exception as error:  # noqa: BLE001 - see above
        _log.error("figures were not read", exc_info=error, tenant=tenant)
        return None
    return Read({"tenant": tenant} if tenant else {}, service.metrics.since_ns, figures)


def _interval_s() -> float:
    said = os.environ.get(_INTERVAL) or str(_INTERVAL_MS)
    if said.isascii() and said.isdigit() and int(said) > 0:
        return int(said) / 1_000
    # Refused by nobody who reads this variable: the specification has it so.
    _log.warning("variable is no number of milliseconds", variable=_INTERVAL, taken_ms=_INTERVAL_MS)
    return _INTERVAL_MS / 1_000
