"""Turn a cursor of the log that this one was copied from into one of this log."""

import click

from cli.options import log_option


@click.command()
@log_option
@click.argument("cursor")
def command(url: str, cursor: str) -> None:
    """Print the cursor of this log from which whoever stood at CURSOR of the log before goes on.

    Nothing is missed. What had been seen already may come again, beginning with what was recorded together with the
    first touchpoint that had not.
    """
    from adapters.copying import translated
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        click.echo(translated(url, engine.log, cursor))
