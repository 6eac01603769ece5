"""Traces, as a receiver of OTLP gets them: from the caller's span through the request and its round to the database."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from adapters.apikeys import ApiKeys
from tests.cli.program import ROOT, event
from tests.http.calls import orders, send
from tests.http.conftest import served

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collected:
    """What came to a receiver: the spans, and the resources that they are of."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.raw = b""

    def take(self, body: bytes) -> None:
        self.raw += body
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in of_resource.resource.attributes}
            self.services.add(named["service.name"])
            for scope in of_resource.scope_spans:
                self.spans += scope.spans

    def named(self, *names: str) -> list[Any]:
        return [span for span in self.spans if span.name in names]


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    """A receiver of OTLP over HTTP, which the environment names."""
    found = Collected()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            found.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is overridden
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")  # it would tell paths and words of errors
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        try:
            yield found
        finally:
            server.shutdown()
            serving.join()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_trace_goes_from_the_caller_to_the_database(collected: Collected, url: str, keyring: ApiKeys) -> None:
    with served(url, keyring) as client:
        send(client, event(), traceparent=f"00-{TRACE}-{CALLER}-01", tracestate="who=anna-karenina")
        client.get("/livez")
    (request,) = collected.named("POST /events")
    (round_,) = collected.named("append round")
    database = [span for span in collected.named("sqlite", "postgresql") if span.parent_span_id == round_.span_id]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    assert round_.parent_span_id == request.span_id
    assert database
    assert {span.trace_id for span in (round_, *database)} == {request.trace_id}
    assert attributes(request)["http.route"] == "/events"
    assert attributes(request)["http.response.status_code"] == 201
    assert attributes(round_) == {"lifecircle.groups": 1, "lifecircle.touchpoints": 1}
    assert attributes(database[0])["db.system.name"] == url.partition(":")[0]
    assert collected.services == {"lifecircle"}
    assert not collected.named("GET /livez")


def test_a_round_for_many_is_linked_with_each_and_no_span_names_anybody(
    collected: Collected, sqlite_url: str, keyring: ApiKeys
) -> None:
    with served(sqlite_url, keyring) as client, ThreadPoolExecutor(8) as pool:
        sent = orders(24, "anna-karenina")
        assert {each.status_code for each in pool.map(lambda one: send(client, one), sent)} == {201}
        client.get("/subjects/anna-karenina/history", params={"as_of": "anna-karenina"})
        send(client, event(subject="anna-karenina", data={"order": "anna-karenina"}), traceparent="anna-karenina")
    rounds = collected.named("append round")
    reached = {span.parent_span_id for span in rounds} | {link.span_id for span in rounds for link in span.links}
    appended = [
        span for span in collected.named("POST /events") if attributes(span)["http.response.status_code"] == 201
    ]
    assert len(appended) == 24
    assert {span.span_id for span in appended} == reached
    others = {link.span_id for span in appended for link in span.links}
    assert others <= {span.span_id for span in rounds}
    assert b"anna" not in collected.raw


def test_without_a_receiver_nothing_of_it_is_imported() -> None:
    asked = (
        "import sys, adapters.http.app\nwith adapters.tracing.exporting(): print('opentelemetry.sdk' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
