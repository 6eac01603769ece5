"""The same figures that /metrics tells, as a receiver of OTLP gets them."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, get_args
from uuid import UUID

import httpx2
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from adapters import telemetry
from adapters.apikeys import ApiKeys, Role
from adapters.http.hosting import Hosting
from adapters.settings import LIMITS
from domain.errors import ExtraMissing
from tests.cli.program import ROOT, Shell, event
from tests.http.calls import orders, send
from tests.http.conftest import served
from tests.http.serving import caller, free_port, serving
from tests.http.test_tenants import OWN_PLACES, write
from tests.watching.receiver import Collected, named, wait_until

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]

BY_CONVENTION = {
    "http.server.request.duration": "lifecircle_http_request_seconds",
    "db.client.connection.count": "lifecircle_database_connections",
    "db.client.connection.pending_requests": "lifecircle_database_waiting",
}
LABELS = {"http.request.method": "method", "http.route": "route", "http.response.status_code": "status"}
"""What Prometheus calls that which OpenTelemetry has names for."""

OWN = "/metrics"
"""The route of which a request is counted once it has told how many there were."""


def scraped(text: str) -> Figures:
    """What Prometheus reads, but for how long it takes to be read."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("route") != OWN and not sample.name.endswith("_created")
    }


def translated(pushed: Iterable[Any]) -> Figures:
    """What was pushed, as the usual translation makes it Prometheus' own."""
    found: Figures = {}
    for metric in pushed:
        kind = metric.WhichOneof("data")
        name = BY_CONVENTION.get(metric.name)
        if name is None:
            name = metric.name.replace(".", "_") + {"s": "_seconds"}.get(metric.unit, "")
            name += "_total" if kind == "sum" else ""
        for point in getattr(metric, kind).data_points:
            labels = {
                LABELS.get(key, key.rpartition(".")[2]): str(told) for key, told in named(point.attributes).items()
            }
            if "method" in labels:
                assert labels.pop("scheme") == "http"
                labels = {"route": "none"} | labels | {"method": labels["method"].replace("_OTHER", "other")}
            labels.pop("name", None)  # the pool's
            if labels.get("route") == OWN:
                continue
            about = frozenset(labels.items())
            if kind == "histogram":
                assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
                up_to = 0
                for bound, count in zip([*point.explicit_bounds, "+Inf"], point.bucket_counts, strict=True):
                    up_to += count
                    found[f"{name}_bucket", about | {("le", str(bound))}] = up_to
                found[f"{name}_count", about] = point.count
                found[f"{name}_sum", about] = point.sum
            else:
                found[name, about] = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
    return found


def stands(figures: Figures) -> Figures:
    """What does not change while nobody does anything: no lag in seconds, which an examination tells anew."""
    return {key: value for key, value in figures.items() if not key[0].endswith("_lag_seconds")}


def metric(collected: Collected, name: str) -> Any:
    """One that was pushed last."""
    return next(each for each in collected.pushed[-1] if each.name == name)


def told_last(collected: Collected) -> Figures:
    return translated(collected.pushed[-1]) if collected.pushed else {}


def new(collected: Collected) -> int:
    """How many new touchpoints were told of last."""
    return sum(
        int(point.as_int)
        for point in metric(collected, "lifecircle.touchpoints").sum.data_points
        if named(point.attributes)["outcome"] == "new"
    )


def test_what_is_pushed_is_what_is_scraped(collected: Collected, url: str, keyring: ApiKeys) -> None:
    with served(url, keyring) as client:
        send(client, orders(3, "anna-karenina"))
        send(client, orders(3, "anna-karenina"))
        send(client, [event(id="x", subject="bert", data={}), event(id="y", subject="cleo")])
        client.request("ANNA", "/anna-karenina")
        scrape = client.get("/metrics").text
        assert not collected.pushed, "a minute is not over"
    assert len(collected.pushed) == 1, "a service that stops tells the last of it"
    assert stands(told_last(collected)) == stands(scraped(scrape))
    assert b"anna" not in collected.raw
    touchpoints = metric(collected, "lifecircle.touchpoints")
    assert (touchpoints.unit, touchpoints.sum.is_monotonic, new(collected)) == ("{touchpoint}", True, 4)
    requests = metric(collected, "http.server.request.duration")
    assert requests.unit == "s"
    assert {"http.request.method": "_OTHER", "url.scheme": "http", "http.response.status_code": 404} in [
        named(point.attributes) for point in requests.histogram.data_points
    ]
    if url.startswith("postgres"):
        pool = metric(collected, "db.client.connection.count")
        assert (pool.unit, pool.sum.is_monotonic) == ("{connection}", False)
        assert {each["db.client.connection.state"] for each in (named(p.attributes) for p in pool.sum.data_points)} == {
            "used",
            "idle",
        }
    for told in (touchpoints.sum, requests.histogram, metric(collected, "lifecircle.append").histogram):
        assert told.aggregation_temporality == 2, "cumulative"
        assert all(0 < point.start_time_unix_nano < point.time_unix_nano for point in told.data_points)
        assert len({(point.start_time_unix_nano, point.time_unix_nano) for point in told.data_points}) == 1


def test_who_pushes_is_who_the_environment_says(
    collected: Collected, sqlite_url: str, keyring: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=crm,service.instance.id=pod-7,region=north")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "soon")
    with capture_logs() as lines, served(sqlite_url, keyring) as client:
        send(client, event())
    assert "OTEL_METRIC_EXPORT_INTERVAL" in {each.get("variable") for each in lines}
    names = ("service.name", "service.instance.id", "region", "service.version")
    told = [tuple(each[name] for name in names) for each in collected.resources]
    assert set(told) == {("crm", "pod-7", "north", version("lifecircle"))}
    assert len(told) > len(collected.pushed) == 1, "traces are of the same"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "circle")
    with served(sqlite_url.replace("log.db", "other.db"), keyring):
        pass
    assert collected.resources[-1]["service.name"] == "circle"


def test_each_tenant_has_figures_of_its_own(
    collected: Collected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    for name in OWN_PLACES:
        monkeypatch.delenv(name, raising=False)
    urls = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("alpha", "beta")}
    for url in urls.values():
        assert Shell(url)("init").code == 0
    write(tmp_path / "tenants.toml", urls)
    with TestClient(Hosting(tmp_path / "tenants.toml")) as client:
        for count, url in enumerate(urls.values(), 1):
            client.headers["Authorization"] = f"Bearer {ApiKeys.of_log(url).make('all', Role)}"
            send(client, orders(count))
    touchpoints = [
        (named(point.attributes), point.as_int) for point in metric(collected, "lifecircle.touchpoints").sum.data_points
    ]
    assert {told["tenant"]: count for told, count in touchpoints if told["outcome"] == "new"} == {"alpha": 1, "beta": 2}
    heads = metric(collected, "lifecircle.log_touchpoints").gauge.data_points
    assert [named(point.attributes) for point in heads] == [{"tenant": "alpha"}, {"tenant": "beta"}]
    (resource,) = collected.resources
    assert UUID(resource["service.instance.id"])


def test_workers_count_and_push_as_one_and_end_when_what_began_them_is_killed(
    collected: Collected, file_shop: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "150")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    port = free_port()
    key = file_shop("apikey", "make", "tests", "--role", "appender", "--role", "monitor").out.strip()
    with serving(file_shop, port, "--workers", "2") as service:
        wait_until(lambda: service.told.count('"event":"Started server process') == 2)
        for number, sent in enumerate(orders(8), 1):
            with caller(port, key) as client:  # a connection each, so that both come to serve some
                assert client.post("/events", content=json.dumps(sent)).status_code == 201
                assert f'lifecircle_touchpoints_total{{outcome="new"}} {number}.0' in client.get("/metrics").text
        with caller(port, key) as client:
            wait_until(lambda: stands(told_last(collected)) == stands(scraped(client.get("/metrics").text)))
        os.kill(leader(service.pid), signal.SIGKILL)
        with caller(port, key) as client:
            last = json.dumps(event(id="z"))
            wait_until(lambda: answer(client, last) in (200, 201))  # the killed one had the first connection, perhaps
            assert 'lifecircle_touchpoints_total{outcome="new"} 9.0' in client.get("/metrics").text
        wait_until(lambda: new(collected) == 9)
        service.kill()
        service.wait()
        wait_until(lambda: not listens(port))
    assert len({each["service.instance.id"] for each in collected.resources}) == 1
    appends = [
        next(each for each in pushed if each.name == "lifecircle.append").histogram.data_points[0]
        for pushed in collected.pushed
    ]
    assert len({point.start_time_unix_nano for point in appends}) == 1, "no sum begins anew"
    at = {point.time_unix_nano: point.count for point in appends}
    assert len(at) == len(appends), "nobody tells the same moment twice"
    assert [at[time] for time in sorted(at)] == sorted(at.values())


def answer(client: httpx2.Client, sent: str) -> int:
    """With which status an append is answered; 0 where the connection broke."""
    try:
        return client.post("/events", content=sent).status_code
    except httpx2.TransportError:
        return 0


def listens(port: int) -> bool:
    """Whether anybody listens at a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def leader(parent: int) -> int:
    """The worker that pushes: it has the lock of the file that stands for all."""
    children = {int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}
    locks = Path("/proc/locks").read_text()
    (found,) = children & {int(each) for each in re.findall(r"FLOCK\s+ADVISORY\s+WRITE\s+(\d+)", locks)}
    return found


def test_a_receiver_that_hangs_holds_up_neither_requests_nor_the_end(
    collected: Collected, file_shop: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    port = free_port()
    key = file_shop("apikey", "make", "tests", "--role", "appender").out.strip()
    with serving(file_shop, port) as service, caller(port, key) as client:
        wait_until(lambda: collected.pushed)
        collected.hangs = True
        wait_until(lambda: collected.held)
        for sent in orders(5):
            assert client.post("/events", content=json.dumps(sent)).status_code == 201
        began = monotonic()
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) in (0, -signal.SIGTERM)
        assert monotonic() - began < 2 * LIMITS.telemetry_stop_s + 3, "once for figures, once for traces"


TO = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("said", "pushed"),
    [
        ({}, set()),
        (TO, {"traces", "metrics"}),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:1/v1/metrics"}, {"metrics"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, {"traces"}),
        ({**TO, "OTEL_SDK_DISABLED": "True"}, set()),
        ({**TO, "OTEL_SDK_DISABLED": "false"}, {"traces", "metrics"}),
        ({**TO, "OTEL_METRICS_EXPORTER": "none"}, {"traces"}),
        ({**TO, "OTEL_METRICS_EXPORTER": "prometheus"}, {"traces"}),
        ({**TO, "OTEL_METRICS_EXPORTER": "prometheus, otlp"}, {"traces", "metrics"}),
        ({**TO, "OTEL_TRACES_EXPORTER": "none"}, {"metrics"}),
    ],
)
def test_it_is_pushed_where_the_environment_says_so(
    said: Mapping[str, str], pushed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert {signal for signal in get_args(telemetry.Signal) if telemetry.wanted(signal)} == pushed


def test_what_lacks_is_said_by_its_name_before_anybody_is_served(
    file_shop: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    lacks = "opentelemetry.exporter"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith(lacks) else find(name))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:1/v1/metrics")
    done = file_shop("serve", "--port", "0")
    assert done.code == ExtraMissing.exit_code
    assert "the extra watch is needed for exporting metrics" in done.err
    assert "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" in done.err


def test_without_a_receiver_nothing_of_it_is_imported(file_shop: Shell) -> None:
    asked = (
        "import sys\nfrom fastapi.testclient import TestClient\nfrom adapters.apikeys import ApiKeys\n"
        "from adapters.http.app import create\n"
        "with TestClient(create(sys.argv[1], ApiKeys.of_log(sys.argv[1]))) as client:\n"
        "    assert client.get('/livez').status_code == 200\n"
        "    found = [name for name in sys.modules if name.startswith('opentelemetry.sdk')]\n"
        "sys.exit(len(found))"
    )
    words = [sys.executable, "-c", asked, file_shop.url]
    done = subprocess.run(words, cwd=ROOT, env=file_shop.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
