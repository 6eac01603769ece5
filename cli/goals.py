"""Tell how goals stand: against their baseline, at the pace so far, and which give cause for alarm."""

from datetime import date

import click

from cli.options import format_option, log_option, moment_of, moment_options
from cli.output import folding, show


@click.command()
@log_option
@format_option
@moment_options
def command(url: str, style: str, as_of: "int | date | None", known_at: str | None) -> None:
    """Measure every goal: where it began, where it is, where the pace so far leads by its day.

    Progress is the share of the way from baseline to target. The forecast is a straight line through both values seen.
    A baseline that was not stated is the indicator as of the end of the goal's first day, folded for this call.
    """
    from adapters.engine import Engine
    from adapters.goals import assessments
    from projections.goals import Assessment

    with Engine.open(url) as engine:
        moment = moment_of(engine, as_of, known_at)
        with folding() as on_progress:
            found = assessments(engine, moment, on_progress)
        if not found:
            click.echo("by this moment no goal had been set", err=True)
        show(Assessment._fields, found, style)
