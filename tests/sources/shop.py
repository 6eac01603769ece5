"""A small shop's files and mapping, and what they become; shared by the tests of imports."""

import gzip
from pathlib import Path

from adapters.codec import fact_of
from adapters.engine import Engine
from adapters.notes import log_subject
from adapters.sources.importer import import_file
from adapters.sources.mapping import load_mapping
from adapters.sources.report import Report
from domain.touchpoint import Fact

ORDERS = """
name = "orders"
source = "shop"
zone = "Europe/Berlin"

[[touchpoint]]
kind = "OrderPlaced"
subject = "customer"
time = { column = "when" }

[touchpoint.fields]
order = { derived = "order" }
total = { column = "price", type = "amount", currency = "EUR" }
"""
"""Each row of `customer,when,price` is an order."""

HEADER = "customer,when,price\n"


def write(folder: Path, text: str | bytes, name: str = "orders.csv", *, packed: bool = False) -> Path:
    """Put a file into a folder."""
    path = folder / name
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def bring_in(engine: Engine, file: Path, mapping: str = ORDERS) -> Report:
    """Import a file by the text of a mapping."""
    place = file.with_name("mapping.toml")
    place.write_text(mapping)
    return import_file(engine, file, load_mapping(str(place)), recordedby="test")


def stored(engine: Engine) -> list[Fact]:
    """Every touchpoint of customers in the log, in its order."""
    facts = [fact_of(each) for each in engine.log.read(engine.log.start(), 100_000)]
    assert len(facts) < 100_000
    return [fact for fact in facts if fact.stream != log_subject(engine.log.log_id)]


def accounted(report: Report) -> bool:
    """Whether every row read is stored, a repeat, left out or in quarantine."""
    return report.rows == report.stored + report.repeats + report.left_out.total() + report.quarantined.total()
