"""A log with somebody in it of whom every route has something to tell."""

from contextlib import closing
from pathlib import Path

from adapters.audit.seal import seal_path
from adapters.audit.sealer import sealer
from adapters.clock import clock_us
from adapters.codec import read_envelope
from adapters.engine import Engine
from adapters.evidence import set_aside
from adapters.log import QuarantinedRow
from adapters.views.projector import Projector
from adapters.views.tables import open_tables
from domain.company import Company
from tests.cli.program import event
from tests.http.routes import Somebody


def somebody(prefix: str) -> Somebody:
    """Names that begin so."""
    return Somebody(f"{prefix}-customer", f"{prefix}-touchpoint", f"{prefix}-order", f"{prefix}-batch")


def populate(url: str, about: Somebody) -> None:
    """Make a log in which somebody registered and ordered, a row of theirs waits, views are built and all is sealed."""
    with Engine.create(url, Company(zone="Europe/London")) as engine:
        registered = {"party": "person", "name": f"Name of {about.subject}"}
        sent = [
            event(id=f"{about.id}-r", subject=about.subject, type="CustomerRegistered", data=registered),
            event(id=about.id, subject=about.subject, data={"order": about.order, "total": "12.34 EUR"}),
        ]
        engine.append([read_envelope(each, clock_us(), engine.company) for each in sent])
        row = QuarantinedRow(about.batch, 7, f"{about.batch}.csv", "total: is no amount", "cannot be read", "x;y", 1)
        set_aside(engine, [row], recordedby="import")
        with closing(open_tables(url, engine.company)) as tables:
            Projector(engine.log, tables, engine.company).run_once()
        with sealer(engine.log, url, Path(seal_path(url, None))) as sealing:
            sealing.seal()
