"""What OpenTelemetry's own variables say: where traces and metrics go by OTLP over HTTP, if anywhere, and as whose."""

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from adapters.extras import need

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

Signal = Literal["traces", "metrics"]

_OFF = "OTEL_SDK_DISABLED"
_OTLP = frozenset({"otlp", "otlp_proto_http"})
"""What an exporter is called that sends as we do, by the specification and by Python's SDK."""


def wanted(signal: Signal) -> bool:
    """Whether the environment names where this signal goes.

    Raises:
        ExtraMissing: it does, and what exports it is not installed.
    """
    endpoints = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    chosen = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER") or "otlp"
    if (
        os.environ.get(_OFF, "").strip().lower() == "true"
        or _OTLP.isdisjoint(map(str.strip, chosen.split(",")))
        or not any(map(os.environ.get, endpoints))
    ):
        return False
    way_out = f"install lifecircle[watch], or take {' and '.join(endpoints)} out of the environment"
    need("watch", f"exporting {signal}", way_out=way_out)
    return True


def resource(instance: str) -> "Resource":
    """What all that is exported is of: ours, unless the environment says otherwise, and what the SDK adds.

    Args:
        instance: the id of the service that exports, which no other one has.
    """
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    ours = {"service.name": "lifecircle", "service.version": version("lifecircle"), "service.instance.id": instance}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})
