"""Keep the views up to date with the log, until stopped."""

import signal
import sys
from contextlib import closing
from threading import Event

import click

from cli.options import log_option


@click.command()
@log_option
@click.option("--once", is_flag=True, help="Stop when the views show the whole log.")
def command(url: str, *, once: bool) -> None:
    """Follow the log and fold every touchpoint into the views, exactly once; stop with Ctrl-C or SIGTERM.

    Killed at any moment, it goes on where it was. One projector at a time leads the views of a log.
    """
    import structlog

    from adapters.addresses import open_tables
    from adapters.engine import Engine
    from adapters.projector import Projector

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    stop = Event()
    with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:
        projector = Projector(engine.log, tables, engine.company)
        if once:
            click.echo(f"{projector.run_once()} touchpoints folded")
            return
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
        click.echo("following the log; Ctrl-C stops", err=True)
        projector.run(stop, on_batch=lambda count: click.echo(f"{count} touchpoints folded"))
