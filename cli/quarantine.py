"""See and export the rows that imports could not turn into touchpoints."""

import csv
from typing import IO, TYPE_CHECKING

import click
import orjson

from cli.options import format_option, log_option
from cli.output import iso, show

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.log import QuarantinedRow

COLUMNS = ("batch", "row", "rule", "message", "recorded")
EXPORTED: tuple[str, ...] = ("batch", "row", "source", "rule", "message", "raw")


@click.group()
def command() -> None:
    """Rows of imports that could not be read or were refused. Correct them, and import the corrected file."""


@command.command("list")
@log_option
@format_option
@click.option("--batch", help="Only the rows of this import.")
def list_(url: str, style: str, batch: str | None) -> None:
    """List the rows with the line of the file that they begin in, and the rule that each breaks; without their text."""
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        rows = engine.log.quarantined(batch)
    shown = [(row.batch, row.row, row.rule, row.message, iso(row.recorded)) for row in rows]
    show(COLUMNS, shown, style, title=f"rows in quarantine: {len(rows)}")


@command.command()
@log_option
@click.option(
    "--format", "style", type=click.Choice(["csv", "json"]), default="csv", show_default=True, help="CSV, or JSON."
)
@click.option("--batch", help="Only the rows of this import.")
@click.argument("file", type=click.File("w", encoding="utf-8", lazy=True), default="-")
def export(url: str, style: str, batch: str | None, file: IO[str]) -> None:
    """Write the rows with their text to FILE or to standard output. The text may hold personal data."""
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        rows = [_fields(row) for row in engine.log.quarantined(batch)]
    if style == "json":
        file.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        writer = csv.DictWriter(file, EXPORTED, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _fields(row: "QuarantinedRow") -> dict[str, str | int]:
    found = (row.batch, row.row, row.source, row.rule, row.message, row.raw)
    return dict(zip(EXPORTED, found, strict=True))
