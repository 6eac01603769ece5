"""Hand a person all that is held of them, in clear."""

from pathlib import Path

import click

from cli.options import log_option, principal


@click.command()
@log_option
@click.argument("subject")
@click.option("--to", "folder", required=True, metavar="DIR", help="The folder to write to; made where there is none.")
@click.option("--recipient", metavar="WHO", help="Who gets it, by id; by default the person themselves.")
def command(url: str, subject: str, folder: str, recipient: str | None) -> None:
    """Write all that is held of SUBJECT: subject.json for machines, subject.html for people.

    It is every touchpoint as given, the history as it stands, the rows of every view, rows in quarantine that name the
    person, and who opened their data. That it was handed out is recorded, with the digest of subject.json.
    """
    from adapters.data_subjects.handover import hand_over
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        handed = hand_over(engine, subject, Path(folder), recipient=recipient, recordedby=principal())
    click.echo(f"wrote {handed.json} and {handed.page}, in clear; SHA-256 {handed.digest}")
