"""Give credit for conversions to channels, campaigns, sources or partners, by six rules side by side."""

from datetime import date

import click

from cli.options import format_option, log_option, moment_of, moment_options
from cli.output import folding, show, warn_of_gaps

# As projections.credit and projections.models.attribution have them, but help must not wait for these to load.
BY = ("channel", "source", "campaign", "partner", "intermediary")
CONVERSIONS = ("OpportunityWon", "OrderPlaced", "SubscriptionStarted", "ContractSigned")
VIEWS = ("touches", "conversions", "campaigns", "partners")
RULES = ("first", "last", "linear", "decay", "position", "markov")


@click.command()
@log_option
@format_option
@click.option("--by", type=click.Choice(BY), default=BY[0], show_default=True, help="What credit is given to.")
@click.option("--conversion", "kind", type=click.Choice(CONVERSIONS), help="Only conversions of this kind.")
@click.option("--conversions", "counted", is_flag=True, help="Show conversions credited instead of value and return.")
@moment_options
def command(
    url: str,
    style: str,
    by: str,
    kind: str | None,
    as_of: "int | date | None",
    known_at: str | None,
    *,
    counted: bool,
) -> None:
    """Show value, cost and return by first, last, linear, time-decay and position-based touch, and by removal effect.

    The first five stand in SQL too (question attribution); the sixth is reckoned from all paths, those that led to
    nothing too. Whatever the rule, the credits of all add up exactly to the conversions that a touch preceded.
    """
    from adapters.engine import Engine
    from adapters.extras import need
    from adapters.views.moments import settled, views_standing

    need("loyalty", "removal effects")
    from projections import view_named
    from projections.credit import ATTRIBUTION_COLUMNS
    from projections.models.attribution import ATTRIBUTION, TRAILS, with_markov

    with Engine.open(url) as engine:
        moment, chosen = moment_of(engine, as_of, known_at), {name: view_named(name) for name in VIEWS}
        with (
            folding() as on_progress,
            views_standing(engine.log, url, engine.company, chosen, moment, on_progress) as tables,
        ):
            warn_of_gaps(tables)
            cursor, ((_, rows), (_, trails)) = settled(engine.log, tables, ATTRIBUTION, TRAILS)
    click.echo(f"cursor {cursor}", err=True)
    found = [
        row for row in with_markov(ATTRIBUTION_COLUMNS, rows, trails, by) if kind in (None, row["conversion_kind"])
    ]
    measured = [f"{rule}_{'credit' if counted else 'value'}_micros" for rule in RULES]
    if not counted:
        measured += ["cost_micros", *(f"{rule}_return" for rule in RULES)]
    columns = ("name", "conversion_kind", "currency", "customers", *measured)
    show((by, *columns[1:]), [tuple(row[column] for column in columns) for row in found], style)
