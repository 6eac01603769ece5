"""A receiver of OTLP over HTTP, as a collector is one: what came to it, read by OpenTelemetry's own messages."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HELD_S = 60
"""How long anything is waited for, and a receiver that hangs does so, at most."""


class Collected:
    """What came to a receiver: spans, and one after the other the figures, each with the resources that they are of."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.spans: list[Any] = []
        self.pushed: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.raw = b""
        self.hangs = self.held = False
        self.let_go = threading.Event()

    def take(self, path: str, body: bytes) -> None:
        self.raw += body
        if path == "/v1/traces":
            for traced in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(named(traced.resource.attributes))
                for spans in traced.scope_spans:
                    self.spans += spans.spans
        else:
            assert path == "/v1/metrics"
            (told,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
            (scope,) = told.scope_metrics
            assert len({metric.name for metric in scope.metrics}) == len(scope.metrics), "each is told once"
            self.resources.append(named(told.resource.attributes))
            self.pushed.append(scope.metrics)

    def named(self, *names: str) -> list[Any]:
        """The spans of these names."""
        return [span for span in self.spans if span.name in names]


def wait_until(found: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = monotonic() + HELD_S
    while not found():
        assert monotonic() < deadline, "it did not come to that"
        sleep(0.02)


def named(attributes: Any) -> dict[str, Any]:
    """Attributes as they are told: words, or whole numbers."""
    return {each.key: each.value.string_value or each.value.int_value for each in attributes}


@contextmanager
def receiving() -> Iterator[Collected]:
    """A receiver, until the block ends."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.hangs:
                found.held = True
                found.let_go.wait(HELD_S)
                return
            found.take(self.path, body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is overridden
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        found = Collected(f"http://127.0.0.1:{server.server_address[1]}")
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield found
        finally:
            found.let_go.set()
            server.shutdown()
            serving.join()
