"""Show a view: one subject's rows or all, as they stand or as of any moment."""

from contextlib import closing

import click

from cli.options import LOG_HELP, MOMENT, cut, format_option, log_url
from cli.output import show


@click.command()
@click.option("--log", metavar="URL", help=LOG_HELP)
@format_option
@click.argument("name", required=False)
@click.option("--subject", help="Only the rows of this subject.")
@click.option("--as-of", type=MOMENT, help="Leave out what occurred after this moment; with --subject.")
@click.option("--known-at", metavar="MOMENT|CURSOR", help="Leave out what was recorded after it; with --subject.")
@click.pass_context
def command(
    ctx: click.Context,
    log: str | None,
    style: str,
    name: str | None,
    subject: str | None,
    as_of: int | None,
    known_at: str | None,
) -> None:
    """Show the rows of view NAME; without NAME list the views and the questions across customers that they answer.

    A question is asked by its name too: lifecircle query "select * from funnel"
    """
    if name is None:
        show(("view", "what it shows", "questions"), _catalogue(), style)
        return
    from adapters.addresses import open_tables
    from adapters.engine import Engine
    from adapters.replay import rows_as_of
    from projections import view_named

    view_named(name)
    url = log_url(ctx, log)
    if as_of is None and known_at is None:
        with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:
            columns, rows = tables.rows(name, subject)
            show(columns, rows, style)
        return
    if subject is None:
        raise click.UsageError("--as-of and --known-at need --subject; for all subjects ask: lifecircle query")
    with Engine.open(url) as engine:
        known = cut(engine, known_at) if known_at is not None else None
        described, rows = rows_as_of(engine.log, engine.company, name, subject, known, as_of)
        show([column.name for column in described], rows, style)


def _catalogue() -> list[tuple[str, str, str]]:
    from projections import views

    return [
        (view.name, view.comment, ", ".join(question.name for question in view.questions)) for view in views().values()
    ]
