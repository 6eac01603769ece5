"""Show a view: one subject's rows or all, as they stand or as of any moment."""

from collections.abc import Sequence
from contextlib import closing
from datetime import date
from typing import Any

import click

from cli.options import (
    LOG_HELP,
    format_option,
    log_url,
    moment_of,
    moment_options,
    open_options,
    principal,
    purpose_of,
)
from cli.output import folding, show, warn_of_gaps


@click.command()
@click.option("--log", metavar="URL", help=LOG_HELP)
@format_option
@click.argument("name", required=False)
@click.option("--subject", help="Only the rows of this subject.")
@moment_options
@open_options
@click.pass_context
def command(
    ctx: click.Context,
    log: str | None,
    style: str,
    name: str | None,
    subject: str | None,
    as_of: "int | date | None",
    known_at: str | None,
    purpose: str | None,
    *,
    opens: bool,
) -> None:
    """Show the rows of view NAME; without NAME list the views and the questions across customers that they answer.

    As of a moment, all subjects are folded for this call alone. Personal data stays sealed unless it is opened with
    --open. A question is asked by its name too:
    lifecircle query "select * from funnel"
    """
    if name is None:
        show(("view", "what it shows", "questions"), _catalogue(), style)
        return
    from adapters.data_subjects.opening import open_rows
    from adapters.engine import Engine
    from adapters.extensions import load_extensions
    from adapters.views.moments import views_at
    from adapters.views.pseudonyms import Pseudonyms
    from adapters.views.replay import rows_as_of
    from adapters.views.tables import open_tables
    from projections import view_named

    load_extensions()
    view = view_named(name)
    url = log_url(ctx, log)
    wanted = purpose_of(purpose, opens=opens)
    with Engine.open(url) as engine:

        def shown(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
            show(columns, open_rows(engine, rows, purpose=wanted, by=principal()) if wanted else rows, style)

        if as_of is None and known_at is None:
            with closing(open_tables(url, engine.company)) as tables:
                shown(*tables.rows(name, subject))
            return
        moment = moment_of(engine, as_of, known_at)
        if subject is not None:
            pseudonyms, at = Pseudonyms.of_log(url), (moment.known, moment.as_of)
            described, rows = rows_as_of(engine.log, engine.company, name, subject, pseudonyms, *at)
            shown([column.name for column in described], rows)
            return
        with (
            folding() as on_progress,
            views_at(engine.log, url, engine.company, {name: view}, moment, on_progress) as tables,
        ):
            warn_of_gaps(tables)
            shown(*tables.rows(name))


def _catalogue() -> list[tuple[str, str, str]]:
    from adapters.extensions import load_extensions
    from projections import views

    load_extensions()
    return [
        (view.name, view.comment, ", ".join(question.name for question in view.questions)) for view in views().values()
    ]
