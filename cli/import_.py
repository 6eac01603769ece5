"""Import a file of rows by a mapping that says what each row becomes, or of CloudEvents as they are."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from cli.options import format_option, guess_options, log_option, principal
from cli.output import progress_bar, show

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.sources.report import Report

SOME_IN_QUARANTINE = 10
"""The exit code of an import that is complete, but put rows into quarantine."""


@click.command()
@log_option
@format_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "mapping", metavar="MAP", help="A TOML file, or the name of a mapping kept here.")
@click.option("--guess", "guesses", is_flag=True, help="Guess the mapping and keep it; refused where it is in doubt.")
@guess_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    url: str,
    style: str,
    file: Path,
    mapping: str | None,
    *,
    guesses: bool,
    **answers: str | None,
) -> None:
    """Import FILE, and account for every row.

    CSV, TSV, whitespace-separated text, XES and Parquet need a mapping that says what each row becomes; without one
    every line is a CloudEvent (JSON Lines). All but Parquet may be gzipped.

    With --guess the mapping is the one that `lifecircle map` guesses; it is kept as FILE.toml. Where it is not sure of
    something, nothing is imported, and it says with which options it would be.

    Run it again as often as you like: what is stored already is counted as repeats. Rows that cannot be read or are
    invalid go to quarantine (lifecircle quarantine list), and the exit code is 10 then.
    """
    from adapters.engine import Engine
    from adapters.sources.importer import import_file
    from adapters.sources.mapping import load_mapping

    if mapping and guesses:
        raise click.UsageError("--guess goes without --map")
    if not guesses and (said := [name for name, value in answers.items() if value is not None]):
        raise click.UsageError(f"--{said[0]} goes with --guess")
    if guesses:
        mapping = _guessed(url, file, answers, style)
    plan = load_mapping(mapping) if mapping else None
    with Engine.open(url) as engine, progress_bar(file.name) as progress:
        report = import_file(engine, file, plan, recordedby=principal(), progress=progress)
    _show(report, style)
    ctx.exit(SOME_IN_QUARANTINE if report.quarantined else 0)


def _guessed(url: str, file: Path, said: dict[str, str | None], style: str) -> str:
    """Guess a mapping, write it, and answer where it is."""
    from adapters.engine import Engine
    from adapters.extensions import load_extensions
    from adapters.sources.answers import Answers, way_out_of
    from adapters.sources.guess import guess_mapping
    from cli.map import place_of
    from domain.errors import GuessFailed

    place = place_of(file)
    if place.exists():
        raise click.UsageError(f"{place} is there already: import by it with --map {place}, or remove it")
    load_extensions()
    with Engine.open(url) as engine:
        answers = Answers(**said)
        guess = guess_mapping(file, answers, zone=engine.company.zone, currency=engine.company.currency)
    for text in guess.assumed if style != "json" else ():  # an error is the only JSON on its stream
        click.echo(f"assumed: {text}", err=True)
    to_answer = any(doubt.option for doubt in guess.unsure)
    if not to_answer:  # while there is something to answer, another guess follows
        place.write_text(guess.text, encoding="utf-8")
    if guess.unsure:
        raise GuessFailed(
            "the guess is not sure of everything, so nothing was imported",
            where=str(file if to_answer else place),
            rule="; ".join(doubt.text for doubt in guess.unsure),
            way_out=way_out_of(guess.unsure, file, answers)
            if to_answer
            else f"look at {place}, mend it, then: lifecircle import {file} --map {place}",
        )
    return str(place)


def _show(report: "Report", style: str) -> None:
    if style == "json":
        click.echo(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2).decode())
        return
    rows = [
        ("rows read", "", report.rows),
        ("of an earlier run", "", report.earlier),
        ("stored", "", report.stored),
        ("repeats", "", report.repeats),
    ]
    rows += [("left out", name, count) for name, count in report.left_out.items()]
    rows += [("quarantined", rule, count) for rule, count in report.quarantined.items()]
    rows += [("new touchpoints", name, count) for name, count in report.touchpoints.items()]
    rows += [("counted", name, count) for name, count in report.counted.items()]
    if report.ambiguous_times:
        rows.append(("times that occurred twice", "taken as the first", report.ambiguous_times))
    show(("what", "which", "count"), rows, style, title=f"{report.file} by {report.mapping}, batch {report.batch}")
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
