"""See it work: a small company's half-year with its customers, told on a fresh log."""

import os
import shlex
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import click

from cli.main import lifecircle
from cli.stories import brightwater
from domain.errors import LifecircleError

if TYPE_CHECKING:
    from adapters.engine import Engine
    from adapters.log import Receipt

HOME = Path("build/demo")
SETTLE_S = 30
PARTS = ("brightwater.", "funnel.png")
"""How the names of the files begin that a demo leaves, and that the next one may delete."""


@click.command()
@click.option(
    "--dir",
    "home",
    type=click.Path(path_type=Path),
    default=HOME,
    show_default=True,
    help="The folder for its log and picture.",
)
def command(home: Path) -> None:
    """Tell the story of Brightwater Cycles on a fresh SQLite log, and leave the log there to play with.

    Everything it shows is done by the commands that it prints; try them yourself afterwards.
    """
    home.mkdir(parents=True, exist_ok=True)
    earlier = list(home.iterdir())
    if not all(path.is_file() and path.name.startswith(PARTS) for path in earlier):
        raise click.UsageError(f"{home} holds something else than an earlier demo; choose an empty --dir")
    for path in earlier:
        path.unlink()
    _Narrator(f"sqlite:///{home / 'brightwater.db'}").tell(home / "funnel.png")


class _Narrator:
    def __init__(self, url: str) -> None:
        self._url = url

    def tell(self, picture: Path) -> None:
        """Tell all chapters, with the projector following live."""
        from adapters.engine import Engine
        from adapters.views.projector import Projector
        from adapters.views.tables import open_tables

        self._say("1. A new log: one file, nothing to set up")
        self._run("init", "--name", brightwater.COMPANY, "--zone", brightwater.ZONE)
        with Engine.open(self._url) as engine, closing(open_tables(self._url, engine.company)) as tables:
            stop = Event()
            projector = Projector(engine.log, tables, engine.company)
            following = Thread(target=projector.run, args=(stop,), daemon=True)
            following.start()
            try:
                self._chapters(engine, picture)
            finally:
                stop.set()
                following.join()
        self._say("9. Go on yourself")
        if sys.prefix != sys.base_prefix:
            click.echo(f"  source {os.path.relpath(sys.prefix)}/bin/activate")
        click.echo(f"  export LIFECIRCLE_LOG={self._url}")
        for line in (
            "lifecircle view                                  # what there is to see",
            f"lifecircle view contacts --subject {brightwater.ANNA}",
            "lifecircle record                                # --help shows how to record a touchpoint",
            "lifecircle run                                   # keep the views up to date",
            'lifecircle query "select * from circle"          # any SQL over views and questions',
        ):
            click.echo(f"  {line}")

    def _chapters(self, engine: "Engine", picture: Path) -> None:
        anna = brightwater.ANNA
        self._say("2. Half a year of touchpoints arrives, while a projector follows live")
        receipts = self._append(engine, [*brightwater.anna(), *brightwater.neighbours()])
        self._settle(engine)
        click.echo(f"  {len(receipts)} touchpoints of {len({each.stream for each in receipts})} customers recorded")
        self._say("3. Anna's history: round the whole circle")
        self._run("history", anna)
        self._say("4. The same customer a month earlier, when she had not yet ordered again")
        self._run("view", "loyalty", "--subject", anna, "--as-of", "2026-04-20")

        self._say("5. A late correction changes the past; what was said before stays in the log")
        self._run("view", "loyalty", "--subject", anna)
        before = str(engine.log.heads())
        self._append(engine, [brightwater.late_correction()])
        self._settle(engine)
        self._run("view", "loyalty", "--subject", anna)
        click.echo("  and as it was known before the correction:")
        self._run("view", "loyalty", "--subject", anna, "--known-at", before)

        self._say("6. A shipment is reported before its order: a breach, until the order arrives")
        shipment, order = brightwater.shipment_before_its_order()
        self._append(engine, [shipment])
        self._settle(engine)
        self._run("view", "breaches", "--subject", "customer-ben")
        self._append(engine, [order])
        self._settle(engine)
        self._run("view", "breaches", "--subject", "customer-ben")

        self._say("7. What cannot be understood is refused, and nothing of it is stored")
        try:
            self._append(engine, [brightwater.refused()])
        except LifecircleError as error:
            click.echo(f"  {error.name}: {error}")

        self._say("8. The funnel and the loyalty board")
        self._run("query", "select * from funnel order by leads desc")
        self._run("query", "select * from rfm order by gross_micros desc", "--limit", "8")
        self._run("query", "select * from circle")
        from adapters.views.tables import open_tables

        with closing(open_tables(self._url, engine.company)) as tables:
            _draw(tables.query("select * from circle"), picture)

    def _append(self, engine: "Engine", events: Iterable[dict[str, Any]]) -> "list[Receipt]":
        from adapters.clock import clock_us
        from adapters.codec import read_envelope

        clock = clock_us()
        return engine.append([read_envelope(event, clock, engine.company) for event in events], recordedby="demo")

    def _settle(self, engine: "Engine") -> None:
        """Wait until the live projector has shown everything."""
        from adapters.views.projector import status
        from adapters.views.tables import open_tables

        until = monotonic() + SETTLE_S
        with closing(open_tables(self._url, engine.company)) as tables:
            while any(view.state != "live" or view.lag for view in status(engine.log, tables)):
                if monotonic() > until:
                    raise click.ClickException(f"the views did not catch up within {SETTLE_S} s")
                sleep(0.02)

    @staticmethod
    def _say(heading: str) -> None:
        click.echo()
        click.secho(heading, bold=True)

    def _run(self, *arguments: str) -> None:
        """Run a real command, and show it as it would be typed."""
        click.secho(f"  $ lifecircle {shlex.join(arguments)}", dim=True)
        lifecircle.main([arguments[0], "--log", self._url, *arguments[1:]], standalone_mode=False)


def _draw(answer: tuple[list[str], list[Any]], picture: Path) -> None:
    """Plot how many customers reached each phase of the circle."""
    try:
        import matplotlib as mpl
    except ImportError:
        click.echo('  for the circle as a picture: pip install "lifecircle[plot]"')
        return
    mpl.use("agg")
    from matplotlib import pyplot as plt

    columns, rows = answer
    phases = [row[columns.index("phase")] for row in rows]
    subjects = [row[columns.index("subjects")] for row in rows]
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    bars = axes.barh(phases[::-1], subjects[::-1], color="#2a6f97")
    axes.bar_label(bars, padding=3)
    axes.set(title="Brightwater Cycles: customers by phase of the circle", xlabel="customers")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=120)
    plt.close(figure)
    click.echo(f"  the circle as a picture: {picture}")
