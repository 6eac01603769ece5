"""Show what caused what: the tree round a touchpoint, over all subjects."""

import click

from adapters.told import iso
from cli.options import format_option, log_option
from cli.output import folding, show

COLUMNS = (
    "depth",
    "touchpoint",
    "id",
    "subject",
    "position",
    "recorded",
    "recordedby",
    "cause",
    "causationid",
    "correlationid",
)


@click.command()
@log_option
@format_option
@click.argument("subject")
@click.argument("id", required=False)
def command(url: str, style: str, subject: str, id: str | None) -> None:  # noqa: A002 - the envelope's own word
    """Show the trees that the touchpoints of SUBJECT are part of, or the one of ID, as their producers told it.

    A producer says by causationid which touchpoint led to this one, and by correlationid what belongs together. What a
    producer names that is not in the log is shown by its id alone.
    """
    from adapters.audit.causes import causes
    from adapters.engine import Engine

    with Engine.open(url) as engine, folding("reading") as on_progress:
        links = causes(engine.log, subject, id, on_progress)
    rows = [
        (
            link.depth,
            "  " * link.depth * (style == "table") + link.stored.kind,
            link.stored.id,
            link.stored.stream,
            f"{link.stored.bucket}/{link.stored.number}",
            iso(link.stored.recorded),
            link.stored.recordedby,
            None if link.cause is None else f"{link.cause[0]}/{link.cause[1]}",
            link.causationid,
            link.correlationid,
        )
        for link in links
    ]
    show(COLUMNS, rows, style)
