"""Guess a mapping for a file of rows, show what it would make of them, and write it."""

import secrets
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from cli.options import LOG_HELP, format_option, guess_options, log_said
from cli.output import described, progress_bar, show

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.sources.rehearsal import Rehearsal
    from domain.touchpoint import Envelope

SHOWN = 10


@click.command()
@click.option("--log", "url", metavar="URL", help=f"{LOG_HELP} Needed for nothing but the ids of people, and its zone.")
@format_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The mapping; FILE.toml if not said."
)
@guess_options
@click.option("--force", is_flag=True, help="Write over a mapping that is there.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    url: str | None,
    style: str,
    file: Path,
    output: Path | None,
    *,
    force: bool,
    **answers: str | None,
) -> None:
    """Guess how the rows of FILE become touchpoints, and write it as a mapping for lifecircle import.

    Shows the first ten touchpoints, the rows that would go to quarantine, and what is assumed or in doubt; that stands
    in the mapping too, and nothing is recorded. Works without a log.
    """
    from adapters.engine import Engine
    from adapters.extensions import load_extensions
    from adapters.idkey import read_id_key
    from adapters.keyfile import KEY_BYTES
    from adapters.sources.answers import Answers, Doubt
    from adapters.sources.guess import guess_mapping
    from adapters.sources.mapping import read_mapping
    from adapters.sources.rehearsal import rehearse
    from domain.company import Company

    load_extensions()
    output = output or place_of(file)
    if output.exists() and not force:
        raise click.UsageError(f"{output} is there already: name another one with -o, or say --force")
    company, key, row_key = Company(), secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
    address = log_said(ctx, url)
    with Engine.open(address) if address else nullcontext() as engine:
        if engine:
            company = engine.company
        zone = company.zone if engine else None
        guess = guess_mapping(file, Answers(**answers), zone=zone, currency=company.currency)
        mapping = read_mapping(guess.text, str(output))
        if engine:
            row_key = engine.sealing.row_key  # not before the file could be read: keys are not for everyone who may
    if address and mapping.needs_key:
        key = read_id_key(address)
    with progress_bar(file.name) as progress:
        found = rehearse(
            file,
            mapping,
            company=company,
            key=key,
            row_key=row_key,
            first_max=SHOWN,
            sampled_lines=guess.sampled_lines,
            progress=progress,
        )
    output.write_text(guess.text, encoding="utf-8")
    if not address and mapping.needs_key:
        guess.unsure.append(Doubt("without --log the ids of people are shown as they would not be in any log"))
    unsure = [f"{each.text} ({each.option})" if each.option else each.text for each in guess.unsure]
    touchpoints = [_fields(each) for each in found.first]
    if style == "json":
        told: dict[str, Any] = {
            "map": str(output),
            "kind": guess.kind,
            "assumed": guess.assumed,
            "unsure": unsure,
            "touchpoints": [each.model_dump(mode="json", exclude_none=True) for each in found.first],
            "quarantined": _quarantined(found),
            "report": found.report.as_dict(),
        }
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    report = found.report
    show(("time", "kind", "subject", "fields"), touchpoints, style, title=f"the first touchpoints of {file.name}")
    rows: list[Sequence[Any]] = [
        (rule, found.sampled[rule], count, ", ".join(map(str, found.places[rule])))
        for rule, count in found.whole.items()
    ]
    if rows:
        show(("rule", "in the sample", "in the file", "lines"), rows, style, title="rows that would go to quarantine")
    for label, texts in (("unsure", unsure), ("assumed", guess.assumed)):
        for text in texts:
            click.echo(f"{label}: {text}", err=True)
    left = report.left_out.total()
    click.echo(
        f"{report.rows} rows: {report.stored} become {report.touchpoints.total()} touchpoints, "
        f"{report.repeats} are repeats, {left} are left out, {report.quarantined.total()} would go to quarantine\n"
        f"written: {output}; look at it, then: lifecircle import {file} --map {output}",
        err=True,
    )


def place_of(file: Path) -> Path:
    """Where the mapping guessed for a file is kept, if nobody says: in this folder, under the file's name."""
    return Path(file.name.removesuffix(".gz")).with_suffix(".toml")


def _fields(touchpoint: "Envelope") -> tuple[str, str, str, str]:
    data = touchpoint.data.model_dump(mode="json", exclude_none=True)
    return touchpoint.time.isoformat(), touchpoint.type, touchpoint.subject, described(data)


def _quarantined(found: "Rehearsal") -> list[dict[str, Any]]:
    return [
        {"rule": rule, "in_sample": found.sampled[rule], "in_file": count, "lines": found.places[rule]}
        for rule, count in found.whole.items()
    ]
