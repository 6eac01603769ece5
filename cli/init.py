"""Make a new, empty log."""

import click

from cli.options import log_option


@click.command()
@log_option
@click.option("--name", default="company", show_default=True, help="The company whose customers these are.")
@click.option("--zone", default="UTC", show_default=True, help="The time zone of its calendar, such as Europe/London.")
@click.option("--buckets", type=int, default=1, show_default=True, help="How many appends can commit at once; fixed.")
def command(url: str, name: str, zone: str, buckets: int) -> None:
    """Make a new, empty log, and the key from which imports derive ids for e-mails and phone numbers.

    Subjects are spread over the buckets, each of which numbers its touchpoints for itself. One bucket gives one total
    order; several let a PostgreSQL log take more appends at once. The number is kept for the life of the log, and
    lifecircle copy moves a log to another.

    It makes the key store too, in which each person has a key that seals their data, and the key-encryption key that
    protects it. All three lie beside a SQLite log, and in this folder for a PostgreSQL one; LIFECIRCLE_ID_KEY,
    LIFECIRCLE_KEYS (an address) and LIFECIRCLE_KEK_FILE name other places. A PostgreSQL log also gets roles, which
    accounts are made members of: see lifecircle roles.
    """
    from pydantic import ValidationError

    from adapters.engine import Engine
    from adapters.idkey import id_key_path, make_id_key
    from adapters.privacy.kek import kek_told
    from adapters.privacy.keystore import keystore_told
    from domain.company import Company
    from domain.touchpoint import invalid

    try:
        company = Company(name=name, zone=zone)
    except ValidationError as error:
        raise invalid(error) from None
    with Engine.create(url, company, buckets) as engine:
        click.echo(f"new log {engine.log.log_id.hex()} for {name}, calendar {zone}")
        if (key := id_key_path(url)).exists():
            click.echo(f"id key: {key} (it was there already, and is kept)")
        else:
            made = make_id_key(url)
            click.echo(f"id key: {made} (keep a copy: without it an import cannot derive the same ids again)")
        click.echo(
            f"keys of personal data: {keystore_told(url)} (keep a copy: without it nothing sealed can be opened)"
        )
        click.echo(f"protected by: {kek_told(url)} (keep it apart from all copies of the log and of the keys)")
    give_roles(url)


def give_roles(url: str) -> None:
    """Make the roles of a PostgreSQL log, or say how they come to be made."""
    if not url.startswith("postgres"):
        return
    from adapters.postgres.roles import RolesNotMade, make_roles

    try:
        make_roles(url)
    except RolesNotMade as error:
        click.echo(f"{error.name}: {error}", err=True)
