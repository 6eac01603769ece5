"""What an installation may do without: libraries that come with an extra, looked for when something needs them."""

from importlib import util

from domain.errors import ExtraMissing

_MODULES = {
    "api": ("fastapi", "uvicorn"),
    "arrow": ("pyarrow",),
    "explore": ("duckdb", "numpy", "pyarrow"),
    "loyalty": ("scipy",),
    "plot": ("matplotlib",),
    "relay": ("httpx2", "nats"),
    "watch": ("prometheus_client", "opentelemetry.exporter.otlp.proto.http"),
}


def lacking(extra: str) -> list[str]:
    """What an extra brings that is not installed."""
    return [module for module in _MODULES[extra] if not _is_there(module)]


def need(extra: str, what: str, *, where: str = "", way_out: str = "") -> None:
    """See to it that what an extra brings is there, before anything else is done; `what` needs it.

    Raises:
        ExtraMissing: it is not installed.
    """
    if lacking(extra):
        raise missing(extra, what, where=where, way_out=way_out)


def missing(extra: str, what: str, *, where: str = "", way_out: str = "") -> ExtraMissing:
    """The error that says what an extra lacks, and what needs it."""
    return ExtraMissing(
        f"{' and '.join(lacking(extra))} is not installed",
        where=where,
        rule=f"the extra {extra} is needed for {what}",
        way_out=way_out or f"install lifecircle[{extra}]",
    )


def _is_there(module: str) -> bool:
    """Whether it can be imported; Python looks for a module only within a package that is there."""
    parts = module.split(".")
    return all(util.find_spec(".".join(parts[:end])) for end in range(1, len(parts) + 1))
