"""Decide what follows from how things stand, and record it: reminders, warnings, tasks, offers, thanks."""

from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from cli.options import LOG_HELP, format_option, log_url, moment_of, moment_options, principal
from cli.output import folding, show, warn_of_gaps

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.acting import Outcome
    from adapters.engine import Engine
    from adapters.views.moments import Moment
    from domain.decision import Decision


@click.command()
@click.option("--log", metavar="URL", help=LOG_HELP)
@format_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "listed", is_flag=True, help="List the decisions with the rule of each; no log is needed.")
@click.option("--dry-run", is_flag=True, help="Only show what would be recorded.")
@moment_options
@click.pass_context
def command(
    ctx: click.Context,
    log: str | None,
    style: str,
    names: tuple[str, ...],
    as_of: "int | date | None",
    known_at: str | None,
    *,
    listed: bool,
    dry_run: bool,
) -> None:
    """Take the decisions NAME, or all of them: append what follows from the views as they stand, never twice.

    Everything is appended strictly. What a rule forbids is shown with that rule, and is no error of the command. The
    past can be looked at, and nobody can act in it: --as-of and --known-at go with --dry-run.
    """
    from adapters.extensions import load_extensions
    from domain.decision import decision_named, decisions

    load_extensions()  # a company may have decisions of its own
    chosen = [decision_named(name) for name in dict.fromkeys(names)] or list(decisions().values())
    if listed:
        show(("decision", "reads", "rule"), [(each.name, each.reads, each.rule) for each in chosen], style)
        return
    if not dry_run and (as_of is not None or known_at is not None):
        raise click.UsageError("nobody can act in the past: add --dry-run to see what would have been decided")
    from adapters.acting import Outcome
    from adapters.engine import Engine

    with Engine.open(log_url(ctx, log)) as engine:
        outcomes = _outcomes(engine, chosen, moment_of(engine, as_of, known_at), dry_run=dry_run)
    show(Outcome._fields, outcomes, style)


def _outcomes(engine: "Engine", chosen: "list[Decision[Any]]", moment: "Moment", *, dry_run: bool) -> "list[Outcome]":
    from adapters.acting import act, look, read_by
    from adapters.views.moments import Moment, views_at
    from adapters.views.tables import open_tables

    if moment == Moment():
        with closing(open_tables(engine.url, engine.company)) as tables:
            warn_of_gaps(tables)
            return list(act(engine, tables, chosen, recordedby=principal(), dry_run=dry_run))
    with (
        folding() as on_progress,
        views_at(engine.log, engine.url, engine.company, read_by(chosen), moment, on_progress) as tables,
    ):
        warn_of_gaps(tables)
        return list(look(engine, tables, chosen))
