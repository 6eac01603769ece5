"""Follow the log: print each touchpoint as it is recorded, as one JSON line."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import click
import orjson

from adapters.told import recorded_event
from cli.options import log_option


@click.command()
@log_option
@click.option("--after", metavar="CURSOR", help="Begin after this cursor; by default with the first touchpoint.")
@click.option("--tail", is_flag=True, help="Begin with what is recorded from now on.")
@click.option("--until-head", is_flag=True, help="Stop at the end of the log instead of waiting for more.")
def command(url: str, after: str | None, *, tail: bool, until_head: bool) -> None:
    """Print every touchpoint in the order of the log, with the cursor to go on from, until interrupted."""
    from adapters.engine import Engine

    with Engine.open(url) as engine, _stopped_by_ctrl_c() as stop:
        heads = engine.log.heads()
        cursor = engine.cursor(after) if after else heads if tail else engine.log.start()
        if until_head and cursor.reaches(heads):
            return
        for batch in engine.log.follow(cursor, stop):
            for stored in batch:
                cursor = cursor.advanced(stored.bucket, stored.number)
                click.echo(orjson.dumps(recorded_event(stored, cursor)))
            if until_head and cursor.reaches(heads):
                return
        raise click.Abort


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[Event]:
    """An event that Ctrl-C sets, so that nothing is cut in the middle; a second Ctrl-C does not wait for that."""
    stop = Event()

    def interrupted(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
