"""A projector, a rebuild and a look at a moment, each in a process of its own, to be killed."""

from contextlib import closing
from dataclasses import replace
from multiprocessing import active_children
from multiprocessing.connection import Connection
from threading import Event
from time import sleep

import pytest

import adapters.postgres.tables
import adapters.sqlite.tables  # noqa: F401 - imported before the process is forked, so that it starts quickly
from adapters.engine import Engine
from adapters.settings import LIMITS
from adapters.views.moments import Moment, views_at
from adapters.views.projector import Projector
from adapters.views.rebuild import rebuild
from adapters.views.tables import open_tables
from domain.errors import ProjectorFenced
from projections import view_named


def follow(url: str, told: Connection) -> None:
    """Follow the log at an address for ever, as a supervisor would keep it up; tell of every commit."""
    with Engine.open(url) as engine:
        projector = Projector(engine.log, open_tables(engine.url, engine.company), engine.company)
        while True:
            try:
                projector.run(Event(), told.send)
            except ProjectorFenced:
                sleep(0.01)  # the server has not noticed yet that the one before was killed


def build(url: str, told: Connection, workers: int) -> None:
    """Rebuild all views in small parts and small batches; tell how far it is, and which processes it has."""
    here = pytest.MonkeyPatch()
    here.setattr("adapters.views.folding.LIMITS", replace(LIMITS, rebuild_part_touchpoints=20))
    here.setattr("adapters.views.rebuild.LIMITS", replace(LIMITS, projector_batch_max=5))
    with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:

        def on_progress(done: int, total: int) -> None:
            told.send((done, total, [child.pid for child in active_children()]))

        rebuild(engine.log, tables, engine.company, None, on_progress, workers)
    told.send(None)


def look(url: str, told: Connection) -> None:
    """Hold the views of now, as somebody does who is killed while asking; tell their place."""
    with (
        Engine.open(url) as engine,
        views_at(engine.log, url, engine.company, {"contacts": view_named("contacts")}, Moment()) as tables,
    ):
        told.send(tables.place)
        Event().wait()
