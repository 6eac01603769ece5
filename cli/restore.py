"""Bring a log back from a backup, to where none is, and verify it there."""

from pathlib import Path

import click

from cli.options import log_option, seal_option


@click.command()
@log_option
@seal_option
@click.argument("source", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
def command(url: str, folder: str | None, source: Path) -> None:
    """Restore the backup in FOLDER as the log at --log, where none is yet, and verify it there against its seal.

    It is the same log, with its id, positions, cursors and checkpoints, on whichever database. A key store that is
    there stays, so that whoever was forgotten stays forgotten, and so do the other secret files; what is missing comes
    from the backup, which takes the key-encryption key that protected it. Exit code 12 when the backup is damaged.
    """
    from adapters.audit.seal import seal_path
    from adapters.backup.restoring import restore
    from cli.init import give_roles
    from cli.output import progress_of

    with progress_of("copying", "checking", "verifying") as on_progress:
        manifest, sealed, told = restore(source, url, seal_path(url, folder), on_progress)
    give_roles(url)
    click.echo(
        f"log {manifest.log} restored and checked: {manifest.touchpoints} touchpoints, up to cursor {manifest.cut}"
    )
    click.echo(f"verified against its seal: {sealed} touchpoints")
    for line in told:
        click.echo(line)
    click.echo("views: build them with lifecircle rebuild")
