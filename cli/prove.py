"""Prove one subject's history to somebody who has neither the log nor this program."""

from contextlib import closing
from pathlib import Path

import click

from cli.options import log_option, seal_option


@click.command()
@log_option
@click.argument("subject")
@click.option("-o", "--output", required=True, metavar="BUNDLE", help="The zip file to write.")
@seal_option
@click.option("--key", metavar="PUB", help="The verifier key to prove it to; by default the seal's own.")
def command(url: str, subject: str, output: str, folder: str | None, key: str | None) -> None:
    """Write a bundle that proves the history of SUBJECT as of the last seal.

    It holds every touchpoint of the subject and of all that merges joined to it, the proof that each was sealed
    and that none is missing up to the seal, a page for people, and verify.py, which checks all that with Python and
    openssl alone.
    """
    from adapters.audit.bundle import agreeing, make_bundle, write_bundle
    from adapters.audit.rows import open_audit_rows
    from adapters.audit.seal import read_key, seal_path
    from adapters.engine import Engine

    place = seal_path(url, folder)
    trusted = read_key(key or str(place / "key.pub"))
    with (
        Engine.open(url) as engine,
        closing(open_audit_rows(url)) as rows,
        agreeing(place, [trusted]) as (seal, store),
    ):
        write_bundle(Path(output), make_bundle(engine.log, rows, seal, store, subject))
    click.echo(f"wrote {output}; whoever reads it needs this key from you: {trusted}")
