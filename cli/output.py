"""How results are shown: a table for people, JSON and CSV for programs."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import orjson

from adapters.told import iso

if TYPE_CHECKING:
    from adapters.views.tables import Tables
    from domain.touchpoint import Fact

SEALED_SHOWN = "[sealed]"
"""What a table shows in place of a sealed value."""

COLUMNS_READ = 12
"""Of how many columns a table shows those too that no row has anything in."""

WIDTH_OF_FILES = 200
"""How wide a table is that goes into a file or another program, in characters."""

_THOUSAND = 1_000
"""From where on a number is shown to the cent, not to four digits."""


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None] | None]:
    """What to tell how much of a file is read, of how much; None where nobody is there to see it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)


def show(columns: Sequence[str], rows: Iterable[Sequence[Any]], style: str, title: str | None = None) -> None:
    """Print rows under their columns in the style that was asked for: table, json or csv.

    JSON and CSV hold what is stored; a table shows micro-units as decimals, and leaves out day numbers and, where there
    are many columns, those without anything in them.
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


@contextmanager
def folding(doing: str = "folding") -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal while touchpoints are worked on, told how many are done and of how many; else nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    bar = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn("touchpoints"))
    console = Console(stderr=True)
    progress = Progress(
        *bar, TimeElapsedColumn(), Remaining(), console=console, transient=True, disable=not console.is_terminal
    )
    with progress:
        task = progress.add_task("fold", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def progress_of(*works: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on the terminal for each of several works, told which, how many touchpoints are done, and of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("touchpoints"))
    console = Console(stderr=True)
    bars = Progress(
        *columns, TimeElapsedColumn(), Remaining(), console=console, transient=True, disable=not console.is_terminal
    )
    with bars:
        tasks = {work: bars.add_task(work, total=None) for work in works}
        yield lambda work, done, total: bars.update(tasks[work], completed=done, total=total)


def warn_of_gaps(tables: "Tables") -> None:
    """Say of which views some subjects are left out, because their folds fail, and of a moment that shows nothing."""
    for (view, _), count in sorted(tables.state()[2].items()):
        click.echo(f"{view} leaves out {count} subjects whose fold fails", err=True)
    if tables.place and tables.views:
        some = tables.answers(f"SELECT 1 FROM {view} LIMIT 1" for view in tables.views)[2]  # noqa: S608 - names of views
        if not any(rows for _, rows in some):
            click.echo("by this moment nothing had occurred, or was known, that these views show", err=True)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    # Day numbers serve SQL's arithmetic; a person reads the day beside them.
    shown = [(at, name) for at, name in enumerate(columns) if not name.endswith("_dayno")]
    found, left_out = list(rows), set[str]()
    if found and len(shown) > COLUMNS_READ:
        left_out = {name for at, name in shown if all(row[at] is None for row in found)}
        shown = [(at, name) for at, name in shown if name not in left_out]
    for _, name in shown:
        table.add_column(name.removesuffix("_micros").replace("_", " "), overflow="fold")
    for row in found:
        # Text, not markup: a customer's words may hold brackets.
        cells = [(row[at], cell(name, row[at])) for at, name in shown]
        table.add_row(*(Text(text, justify="right" if _is_number(value) else "left") for value, text in cells))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_FILES
    console.print(table)
    if left_out:
        names = ", ".join(name.removesuffix("_micros").replace("_", " ") for name in columns if name in left_out)
        console.print(f"left out, for no row has anything there: {names}", style="dim")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def cell(name: str, value: Any) -> str:
    """A cell for people: micro-units as decimals, microseconds as times, shares to four digits, thousands to cents."""
    from domain.fields import is_sealed
    from domain.money import decimal

    if value is None:
        return ""
    if is_sealed(value):
        return SEALED_SHOWN
    if isinstance(value, int) and name.endswith("_micros"):
        return str(decimal(value))
    if isinstance(value, int) and (name == "at" or name.endswith("_at")):
        return iso(value)[:19]
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= _THOUSAND else f"{value:.4g}"
    return str(value)


_LENGTHS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float | None) -> str:
    """A length of time for people, in the greatest unit that it fills: 2.5 d, 40 min."""
    if seconds is None:
        return ""
    unit, length = next((each for each in _LENGTHS if seconds >= each[1]), _LENGTHS[-1])
    return f"{seconds / length:.3g} {unit}"


def occurred(fact: "Fact") -> str:
    """When a touchpoint occurred, as given or corrected; the day alone where only that counts."""
    time = str(fact.envelope["time"])
    return time[:10] if fact.is_date else time


def described(data: dict[str, Any]) -> str:
    """A payload in one line for people: amounts with their currency, lists by their length."""
    return ", ".join(f"{name} {_brief(value)}" for name, value in data.items() if value != [])


def _brief(value: Any) -> str:
    from domain.fields import is_sealed
    from domain.money import decimal

    match value:
        case {"micros": int(micros), "currency": str(currency)}:
            return f"{decimal(micros)} {currency}"
        case str() if is_sealed(value):
            return SEALED_SHOWN
        case list() if all(isinstance(item, dict) for item in value):
            return f"({len(value)})"
        case dict():
            return f"({described(value)})"
        case _:
            return str(value)
