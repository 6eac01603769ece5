"""Replay a subject: what happened to it, as known now or as of any moment."""

from datetime import date

import click
import orjson

from adapters.told import cloud_event, iso
from cli.options import format_option, log_option, moment_of, moment_options, open_options, principal, purpose_of
from cli.output import described, occurred, show


@click.command()
@log_option
@format_option
@click.argument("subject")
@moment_options
@open_options
def command(
    url: str,
    style: str,
    subject: str,
    as_of: "int | date | None",
    known_at: str | None,
    purpose: str | None,
    *,
    opens: bool,
) -> None:
    """Show the effective history of SUBJECT: corrections applied, merged subjects joined, in the order it occurred.

    --as-of asks what had happened by then, as we know it now; --known-at asks what we knew by then. Personal data is
    shown as [sealed] unless it is opened with --open, and as [erased] where the customer was forgotten.
    """
    from adapters.data_subjects.opening import open_facts
    from adapters.engine import Engine

    wanted = purpose_of(purpose, opens=opens)
    with Engine.open(url) as engine:
        moment = moment_of(engine, as_of, known_at)
        facts = engine.history(subject, known=moment.known, as_of=moment.as_of)
        if wanted:
            facts = open_facts(engine, facts, purpose=wanted, by=principal())
    if style == "json":
        click.echo(orjson.dumps([cloud_event(fact) for fact in facts], option=orjson.OPT_INDENT_2).decode())
        return
    table = style == "table"
    columns = ("occurred", "kind", "what", "id", "stream", "version", "position", "recorded")
    rows = [
        (
            occurred(fact),
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
