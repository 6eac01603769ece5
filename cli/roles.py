"""Show the roles of a PostgreSQL log and who has them, or the SQL that makes them."""

import click

from cli.options import format_option, log_option
from cli.output import show


@click.command()
@log_option
@format_option
@click.option("--sql", "as_sql", is_flag=True, help="Print the statements that make the roles, and may be run again.")
def command(url: str, style: str, *, as_sql: bool) -> None:
    """Show the roles of the log, which accounts are members, and what each is for.

    lifecircle init makes them where its account may. Where it may not, an administrator runs what --sql prints:

    lifecircle roles --sql | psql shop

    An account gets a role by: GRANT role TO account. What each may do is in the reference, under roles.
    """
    if not url.startswith("postgres"):
        raise click.UsageError("SQLite has no accounts: who may read or write a log is said by the rights of its file")
    from adapters.postgres.roles import roles, roles_sql

    if as_sql:
        click.echo(roles_sql(url), nl=False)
        return
    rows = [(name, "(not made)" if members is None else members, about) for name, members, about in roles(url)]
    show(("role", "members", "for"), rows, style)
