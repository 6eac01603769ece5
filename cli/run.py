"""Keep the views up to date with the log, until stopped."""

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event
from typing import TYPE_CHECKING

import click

from cli.options import log_or_tenants, principal

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.engine import Engine
    from adapters.views.tables import Tables


@click.command()
@log_or_tenants(lambda given: given["once"])
@click.option("--once", is_flag=True, help="Stop when the views show the whole log.")
@click.option(
    "--act", "every_s", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Take decisions too, so often."
)
@click.option("--decision", "names", multiple=True, metavar="NAME", help="Take only this one; may be repeated.")
def command(url: str, *, once: bool, every_s: float | None, names: tuple[str, ...]) -> None:
    """Follow the log and fold every touchpoint into the views, exactly once; stop with Ctrl-C or SIGTERM.

    Killed at any moment, it goes on where it was. One projector at a time leads the views of a log. Views that other
    settings of the company or other definitions made are rebuilt first, and when the settings change meanwhile.
    With --act it takes the decisions that `lifecircle act --list` tells, and logs what they record.
    """
    if (once and every_s) or (names and not every_s):
        raise click.UsageError("--act goes without --once, and --decision with --act; to act once: lifecircle act")
    from adapters.loglines import as_json

    as_json()
    stop = Event()
    if not once:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
    with _acting(url, every_s, names, stop):
        _follow(url, stop, once=once)


def _follow(url: str, stop: Event, *, once: bool) -> None:
    from adapters.engine import Engine
    from adapters.settings import LIMITS
    from adapters.supervisor import at_work
    from adapters.views.projector import Projector
    from adapters.views.tables import open_tables
    from domain.errors import ProjectorFenced

    followed = False
    # Opened anew when the company's settings were changed: rules, calendars and views read them when they begin.
    while not stop.is_set():
        with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:
            at_work()  # a rebuild may take longer than who supervises it waits
            try:
                _rebuild_stale(engine, tables)
            except ProjectorFenced:
                if not followed:
                    raise
                stop.wait(LIMITS.projector_retry_s)  # somebody else rebuilds what they changed
                continue
            projector = Projector(engine.log, tables, engine.company)
            if once:
                click.echo(f"{projector.run_once()} touchpoints folded")
                return
            if not followed:
                click.echo("following the log; Ctrl-C stops", err=True)
            projector.run(stop, on_batch=_told)
            followed = True


def _told(count: int) -> None:
    from adapters.collector import keep_out_of_sight

    click.echo(f"{count} touchpoints folded")
    # What a projector remembers lives as long as it does. Readers would wait while the collector walks all of it.
    keep_out_of_sight()


@contextmanager
def _acting(url: str, every_s: float | None, names: tuple[str, ...], stop: Event) -> Iterator[None]:
    """Take decisions beside the block, if that is asked for; should that fail, the block is told to stop."""
    if every_s is None:
        yield
        return
    from concurrent.futures import ThreadPoolExecutor

    from adapters.acting import keep_acting
    from adapters.extensions import load_extensions
    from domain.decision import decision_named, decisions

    load_extensions()  # a company may have decisions of its own
    chosen = [decision_named(name) for name in dict.fromkeys(names)] or list(decisions().values())
    with ThreadPoolExecutor(1) as beside:
        acting = beside.submit(keep_acting, url, chosen, every_s, stop, principal())
        acting.add_done_callback(lambda _: stop.set())
        try:
            yield
        finally:
            stop.set()
        acting.result()


def _rebuild_stale(engine: "Engine", tables: "Tables") -> None:
    """Rebuild views that were folded by another definition or under other settings, or that are new beside others."""
    from adapters.views.projector import status
    from adapters.views.rebuild import rebuild

    views = status(engine.log, tables)
    stale = [view.view for view in views if view.state != "live"]
    if stale and any(view.generation for view in views):
        click.echo(f"rebuilding what other settings or definitions made: {', '.join(stale)}", err=True)
        rebuild(engine.log, tables, engine.company, stale)
