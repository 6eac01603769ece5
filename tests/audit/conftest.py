"""A small log that is sealed, on each database, and what is needed to look at it and to tamper with it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.audit.seal import Seal, read_key
from adapters.audit.sealer import sealer
from adapters.audit.verifier import Verified, verify_log
from adapters.clock import clock_us
from adapters.codec import read_envelope
from adapters.engine import Engine
from domain.company import Company
from domain.notes import Head
from domain.touchpoint import Envelope


def order(subject: str, id: str) -> Envelope:  # noqa: A002 - the envelope's own word
    return _read(subject, id, "OrderPlaced", order=f"o-{id}", total="12.34 EUR")


def call(subject: str, id: str) -> Envelope:  # noqa: A002 - as above
    """A touchpoint with words of the customer, which are sealed."""
    return _read(subject, id, "ContactMade", mode="call", content="hello")


def _read(subject: str, id: str, kind: str, **data: str) -> Envelope:  # noqa: A002 - as above
    time = "2026-03-01T10:00:00+01:00"
    given = {"id": id, "source": "shop", "type": kind, "subject": subject, "time": time, "data": data}
    return read_envelope(given, clock_us(), Company())


class Sealed:
    """A log with its seal."""

    def __init__(self, url: str, folder: Path, engine: Engine) -> None:
        self.url, self.folder, self.engine = url, folder, engine

    def record(self, *subjects: str) -> None:
        count = sum(self.engine.log.heads().numbers)
        self.engine.append([order(subject, f"e{count + at}") for at, subject in enumerate(subjects)])

    def fill_small(self) -> Head:
        """Record three touchpoints of two customers, the second with a sealed text, and seal."""
        self.engine.append([order("anna", "e0"), call("bert", "e1"), order("anna", "e2")])
        return self.seal()

    def seal(self, *, new_origin: bool = False) -> Head:
        with sealer(self.engine.log, self.url, self.folder, new_origin=new_origin) as leading:
            return leading.seal()

    @property
    def key(self) -> str:
        return (self.folder / "key.pub").read_text()

    def verify(self) -> Verified:
        return verify_log(self.engine.log, self.url, Seal(self.folder, [read_key(self.key)]))


Opened = Callable[[], Sealed]


@pytest.fixture
def sealed(url: str, tmp_path: Path) -> Iterator[Sealed]:
    with Engine.create(url, Company()) as engine:
        yield Sealed(url, tmp_path / "shop.seal", engine)
