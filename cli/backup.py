"""Back a log up with all that belongs to it, while everything goes on."""

from pathlib import Path

import click

from cli.options import log_option, seal_option


@click.command()
@log_option
@seal_option
@click.argument("target", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
def command(url: str, folder: str | None, target: Path) -> None:
    """Write the log and all that belongs to it into FOLDER, which is new, and check what was written.

    That is every touchpoint up to now, settings, quarantine, key store, seal, subscriptions, and the secret files,
    which are sealed. The key-encryption key is not in it and must be kept elsewhere: without it nobody can read what is
    personal in a backup. After lifecircle keys rotate, take another one: the keys in those before open no more. Views
    and mirrors are made from the log again. Nothing has to be stopped.
    """
    from adapters.audit.seal import seal_path
    from adapters.backup.taking import take_backup
    from adapters.privacy.kek import kek_told
    from cli.output import progress_of

    with progress_of("copying", "checking", "verifying") as on_progress:
        taken = take_backup(url, target, seal_path(url, folder), on_progress)
    click.echo(f"backed up and checked: {taken.touchpoints} touchpoints up to cursor {taken.cut} of log {taken.log}")
    click.echo(f"keep apart from it: {kek_told(url)}, which protects the keys in it, of epoch {taken.epoch}")
