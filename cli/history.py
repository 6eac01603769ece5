"""Replay a subject: what happened to it, as known now or as of any moment."""

from typing import TYPE_CHECKING

import click
import orjson

from cli.options import MOMENT, cut, format_option, log_option
from cli.output import described, iso, show

if TYPE_CHECKING:
    from domain.touchpoint import Fact


@click.command()
@log_option
@format_option
@click.argument("subject")
@click.option("--as-of", type=MOMENT, help="Leave out what occurred after this moment.")
@click.option("--known-at", metavar="MOMENT|CURSOR", help="Leave out what was recorded after it.")
def command(url: str, style: str, subject: str, as_of: int | None, known_at: str | None) -> None:
    """Show the effective history of SUBJECT: corrections applied, merged subjects joined, in the order it occurred.

    --as-of asks what had happened by then, as we know it now; --known-at asks what we knew by then.
    """
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        known = cut(engine, known_at) if known_at is not None else None
        facts = engine.history(subject, known=known, as_of=as_of)
    if style == "json":
        click.echo(orjson.dumps([_shown(fact) for fact in facts], option=orjson.OPT_INDENT_2).decode())
        return
    table = style == "table"
    columns = ("occurred", "kind", "what", "id", "stream", "version", "position", "recorded")
    rows = [
        (
            fact.envelope["time"][:10] if fact.is_date else fact.envelope["time"],
            fact.kind,
            described(fact.data) if table else orjson.dumps(fact.data).decode(),
            fact.id,
            fact.stream,
            fact.version,
            f"{fact.bucket}/{fact.number}",
            iso(fact.recorded)[: 19 if table else None],
        )
        for fact in facts
    ]
    show(columns, rows, style, title=f"{subject}: {len(rows)} touchpoints")


def _shown(fact: "Fact") -> dict[str, object]:
    """The CloudEvent as it counts now, with what the log added."""
    return {
        **fact.envelope,
        "data": fact.data,
        "stream": fact.stream,
        "version": fact.version,
        "position": f"{fact.bucket}/{fact.number}",
        "recordedtime": iso(fact.recorded),
    }
