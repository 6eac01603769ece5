"""Prove that a sealed log only grew between two checkpoints."""

import base64
from pathlib import Path

import click


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--key", required=True, metavar="PUB", help="The verifier key that you trust, or a file that holds it.")
def command(old: Path, new: Path, key: str) -> None:
    """Show the RFC 6962 proof that the tree of checkpoint NEW begins with that of OLD; both are files.

    The tiles lie beside NEW, as in a seal's folder. Exit code 12 when history was changed between the two.
    """
    from adapters.audit.seal import keys_for, read_checkpoint, read_key
    from adapters.audit.tiles import Tiles
    from adapters.audit.witness import proof_between

    trusted = keys_for(new, read_key(key))
    before, after = read_checkpoint(old, trusted), read_checkpoint(new, trusted)
    proof = proof_between(before, after, Tiles(new.parent))
    click.echo(f"consistent: {after.origin} grew from {before.size} to {after.size} touchpoints")
    for each in proof:
        click.echo(base64.b64encode(each))
