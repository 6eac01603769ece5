"""Bring the schema of a log to this version of the program, while others append to it."""

import click

from cli.options import log_option


@click.command()
@log_option
def command(url: str) -> None:
    """Take the steps of the schema that the log lacks; programs of the version before go on appending meanwhile.

    Upgrade the log first, by an account that owns its tables, then restart what uses it. A program refuses a log whose
    schema it cannot follow (exit code 8), and says whether the log or the program is too old.
    """
    from adapters.addresses import upgrade_log
    from cli.init import give_roles

    taken = upgrade_log(url)
    if taken:
        give_roles(url)
    click.echo(f"steps taken: {', '.join(map(str, taken))}" if taken else "nothing to do: the schema is up to date")
