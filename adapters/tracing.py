"""Traces, by OpenTelemetry: from a request over the round of group commit that stored it to the database.

They are exported by OTLP over HTTP where OpenTelemetry's own variables name an endpoint. Where they do not, its
SDK is not imported, and every span is the same empty block. A span never holds what a customer sent: it has a route,
not a path.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from adapters import telemetry
from adapters.settings import LIMITS

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer


class _On(NamedTuple):
    """What spans are made with."""

    tracer: "Tracer"
    kinds: "type[SpanKind]"
    failed: "StatusCode"

    @contextmanager
    def span(
        self,
        name: str,
        kind: "SpanKind",
        attributes: Mapping[str, str | int],
        within: "Context | None" = None,
        links: "Sequence[Link]" = (),
    ) -> "Iterator[Span]":
        """A span that says of an error its type, and never its words."""
        with self.tracer.start_as_current_span(
            name, within, kind, attributes, links, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(self.failed)
                raise


_on: _On | None = None
_NOTHING: AbstractContextManager[None] = nullcontext()


@contextmanager
def exporting(instance: str) -> Iterator[None]:
    """Export what is traced until the block ends, where the environment names where to; `instance` is who does."""
    global _on
    if not telemetry.wanted("traces"):
        yield
        return
    from importlib.metadata import version

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, StatusCode

    provider = TracerProvider(resource=telemetry.resource(instance), shutdown_on_exit=False)
    exporter = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _on = _On(provider.get_tracer("lifecircle", version("lifecircle")), SpanKind, StatusCode.ERROR)
    try:
        yield
    finally:
        _on = None
        # What is left is sent, but a receiver that is away is not waited for long, nor one that takes it and hangs.
        ending = Thread(target=provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(LIMITS.telemetry_stop_s)
        if ending.is_alive():
            exporter.shutdown()  # type: ignore[no-untyped-call]  # so that it does not try again


def active() -> bool:
    """Whether anything is traced."""
    return _on is not None


def current() -> "Span | None":
    """The span of whoever asks, where one is recorded."""
    if _on is None:
        return None
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    return span if span.is_recording() else None


@contextmanager
def request(method: str, traceparent: str) -> "Iterator[Span]":
    """The span of a request, within the caller's trace where a valid `traceparent` (W3C) came with it.

    Its `tracestate` is left: it may hold anything. To be asked for only where something is traced.
    """
    assert _on is not None  # noqa: S101 - see above
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    caller = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    with _on.span(method, _on.kinds.SERVER, {"http.request.method": method}, caller) as span:
        yield span


def joint(joined: "Sequence[Span | None]", about: Mapping[str, int]) -> AbstractContextManager[Any]:
    """The span of what is done for many at once: within the trace of the first, and linked to and from the others."""
    spans = {span.get_span_context().span_id: span for span in joined if span is not None}
    if _on is None or not spans:
        return _NOTHING
    first, *others = spans.values()
    return _linked(_on, first, others, about)


@contextmanager
def _linked(on: _On, first: "Span", others: "Sequence[Span]", about: Mapping[str, int]) -> Iterator[None]:
    from opentelemetry.trace import Link, set_span_in_context

    links = [Link(other.get_span_context()) for other in others]
    with on.span("append round", on.kinds.INTERNAL, about, set_span_in_context(first), links) as span:
        for other in others:
            other.add_link(span.get_span_context())
        yield


def database(system: str) -> AbstractContextManager[Any]:
    """The span of work that a database does; `system` is postgresql or sqlite."""
    return _NOTHING if _on is None else _on.span(system, _on.kinds.CLIENT, {"db.system.name": system})
