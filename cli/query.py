"""Ask the views anything in SQL, as they stand or as of any moment; reading only."""

from contextlib import closing
from datetime import date

import click

from cli.options import format_option, log_option, moment_of, moment_options
from cli.output import folding, show, warn_of_gaps


@click.command()
@log_option
@format_option
@click.argument("sql")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many rows.")
@moment_options
def command(
    url: str, style: str, sql: str, limit: int | None, as_of: "int | date | None", known_at: str | None
) -> None:
    """Run one SELECT, given as SQL, over the views and questions that `lifecircle view` lists.

    For example: lifecircle query "select * from funnel". As of a moment, the views that it names are folded for this
    call alone, and that moment is what questions call today.
    """
    from adapters.engine import Engine
    from adapters.views.moments import named_in, views_at
    from adapters.views.tables import open_tables
    from projections import views

    with Engine.open(url) as engine:
        if as_of is None and known_at is None:
            with closing(open_tables(url, engine.company)) as tables:
                show(*tables.query(sql, limit), style)
            return
        moment = moment_of(engine, as_of, known_at)
        with (
            folding() as on_progress,
            views_at(engine.log, url, engine.company, named_in(sql, views()), moment, on_progress) as tables,
        ):
            warn_of_gaps(tables)
            show(*tables.query(sql, limit), style)
