"""Rebuild views from the whole log, while the old ones go on being read."""

from contextlib import closing

import click

from cli.options import log_option


@click.command()
@log_option
@click.argument("names", nargs=-1, metavar="[VIEW]...")
def command(url: str, names: tuple[str, ...]) -> None:
    """Fold each VIEW that is named, or all of them, into new tables, and switch to these once they are complete."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from adapters.addresses import open_tables
    from adapters.engine import Engine
    from adapters.rebuild import rebuild
    from projections import view_named

    for name in names:
        view_named(name)
    bar = (TextColumn("folding"), BarColumn(), MofNCompleteColumn(), TextColumn("touchpoints"))
    console = Console(stderr=True)
    progress = Progress(
        *bar, TimeElapsedColumn(), Remaining(), console=console, transient=True, disable=not console.is_terminal
    )
    with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables, progress:
        task = progress.add_task("fold", total=None)
        rebuild(
            engine.log,
            tables,
            engine.company,
            names or None,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    click.echo(f"rebuilt: {', '.join(names) or 'all views'}")
