"""Rebuild views from the whole log, while the old ones go on being read."""

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import click
import orjson

from cli.options import format_option, log_option
from cli.output import folding, show

if TYPE_CHECKING:
    from adapters.views.rebuild import Comparison
    from projections.difference import RowDifference

DIFFERENT = 11
"""The exit code of a comparison that found live and newly built rows to differ."""

ROWS_OF_A_TABLE = 20
"""How many rows of each view a person is shown, unless told otherwise."""

_COUNTED = ("view", "added", "removed", "changed", "columns added", "columns removed", "note")


@click.command()
@log_option
@format_option
@click.argument("names", nargs=-1, metavar="[VIEW]...")
@click.option(
    "--compare", is_flag=True, help="Build and compare with the live rows, but do not switch; 11 if they differ."
)
@click.option(
    "--limit", type=click.IntRange(min=0), help="With --compare: show at most this many rows of a view; 20 in a table."
)
def command(url: str, style: str, names: tuple[str, ...], *, compare: bool, limit: int | None) -> None:
    """Fold each VIEW that is named, or all of them, into new tables, and switch to these once they are complete.

    Stopped or killed, it leaves readers the old tables, and the next rebuild of the same views goes on where it stood.
    With --compare nothing is switched: the next rebuild takes up what was built.
    """
    from adapters.engine import Engine
    from adapters.extensions import load_extensions
    from adapters.views.rebuild import compared, rebuild
    from adapters.views.tables import open_tables
    from projections import view_named

    load_extensions()
    for name in names:
        view_named(name)
    with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:
        given = (engine.log, tables, engine.company, names or None)
        if not compare:
            with _stoppable(names) as on_progress:
                rebuild(*given, on_progress=on_progress)
            click.echo(f"rebuilt: {', '.join(names) or 'all views'}")
            return
        with _stoppable(names) as on_progress, compared(*given, on_progress=on_progress) as comparisons:
            differs = _compare(comparisons, style, limit)
    if differs:
        click.get_current_context().exit(DIFFERENT)


@contextmanager
def _stoppable(names: tuple[str, ...]) -> Iterator[Callable[[int, int], None]]:
    """Show progress, and stop between two parts after Ctrl-C or SIGTERM; the second one does not wait for that."""
    from domain.errors import FoldingStopped

    stopped = False
    again = " ".join(("lifecircle rebuild", *names))

    def stop(number: int, _: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(number, signal.default_int_handler)

    with folding() as show_progress:
        last = -1

        def on_progress(done: int, total: int) -> None:
            nonlocal last
            if last < 0 < done:
                click.echo(f"going on where a rebuild was cut off: {done} of {total} touchpoints are folded", err=True)
            last = done
            show_progress(done, total)
            if stopped:
                raise FoldingStopped(
                    f"the rebuild was stopped with {done} of {total} touchpoints folded",
                    rule="the live views are as they were; what is folded is kept",
                    way_out=f"go on with: {again}",
                )

        before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield on_progress
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)


def _compare(comparisons: "Iterator[Comparison]", style: str, limit: int | None) -> bool:
    """Show what differs, of every view the first rows and how many there are; answer whether anything does."""
    from cli.diff import listed

    if limit is None and style == "table":
        limit = ROWS_OF_A_TABLE
    counted: list[tuple[Any, ...]] = []
    pages: list[tuple[str, tuple[str, ...], list[tuple[Any, ...]]]] = []
    for each in comparisons:
        counts = {"added": 0, "removed": 0, "changed": 0}
        kept: list[RowDifference] = []
        for difference in each.differences or ():
            counts[difference.what] += 1
            if limit is None or sum(counts.values()) <= limit:
                kept.append(difference)
        note = "" if each.live else "not live yet"
        if each.differences is None:
            note = "its key is another: rows cannot be paired"
        columns = (", ".join(each.only_built), ", ".join(each.only_live))
        counted.append((each.built.view, *counts.values(), *columns, note))
        names, lines = listed(each.built.view, each.shared, each.key, kept, style)
        pages.append((each.built.view, names, list(lines)))
    if style == "table":
        show(_COUNTED, counted, style, title="rows of the new generation against the live one")
        for view, names, rows in pages:
            if rows:
                show(names, rows, style, title=f"{view}: the first {len(rows)}")
    elif style == "json":
        views = [dict(zip(_COUNTED, row, strict=True)) for row in counted]
        differing = [dict(zip(names, row, strict=True)) for _, names, rows in pages for row in rows]
        click.echo(orjson.dumps({"views": views, "rows": differing}, option=orjson.OPT_INDENT_2).decode())
    elif pages:
        show(pages[0][1], chain.from_iterable(rows for _, _, rows in pages), style)
    return any(any(figures) for _, *figures in counted)
