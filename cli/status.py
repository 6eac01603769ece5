"""How the log and its views stand: head, lag of each view, quarantine, breaches."""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import orjson

from adapters.told import iso
from cli.options import format_option, log_option
from cli.output import show

if TYPE_CHECKING:
    from adapters.cursor import Origin
    from adapters.views.tables import Tables, ViewStatus

_BREACHES = "select rule, breaches from breaches_by_rule order by breaches desc, rule"


@click.command()
@log_option
@format_option
def command(url: str, style: str) -> None:
    """Show the head of the log, what is wrong and since when, and each view's lag in touchpoints and seconds.

    As JSON all of it, with the lags of seal and subscriptions; as CSV the views alone.
    """
    from adapters.clock import clock_us
    from adapters.engine import Engine
    from adapters.health import examine
    from adapters.idkey import id_key_path
    from adapters.views.tables import ViewStatus, open_tables

    with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:
        health = examine(engine, clock_us())
        heads = health.heads or engine.log.heads()
        found: dict[str, Any] = {
            "company": engine.company.name,
            "log": engine.log.log_id.hex(),
            "touchpoints": sum(heads.numbers),
            "buckets": engine.log.buckets,
            "cursor": str(heads),
            "origins": [_origin(origin) for origin in engine.log.origins],
            "id_key": str(key)
            if (key := id_key_path(url)).exists()
            else f"none at {key}: identifiers are not compared",
            "quarantined": health.quarantined,
            "breaches": _breaches(tables, health.views),
        }
        if style == "json":
            found |= health.as_dict()
            click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
            return
        if style == "table":
            for name, figure in found.items():
                if figure != []:
                    click.echo(f"{name:12} {_told(figure)}")
            click.echo(f"{'wrong':12} {'; '.join(map(str, health.causes)) or 'nothing'}")
        show(ViewStatus._fields, health.views, style)


def _breaches(tables: "Tables", views: "Sequence[ViewStatus]") -> dict[str, int] | None:
    """By rule; None where the views cannot be read."""
    if not views:
        return None
    if all(view.state == "missing" for view in views if view.view == "breaches"):
        return {}
    return {str(rule): int(count) for rule, count in tables.query(_BREACHES)[1]}


def _origin(origin: "Origin") -> dict[str, Any]:
    """The log that this one was copied from, how far, and when."""
    cut = origin.cut
    found = {"log": cut.log_id.hex(), "touchpoints": sum(cut.numbers), "buckets": len(cut.numbers), "cursor": str(cut)}
    return {**found, "copied": iso(origin.copied)}


def _told(figure: Any) -> str:
    if isinstance(figure, list):
        return "; before that ".join(
            f"log {each['log']}, up to cursor {each['cursor']}, on {each['copied'][:10]}" for each in figure
        )
    if figure is None:
        return "not known"
    return _line(figure) if isinstance(figure, dict) else str(figure)


def _line(counts: dict[str, int]) -> str:
    return ", ".join(f"{rule}: {count}" for rule, count in counts.items()) or "none"
