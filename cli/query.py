"""Ask the views anything in SQL; reading only."""

from contextlib import closing

import click

from cli.options import format_option, log_option
from cli.output import show


@click.command()
@log_option
@format_option
@click.argument("sql")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many rows.")
def command(url: str, style: str, sql: str, limit: int | None) -> None:
    """Run one SELECT, given as SQL, over the views and questions that `lifecircle view` lists.

    For example: lifecircle query "select * from funnel"
    """
    from adapters.addresses import open_tables
    from adapters.engine import Engine

    with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:
        columns, rows = tables.query(sql, limit)
        show(columns, rows, style)
