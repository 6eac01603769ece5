"""Ask how customers come from step to step: a funnel over all of history."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import AS_OF_HELP, LOG_HELP, WHEN, format_option, log_url, mirror_option
from cli.output import duration, show

if TYPE_CHECKING:
    from adapters.funnels.conversion import Sightings
    from domain.funnel import Funnel


@click.command()
@click.option("--log", metavar="URL", help=LOG_HELP)
@mirror_option(required=False)
@format_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--step", "steps", multiple=True, metavar="STEP", help="A step, in place of FILE: a kind and conditions.")
@click.option("--within", metavar="WINDOW", help="The time from the first step to the last, such as '30 days'.")
@click.option("--order", metavar="loose|strict", help="Whether others may lie between steps (loose), or none.")
@click.option("--by", metavar="FIELD", help="Tell attempts apart by a field of their first touchpoint.")
@click.option("--lost", type=click.IntRange(min=1), metavar="STEP", help="List who came to this step and no further.")
@click.option("--as-of", type=WHEN, help=AS_OF_HELP)
@click.pass_context
def command(
    ctx: click.Context,
    log: str | None,
    mirror: Path | None,
    style: str,
    file: Path | None,
    steps: tuple[str, ...],
    within: str | None,
    order: str | None,
    by: str | None,
    lost: int | None,
    as_of: "int | date | None",
) -> None:
    """Show how many customers came to each step of the funnel in FILE, or of steps given here, and how long it took.

    FILE is TOML: steps = ["OpportunityOpened where lead_source = fair", "OpportunityWon"], within = "90 days", order =
    "loose", by = "owner"; options given here come before what it says. A customer counts once, with the attempt that
    came furthest. It is read from a mirror, fast and without the log, or else from the log itself.
    """
    from adapters.extensions import load_extensions
    from adapters.extras import need
    from domain.funnel import read_funnel

    if (file is None) == (not steps):
        raise click.UsageError("say either a FILE, or --step twice or more")
    load_extensions()
    need("explore", "a funnel")
    from adapters.funnels.conversion import Conversion, Lost, StepFigures
    from adapters.funnels.files import load_funnel

    given = {"within": within, "order": order, "by": by}
    told = {name: value for name, value in given.items() if value is not None}
    funnel = load_funnel(file, told) if file else read_funnel(steps, **told)
    if lost and lost > len(funnel.steps):
        raise click.BadParameter(f"the funnel has {len(funnel.steps)} steps", param_hint="--lost")
    seen = _from_mirror(mirror, funnel, as_of) if mirror else _from_log(log_url(ctx, log), funnel, as_of)
    conversion = Conversion(funnel, seen)
    shown = 0 if funnel.by else 1  # what attempts are told apart by, where they are
    if lost:
        named = [(each.subject, *each[1:][shown:]) for each in conversion.lost(lost)]
        show(("subject", *Lost._fields[1:][shown:]), named, style)
        return
    figures = conversion.figures()
    if style == "table":
        rows = [(*each[shown:-2], duration(each.median_s), duration(each.p90_s)) for each in figures]
        show((*StepFigures._fields[shown:-2], "median", "p90"), rows, style)
    else:
        show(StepFigures._fields[shown:], [each[shown:] for each in figures], style)


def _from_mirror(folder: Path, funnel: "Funnel", as_of: "int | date | None") -> "Sightings":
    from adapters.funnels.sources import from_mirror
    from adapters.mirror.manifest import read_manifest
    from adapters.views.moments import instant
    from domain.company import Company

    manifest = read_manifest(folder)
    if manifest.history.cursor != manifest.cursor:
        click.echo("the mirror's history is behind its touchpoints; lifecircle mirror brings it up to them", err=True)
    if manifest.history.parked:
        click.echo(f"left out: {len(manifest.history.parked)} subjects whose history cannot be folded", err=True)
    return from_mirror(folder, manifest, funnel, instant(Company(zone=manifest.zone), as_of))


def _from_log(url: str, funnel: "Funnel", as_of: "int | date | None") -> "Sightings":
    from adapters.engine import Engine
    from adapters.funnels.sources import from_log
    from adapters.views.moments import instant

    def parked(stream: str, error: str) -> None:
        click.echo(f"left out: {stream}, whose history cannot be folded: {error}", err=True)

    with Engine.open(url) as engine:
        return from_log(engine, funnel, instant(engine.company, as_of), parked)
