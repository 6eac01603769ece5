"""Ask the views anything in SQL; reading only."""

import click

from adapters.engine import Engine
from adapters.tables import open_tables
from cli.options import format_option, log_option
from cli.output import show


@click.command()
@log_option
@format_option
@click.argument("sql")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many rows.")
def command(url: str, style: str, sql: str, limit: int | None) -> None:
    """Run one SELECT over the views and questions that `lifecircle view` lists, such as "select * from funnel"."""
    with Engine.open(url) as engine:
        columns, rows = open_tables(url, engine.company).query(sql, limit)
        show(columns, rows, style)
