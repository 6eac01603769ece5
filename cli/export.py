"""Export the log or one customer's history as Parquet, CSV, JSON Lines, OCEL 2.0 or XES."""

from pathlib import Path
from typing import Any

import click

from cli.options import log_option, open_options, principal, purpose_of

EVENT_LOGS = ("ocel2", "xes")
FORMS = ("parquet", "csv", "jsonl", *EVENT_LOGS)


@click.command()
@log_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--to", "form", type=click.Choice(FORMS), required=True, help="As what.")
@click.option("--subject", help="Only the history of this subject and of those merged with it.")
@click.option("--recipient", metavar="ID", help="Who gets it, for the evidence; by default who types this.")
@open_options
def command(
    url: str, file: Path, form: Any, subject: str | None, recipient: str | None, purpose: str | None, *, opens: bool
) -> None:
    """Write a new FILE: effective history as a table (parquet, csv) or event log (ocel2, xes), or the touchpoints.

    jsonl holds the touchpoints in the order of recording. Opened by --open, lifecircle import reads it into a new log,
    which seals personal data under keys of its own; what is left sealed, this log alone can open. In csv a text that a
    spreadsheet would take for a formula has a single quote before it. ocel2 is OCEL 2.0 as JSON; an event log has no
    personal fields. The log records that data left the house, for whom, and the file's SHA-256.
    """
    from adapters.engine import Engine
    from adapters.export.exporting import export

    def parked(stream: str, error: str) -> None:
        click.echo(f"left out: {stream}, whose history cannot be folded: {error}", err=True)

    who, wanted = principal(), purpose_of(purpose, opens=opens)
    if wanted and form in EVENT_LOGS:
        raise click.UsageError("an event log has no personal fields to open")
    with Engine.open(url) as engine:
        exported = export(
            engine,
            form,
            file,
            recipient=recipient or who,
            recordedby=who,
            parked=parked,
            subject=subject,
            purpose=wanted,
        )
    click.echo(f"{exported.touchpoints} touchpoints to {file}, sha256 {exported.digest}")
