"""Serve a log over HTTP: append, read and follow, until stopped."""

import os
from pathlib import Path

import click

from cli.options import LOG_HELP, log_url, setting_option


@click.command()
@click.option("--log", "url", metavar="URL", help=LOG_HELP)
@setting_option("tenants", "tenants", click.Path(dir_okay=False, path_type=Path))
@setting_option("serve_host", "host")
@setting_option("serve_port", "port", click.IntRange(0, 65_535))
@setting_option("serve_workers", "workers", click.IntRange(min=1))
@setting_option("oidc", "oidc", click.Path(dir_okay=False))
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
    from adapters.extras import need

    need("api", "serving")
    import uvicorn

    from adapters import telemetry
    from adapters.apikeys import ApiKeys
    from adapters.configuration import variable
    from adapters.engine import Engine
    from adapters.http.counting import counting_together
    from adapters.http.tokens import tokens_named
    from adapters.loglines import as_json
    from adapters.settings import LIMITS
    from adapters.supervisor import at_work_once_answering
    from adapters.tenants import read_tenants

    if oidc:
        os.environ[variable("oidc")] = oidc
    # What is wrong is said at once, and once.
    telemetry.wanted("traces")
    telemetry.wanted("metrics")
    tokens_named(several=tenants is not None)
    if tenants:
        read_tenants(tenants)
        os.environ[variable("tenants")] = str(tenants)
    else:
        os.environ[variable("log")] = address = log_url(ctx, url)
        Engine.open(address).close()
        ApiKeys.of_log(address).all()
    as_json()
    at_work_once_answering(host, port)
    with counting_together(workers):
        uvicorn.run(
            "adapters.http.worker:from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            http="adapters.http.connections:Connection",
            access_log=False,
            log_config=None,
            log_level="info",
            timeout_graceful_shutdown=LIMITS.http_stop_s,
            server_header=False,
        )
