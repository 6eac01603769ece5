"""The keys of personal data: change the key that protects them all."""

import click

from cli.options import log_option, principal


@click.group()
def command() -> None:
    """Keys of personal data."""


@command.command()
@log_option
def rotate(url: str) -> None:
    """Protect all keys by a new key-encryption key, and destroy the one before.

    The log is not touched. Whoever was forgotten can then not be read from older copies of the key store either: how
    often this is done bounds how long they could. A key that comes in LIFECIRCLE_KEK is changed to the one in
    LIFECIRCLE_KEK_NEXT.
    """
    from adapters.engine import Engine
    from adapters.notes import note
    from domain.identifiers import derived_id
    from domain.kinds.log_itself import KeyRotated

    with Engine.open(url) as engine:
        epoch = engine.sealing.keyring.rotate()
        log_id = engine.log.log_id
        engine.append([note(log_id, derived_id("epoch", epoch), KeyRotated(epoch=epoch))], recordedby=principal())
    click.echo(f"all keys are protected by a new key-encryption key now; epoch {epoch}")
