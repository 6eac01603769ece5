"""Mirror the log and its views as Parquet, for DuckDB, polars, Spark and funnels."""

from pathlib import Path

import click

from cli.options import log_option


@click.command()
@log_option
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def command(url: str, folder: Path) -> None:
    """Bring the mirror in FOLDER up to the log as it stands; make it where there is none.

    It holds every touchpoint as recorded, the effective history by kind in typed columns, and the tables of all views.
    Only what is new is read. A run that is stopped, however, loses nothing: the next one goes on. Its files are for
    their owner alone; personal fields are in it only as the log has stored them.
    """
    from adapters.engine import Engine
    from adapters.extras import need
    from cli.output import progress_of

    need("explore", "a mirror")
    from adapters.mirror.mirroring import mirror

    with Engine.open(url) as engine, progress_of("touchpoints", "history") as on_progress:
        manifest = mirror(engine, folder, on_progress)
    facts = sum(part.rows for part in manifest.history.parts) - manifest.history.dead
    click.echo(f"{manifest.rows} touchpoints, history of {facts}, {len(manifest.views)} views up to {manifest.cursor}")
    for stream, error in sorted(manifest.history.parked.items()):
        click.echo(f"history leaves out {stream}: {error}", err=True)
