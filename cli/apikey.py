"""Make, list and revoke the keys that open the HTTP service."""

from datetime import timedelta

import click

from cli.options import format_option, log_option
from cli.output import show


@click.group()
def command() -> None:
    """Say who may do what over HTTP: a key each, with roles, and perhaps a scope of subjects and kinds.

    Keys lie beside the log as digests, readable by their owner alone; LIFECIRCLE_API_KEYS names another place.
    """


@command.command()
@log_option
@click.argument("name")
@click.option(
    "--role",
    "roles",
    type=click.Choice(["appender", "analyst", "auditor", "operator", "monitor"]),
    multiple=True,
    required=True,
    help="What it may do; more than one may be given.",
)
@click.option("--subjects", multiple=True, metavar="PREFIX", help="Only subjects that begin so.")
@click.option("--kind", "kinds", multiple=True, help="Only touchpoints of this kind.")
@click.option("--days", type=click.IntRange(min=1), help="How long it is valid; without end when not given.")
def make(
    url: str, name: str, roles: tuple[str, ...], subjects: tuple[str, ...], kinds: tuple[str, ...], days: int | None
) -> None:
    """Make a key for NAME, under which what it appends is recorded, and print it: it is shown this once.

    To rotate a key, make a second one for the same name, and revoke the first when the second is in use.
    """
    from adapters.apikeys import ApiKeys, Role
    from adapters.engine import Engine
    from adapters.extensions import load_extensions
    from domain.touchpoint import kind_named

    load_extensions()
    Engine.open(url).close()
    for kind in kinds:
        kind_named(kind)
    valid_for = timedelta(days=days) if days else None
    ring = ApiKeys.of_log(url)
    click.echo(ring.make(name, map(Role, roles), subjects=subjects, kinds=kinds, valid_for=valid_for))


@command.command("list")
@log_option
@format_option
def list_(url: str, style: str) -> None:
    """List the keys, without their secrets."""
    from adapters.apikeys import ApiKeys

    rows = [
        (
            key.id,
            key.principal.name,
            ", ".join(sorted(key.principal.roles)),
            ", ".join(key.principal.subjects),
            ", ".join(sorted(key.principal.kinds)),
            key.made.isoformat(timespec="seconds"),
            key.expires.isoformat(timespec="seconds") if key.expires else None,
        )
        for key in ApiKeys.of_log(url).all()
    ]
    show(("id", "name", "roles", "subjects", "kinds", "made", "expires"), rows, style)


@command.command()
@log_option
@click.argument("id_", metavar="ID")
def revoke(url: str, id_: str) -> None:
    """Take the key ID away, at once, from every process of the service."""
    from adapters.apikeys import ApiKeys

    ApiKeys.of_log(url).revoke(id_)
