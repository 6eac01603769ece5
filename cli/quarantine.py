"""See, export, correct and release the rows that imports could not turn into touchpoints."""

import csv
from typing import IO, TYPE_CHECKING

import click
import orjson

from adapters.told import iso
from cli.import_ import SOME_IN_QUARANTINE
from cli.options import format_option, log_option, principal
from cli.output import show

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.log import QuarantinedRow
    from adapters.sources.release import Corrected, Released

COLUMNS: tuple[str, ...] = ("batch", "row", "rule", "message", "recorded")
EXPORTED: tuple[str, ...] = ("batch", "row", "source", "rule", "message", "raw")


@click.group()
def command() -> None:
    """Rows of imports that could not be read or were refused. Correct them, and release them."""


@command.command("list")
@log_option
@format_option
@click.option("--batch", help="Only the rows of this import.")
@click.option("--all", "every", is_flag=True, help="Those too that were released, with when and by whom.")
def list_(url: str, style: str, batch: str | None, *, every: bool) -> None:
    """List the rows with the line of the file that they begin in, and the rule that each breaks; without their text."""
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        rows = engine.log.quarantined(batch, released=every)
    shown: list[tuple[str | int, ...]] = [
        (row.batch, row.row, row.rule, row.message, iso(row.recorded))
        + (("" if row.released is None else iso(row.released), row.released_by) if every else ())
        for row in rows
    ]
    count = sum(row.released is None for row in rows)
    show(COLUMNS + (("released", "by") if every else ()), shown, style, title=f"rows in quarantine: {count}")


@command.command()
@log_option
@click.option(
    "--format", "style", type=click.Choice(["csv", "json"]), default="csv", show_default=True, help="CSV, or JSON."
)
@click.option("--batch", help="Only the rows of this import.")
@click.argument("file", type=click.File("w", encoding="utf-8", lazy=True), default="-")
def export(url: str, style: str, batch: str | None, file: IO[str]) -> None:
    """Write the rows with their text to FILE or to standard output, in clear: it may hold personal data.

    That it was opened is noted in the log.
    """
    from adapters.data_subjects.opening import open_quarantine
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        rows = [_fields(row) for row in open_quarantine(engine, batch, by=principal())]
    if style == "json":
        file.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        writer = csv.DictWriter(file, EXPORTED, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _fields(row: "QuarantinedRow") -> dict[str, str | int]:
    found = (row.batch, row.row, row.source, row.rule, row.message, row.raw)
    return dict(zip(EXPORTED, found, strict=True))


@command.command()
@log_option
@format_option
@click.argument("file", type=click.File("r", encoding="utf-8-sig"), required=False)
@click.option("--batch", help="The rows of this import, as they stand; with --row one of them.")
@click.option("--row", type=int, help="One row, by the line of the file that it begins in.")
@click.option("--set", "cells", multiple=True, metavar="COLUMN=VALUE", help="What a cell of this row should say.")
@click.pass_context
def release(
    ctx: click.Context,
    url: str,
    style: str,
    file: IO[str] | None,
    batch: str | None,
    row: int | None,
    cells: tuple[str, ...],
) -> None:
    """Put corrected rows through their mapping again, and let in what holds now.

    FILE is an export, CSV or JSON, in which `raw` was corrected; or name one row with --batch, --row and --set. With
    --batch alone all its rows are tried again as they stand, which helps when it was not they that were wrong. What is
    still invalid stays in quarantine under its new rule, and the exit code is 10 then.
    """
    from adapters.engine import Engine
    from adapters.sources.release import Corrected, waiting
    from adapters.sources.release import release as let_in

    if (file is None) == (batch is None) or (row is None and cells) or (file and row is not None):
        raise click.UsageError("give a corrected export, or --batch, or --batch and --row with --set COLUMN=VALUE")
    if strange := [cell for cell in cells if "=" not in cell]:
        raise click.UsageError(f"--set takes COLUMN=VALUE: {len(strange)} has no =")
    with Engine.open(url) as engine:
        if file is not None:
            corrected = _corrected(file)
        elif row is not None:
            changes = dict(cell.split("=", 1) for cell in cells)
            corrected = [Corrected(batch or "", row, cells=changes)]
        else:
            corrected = waiting(engine, batch or "")
        report = let_in(engine, corrected, recordedby=principal())
    _show(report, style)
    ctx.exit(SOME_IN_QUARANTINE if report.still else 0)


def _corrected(file: IO[str]) -> "list[Corrected]":
    """The rows of an export that was edited; JSON is known by its first character."""
    from adapters.sources.release import Corrected
    from domain.errors import UnreadableInput

    try:
        text = file.read()
        if text.lstrip().startswith("["):
            found = orjson.loads(text)
        else:
            found = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
        return [Corrected(str(each["batch"]), int(each["row"]), str(each["raw"])) for each in found]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise UnreadableInput(
            "this is no export of a quarantine",
            where=file.name,
            rule="CSV or JSON in UTF-8 with batch, row and raw in every row",
            way_out="make one with: lifecircle quarantine export; correct raw, and leave batch and row as they are",
        ) from error


def _show(report: "Released", style: str) -> None:
    if style == "json":
        click.echo(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2).decode())
        return
    rows = [("released", "", report.released), ("released before", "", report.earlier)]
    rows += [("left out", name, count) for name, count in report.left_out.items()]
    rows += [("new touchpoints", name, count) for name, count in report.touchpoints.items()]
    rows += [("still in quarantine", rule, count) for rule, count in report.still.items()]
    show(("what", "which", "count"), rows, style)
