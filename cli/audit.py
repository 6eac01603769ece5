"""Show what was refused, set aside, read, handed out or erased, by whom; and who wrote in whose name."""

import click
import orjson

from adapters.told import iso
from cli.options import format_option, log_option
from cli.output import described, folding, show

ASKED = ("refused", "quarantined", "released", "opened", "denied", "keys", "exported", "erased")


@click.command()
@log_option
@format_option
@click.argument("what", required=False, type=click.Choice([*ASKED, "writers"]))
@click.option("--subject", help="Only what concerns this subject: whose data it was, or whose touchpoints.")
def command(url: str, style: str, what: str | None, subject: str | None) -> None:
    """Show the log's own notes, and what was handed out or erased of customers: all of it, or WHAT alone.

    refused: by which rule, with the digest of the id. quarantined, released: rows of imports. opened: whose personal
    data was read, which fields, what for. denied: what was asked for without the right to it. keys: changed, destroyed.
    exported, erased: of customers. writers: who was authenticated (recordedby) against whom they claimed (actor).
    Of all the rest by is who was authenticated, and actor who is said to have done it.
    """
    from adapters.audit.trail import Writer, trail, writers
    from adapters.engine import Engine

    with Engine.open(url) as engine, folding("reading") as on_progress:
        if what == "writers":
            found = writers(engine.log, subject, on_progress)
            show(Writer._fields, found, style)
            return
        happened = trail(engine.log, what, subject, on_progress)
    told = {"json": lambda about: about, "csv": lambda about: orjson.dumps(about).decode(), "table": described}[style]
    rows = [
        (iso(each.recorded), each.what, each.by, each.actor, each.subject, told(each.about), each.position)
        for each in happened
    ]
    show(("recorded", "what", "by", "actor", "subject", "about", "position"), rows, style)
