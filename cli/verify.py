"""Verify the whole log, or an evidence bundle, against what was signed."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import LOG_HELP, format_option, log_url, seal_option
from cli.output import folding, show

if TYPE_CHECKING:
    from domain.notes import VerifierKey

SHOWN_MAX = 20


@click.command()
@click.argument("bundle", required=False)
@click.option("--log", "url", metavar="URL", help=LOG_HELP)
@format_option
@seal_option
@click.option("--key", required=True, metavar="PUB", help="The verifier key that you trust, or a file that holds it.")
@click.pass_context
def command(ctx: click.Context, bundle: str | None, url: str | None, style: str, folder: str | None, key: str) -> None:
    """Read every touchpoint, and compare it and its place with what was signed; name the first that differs.

    With BUNDLE, what `lifecircle prove` wrote, that is verified instead, and no log is needed.

    Take the key from whom you trust, not from who gave you the log. What was recorded since the last seal is checked
    for its columns, numbers and versions, and said to be unsealed. Exit code 12 when anything is not as it was signed.
    """
    from adapters.audit.seal import Seal, read_key, seal_path
    from adapters.audit.verifier import verify_log
    from adapters.engine import Engine
    from domain.errors import SealContradicted

    if bundle:
        _bundle(Path(bundle), read_key(key))
        return
    url = log_url(ctx, url)
    seal = Seal(seal_path(url, folder), [read_key(key)])
    with Engine.open(url) as engine, folding("verifying") as on_progress:
        sealed, unsealed, problems = verify_log(engine.log, url, seal, on_progress)
    if problems:
        show(("bucket", "number", "what"), problems if style != "table" else problems[:SHOWN_MAX], style)
        bucket, number, what = problems[0]
        raise SealContradicted(
            what,
            where=f"position {bucket}/{number}"
            if number is not None
            else f"bucket {bucket}"
            if bucket
            else "the log as a whole",
            rule=f"{len(problems)} positions are not as they were signed",
            way_out="keep the database as it is for whoever investigates; restore the log from a backup that verifies",
        )
    if style == "table":
        click.echo(f"{sealed} touchpoints are as they were signed; {unsealed} are not sealed yet")
    else:
        show(("sealed", "unsealed"), [(sealed, unsealed)], style)


def _bundle(path: Path, key: "VerifierKey") -> None:
    from adapters.audit import keys
    from adapters.audit.bundle import read_bundle
    from adapters.audit.evidence import problems_of
    from domain.errors import SealContradicted

    if problems := problems_of(read_bundle(path), str(key), keys.verify):
        raise SealContradicted(
            problems[0],
            where=str(path),
            rule=f"{len(problems)} things in the bundle are not as they were signed",
            way_out="do not rely on it; ask for it again, and say what you found",
        )
    click.echo("proved: all of it is as it was sealed, and nothing is missing")
