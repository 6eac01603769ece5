"""Witness a checkpoint: sign it too, if it extends all that was seen before."""

import socket
from pathlib import Path

import click


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--key", required=True, metavar="PUB", help="The log's verifier key, or a file that holds it.")
@click.option(
    "--state", "folder", required=True, type=click.Path(path_type=Path), help="The folder of what this witness saw."
)
def command(checkpoint: Path, key: str, folder: Path) -> None:
    """Print CHECKPOINT with this witness's cosignature (c2sp.org/tlog-cosignature), and remember it.

    Run it where neither the log's operator nor its sealer can write. A log that shows two histories to two readers is
    refused by the witness that both rely on. The witness's own key is made at first, beside its folder.
    """
    from adapters.audit.seal import read_key
    from adapters.audit.witness import cosign

    note, witness = cosign(checkpoint, folder, f"{socket.gethostname()}/{folder.name}", read_key(key))
    click.echo(f"witness key: {witness}", err=True)
    click.echo(str(note), nl=False)
