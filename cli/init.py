"""Make a new, empty log."""

import click

from cli.options import log_option


@click.command()
@log_option
@click.option("--name", default="company", show_default=True, help="The company whose customers these are.")
@click.option("--zone", default="UTC", show_default=True, help="The time zone of its calendar, such as Europe/London.")
def command(url: str, name: str, zone: str) -> None:
    """Make a new, empty log, and the key from which imports derive ids for e-mails and phone numbers.

    The key lies beside a SQLite log, and in this folder for a PostgreSQL one; LIFECIRCLE_KEY names another place.
    """
    from pydantic import ValidationError

    from adapters.engine import Engine
    from adapters.idkey import id_key_path, make_id_key
    from domain.company import Company
    from domain.touchpoint import invalid

    try:
        company = Company(name=name, zone=zone)
    except ValidationError as error:
        raise invalid(error) from None
    with Engine.create(url, company) as engine:
        click.echo(f"new log {engine.log.log_id.hex()} for {name}, calendar {zone}")
        if (key := id_key_path(url)).exists():
            click.echo(f"id key: {key} (it was there already, and is kept)")
        else:
            made = make_id_key(url)
            click.echo(f"id key: {made} (keep a copy: without it an import cannot derive the same ids again)")
