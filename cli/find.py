"""Find a customer by an e-mail address, a telephone number or another identifier."""

from contextlib import closing

import click

from cli.options import format_option, log_option
from cli.output import show


@click.command()
@log_option
@format_option
@click.argument("value")
def command(url: str, style: str, value: str) -> None:
    """Show whose VALUE is, or was: an e-mail address, a telephone number, a loyalty card or any other identifier.

    It is looked for in keyed form; no view holds the value itself. Who was forgotten is found no more. Exit code 6
    where nobody has it.
    """
    from adapters.data_subjects.finding import Found, find
    from adapters.engine import Engine
    from adapters.views.tables import open_tables
    from domain.errors import UnknownSubject

    with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:
        found = find(engine, tables, value)
    if not found:
        raise UnknownSubject(
            "nobody is known by this identifier",
            rule="spellings that reach the same mailbox or telephone are the same",
            way_out="check it; who was forgotten is not found",
        )
    show(Found._fields, found, style)
