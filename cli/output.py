"""How results are shown: a table for people, JSON and CSV for programs."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson

WIDTH_OF_FILES = 200
"""How wide a table is that goes into a file or another program, in characters."""


def show(columns: Sequence[str], rows: Iterable[Sequence[Any]], style: str, title: str | None = None) -> None:
    """Print rows under their columns in the style that was asked for: table, json or csv.

    JSON and CSV hold what is stored; a table shows micro-units as decimals and leaves day numbers out.
    """
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
    # Day numbers serve SQL's arithmetic; a person reads the day beside them.
    shown = [(at, name) for at, name in enumerate(columns) if not name.endswith("_dayno")]
    for _, name in shown:
        table.add_column(name.removesuffix("_micros").replace("_", " "), overflow="fold")
    for row in rows:
        # Text, not markup: a customer's words may hold brackets.
        cells = [(row[at], _cell(name, row[at])) for at, name in shown]
        table.add_row(*(Text(cell, justify="right" if _is_number(value) else "left") for value, cell in cells))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_FILES
    console.print(table)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _cell(name: str, value: Any) -> str:
    """A cell for people: micro-units as decimals, microseconds as times, shares to four digits."""
    from domain.money import decimal

    if value is None:
        return ""
    if isinstance(value, int) and name.endswith("_micros"):
        return str(decimal(value))
    if isinstance(value, int) and (name == "at" or name.endswith("_at")):
        return iso(value)[:19]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def iso(us: int) -> str:
    """Microseconds since 1970 UTC as ISO 8601."""
    seconds, rest = divmod(us, 1_000_000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest).isoformat().replace("+00:00", "Z")


def described(data: dict[str, Any]) -> str:
    """A payload in one line for people: amounts with their currency, lists by their length."""
    return ", ".join(f"{name} {_brief(value)}" for name, value in data.items() if value != [])


def _brief(value: Any) -> str:
    from domain.money import decimal

    match value:
        case {"micros": int(micros), "currency": str(currency)}:
            return f"{decimal(micros)} {currency}"
        case list() if all(isinstance(item, dict) for item in value):
            return f"({len(value)})"
        case dict():
            return f"({described(value)})"
        case _:
            return str(value)
