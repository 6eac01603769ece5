"""How results are shown: a table for people, JSON and CSV for programs."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson


def show(columns: Sequence[str], rows: Iterable[Sequence[Any]], style: str, title: str | None = None) -> None:
    """Print rows under their columns in the style that was asked for: table, json or csv."""
    if style == "json":
        shown = [dict(zip(columns, row, strict=True)) for row in rows]
        click.echo(orjson.dumps(shown, default=str, option=orjson.OPT_INDENT_2).decode())
    elif style == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        click.echo(text.getvalue(), nl=False)
    else:
        _table(columns, rows, title)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, not markup: a customer's words may hold brackets.
        table.add_row(*(Text(_cell(cell), justify="right" if _is_number(cell) else "left") for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _cell(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def iso(us: int) -> str:
    """Microseconds since 1970 UTC as ISO 8601."""
    seconds, rest = divmod(us, 1_000_000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest).isoformat().replace("+00:00", "Z")
