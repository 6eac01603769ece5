"""A projector in a process of its own, to be killed."""

from multiprocessing.connection import Connection
from threading import Event
from time import sleep

import adapters.postgres.tables
import adapters.sqlite.tables  # noqa: F401 - imported before the process is forked, so that it starts quickly
from adapters.addresses import open_tables
from adapters.engine import Engine
from adapters.projector import Projector
from domain.errors import ProjectorFenced


def follow(url: str, told: Connection) -> None:
    """Follow the log at an address for ever, as a supervisor would keep it up; tell of every commit."""
    with Engine.open(url) as engine:
        projector = Projector(engine.log, open_tables(engine.url, engine.company), engine.company)
        while True:
            try:
                projector.run(Event(), told.send)
            except ProjectorFenced:
                sleep(0.01)  # the server has not noticed yet that the one before was killed
