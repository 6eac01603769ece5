"""Serve a log over HTTP: append, read and follow, until stopped."""

import os
from pathlib import Path

import click

from cli.options import LOG_HELP, log_url


@click.command()
@click.option("--log", "url", metavar="URL", help=LOG_HELP)
@click.option(
    "--tenants",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="LIFECIRCLE_TENANTS",
    help="Instead of one log, those of several companies: the TOML file that names them.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="The port to listen at.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="How many processes serve it."
)
@click.option(
    "--oidc",
    type=click.Path(dir_okay=False),
    envvar="LIFECIRCLE_OIDC",
    help="The TOML file of the identity provider whose tokens are taken beside keys.",
)
@click.pass_context
def command(
    ctx: click.Context, url: str | None, tenants: Path | None, host: str, port: int, workers: int, oidc: str | None
) -> None:
    """Serve the log until Ctrl-C or SIGTERM; what was taken by then is finished first.

    Callers need a key: lifecircle apikey make; or a token of the identity provider that --oidc describes. The contract
    is at /docs and /openapi.json. Views are kept up to date by lifecircle run, beside this.
    """
    if url and tenants:
        raise click.UsageError("--log serves one log, and --tenants those of several companies: give one of them")
    from importlib.util import find_spec

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        from domain.errors import ExtraMissing

        raise ExtraMissing(
            "fastapi or uvicorn is not installed", rule="serving needs the extra api", way_out="install lifecircle[api]"
        )
    import uvicorn

    from adapters.engine import Engine
    from adapters.http.app import LOG
    from adapters.http.tenants import PLACE as TENANTS
    from adapters.http.tenants import read_tenants
    from adapters.http.tokens import PLACE, tokens_named
    from adapters.settings import LIMITS

    if oidc:
        os.environ[PLACE] = oidc
    # What is wrong is said at once, and once.
    tokens_named(several=tenants is not None)
    if tenants:
        read_tenants(tenants)
        os.environ[TENANTS] = str(tenants)
    else:
        os.environ[LOG] = log_url(ctx, url)
        Engine.open(os.environ[LOG]).close()
    uvicorn.run(
        "adapters.http.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        timeout_graceful_shutdown=LIMITS.http_stop_s,
        server_header=False,
    )
