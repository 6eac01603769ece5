"""Rebuild views from the whole log, while the old ones go on being read."""

import click
from adapters.rebuild import rebuild
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from adapters.engine import Engine
from adapters.tables import open_tables
from cli.options import log_option
from projections import view_named


@click.command()
@log_option
@click.argument("names", nargs=-1, metavar="[VIEW]...")
def command(url: str, names: tuple[str, ...]) -> None:
    """Fold VIEWs, or all of them, into new tables and switch to these at once when they are complete."""
    for name in names:
        view_named(name)
    columns = (
        TextColumn("folding"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("touchpoints"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Engine.open(url) as engine, Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("fold", total=None)
        tables = open_tables(url, engine.company)
        rebuild(
            engine.log,
            tables,
            engine.company,
            names or None,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    click.echo(f"rebuilt: {', '.join(names) or 'all views'}")
