"""Importing a file, against COPY of the rows that it becomes; and what grows when the file is ten times as long."""

import csv
import tomllib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

import psycopg
from psycopg.sql import SQL, Composable, Identifier

from adapters.engine import Engine
from adapters.idkey import make_id_key
from adapters.sources.importer import import_file
from adapters.sources.mapping import Mapping
from adapters.views.rebuild import rebuild
from adapters.views.tables import open_tables
from projections import view_named
from tests.benchmarks.ground import Site
from tests.benchmarks.measures import rate
from tests.benchmarks.memory import Ran, in_process
from tests.benchmarks.touchpoints import subjects

GROWTH = 10
_GROWTH_VIEWS = ("contacts", "loyalty", "purchases")
_DISK_BYTES = 2_500
"""What a touchpoint takes on the disk at most: its row, the log's indexes, the views, and what is being written."""
_BLOCK_BYTES = 1 << 20

MAPPING = """
name = "bench"
source = "bench"
zone = "Europe/London"

[[touchpoint]]
kind = "OrderPlaced"
subject = "customer"
time = { column = "day", format = "%Y-%m-%d", precision = "date" }

[touchpoint.fields]
order = "order"
total = { column = "price", type = "amount", currency = "GBP" }

[touchpoint.each_row.lines]
sku = "sku"
quantity = { column = "quantity", type = "decimal" }
net = { column = "price", type = "amount", currency = "GBP" }
"""

_COLUMNS = SQL("bucket, number, stream, version, kind, id, source, occurred, recorded, recordedby, state")
_COPY_OUT = SQL("COPY lifecircle.touchpoints ({}) TO STDOUT").format(_COLUMNS)
OURS = Identifier("lifecircle", "touchpoints")
_COPY_IN = SQL("COPY {} ({}) FROM STDIN")


def orders(count: int, path: Path) -> None:
    """Write a CSV file with one order a row."""
    chance = Random(1)  # noqa: S311 - repeatable, not secret
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("customer", "order", "day", "sku", "quantity", "price"))
        for number, customer in enumerate(subjects(count, chance)):
            day = f"2025-{1 + number * 12 // count:02}-{1 + number % 28:02}"
            writer.writerow((f"c-{customer}", number, day, f"sku-{number % 500}", 1, "12.50"))


def import_orders(count: int, path: Path, url: str) -> None:
    """Import such a file into a new log."""
    mapping = Mapping.model_validate(tomllib.loads(MAPPING))
    with Engine.create(url) as engine:
        make_id_key(url)
        report = import_file(engine, path, mapping, recordedby="bench")
    assert report.stored == count, report


def import_csv(site: Site) -> float:
    """A CSV file through reading, mapping, validation and storing; touchpoints a second."""
    count = site.sizes.imported
    path = site.file(f"orders-{count}.csv", partial(orders, count))
    url = site.fresh()
    return rate(count, lambda: import_orders(count, path, url))


def _rows(site: Site, count: int, path: Path) -> None:
    """Write the rows that an import of so many orders makes, as COPY takes them."""
    imported = partial(import_orders, count, site.file(f"orders-{count}.csv", partial(orders, count)))
    url = site.kept(f"orders {count}", imported)
    with psycopg.connect(url) as connection, path.open("wb") as file, connection.cursor().copy(_COPY_OUT) as copy:
        file.writelines(copy)


def copy_rate(site: Site, count: int, table: Composable, prepare: Callable[[str], None]) -> float:
    """COPY of the rows of an import into a table, and nothing else; rows a second."""
    path = site.file(f"rows-{count}.copy", partial(_rows, site, count))
    url = site.fresh()
    prepare(url)
    with psycopg.connect(url, autocommit=True) as connection, path.open("rb") as file:

        def copied() -> None:
            with connection.cursor().copy(_COPY_IN.format(table, _COLUMNS)) as copy:
                while block := file.read(_BLOCK_BYTES):
                    copy.write(block)

        return rate(count, copied)


def into_ours(url: str) -> None:
    """Make the log's own table, with its keys, indexes and triggers."""
    Engine.create(url).close()


def bare_copy(site: Site) -> float:
    """COPY into the log's own table."""
    return copy_rate(site, site.sizes.imported, OURS, into_ours)


def _rebuild(url: str) -> None:
    with Engine.open(url) as engine:
        chosen = {name: view_named(name) for name in _GROWTH_VIEWS}
        with closing(open_tables(url, engine.company, chosen)) as tables:
            rebuild(engine.log, tables, engine.company, _GROWTH_VIEWS)


def growth(site: Site) -> dict[str, float]:
    """Import and rebuild, once and once with ten times as many: how time and memory grow."""
    small, large = site.sizes.growth, GROWTH * site.sizes.growth
    site.needs_bytes(_DISK_BYTES * (small + large))
    imported: dict[int, Ran] = {}
    rebuilt: dict[int, Ran] = {}
    for count in (small, large):
        path = site.file(f"orders-{count}.csv", partial(orders, count))
        url = site.fresh()
        imported[count] = in_process(import_orders, count, path, url)
        rebuilt[count] = in_process(_rebuild, url)
    found: dict[str, float] = {}
    for name, ran in (("import", imported), ("rebuild", rebuilt)):
        found[f"{name}_10m_time_x"] = ran[large].seconds / (GROWTH * ran[small].seconds)
        found[f"{name}_1m_s"], found[f"{name}_10m_s"] = ran[small].seconds, ran[large].seconds
        for size, count in (("1m", small), ("10m", large)):
            if (peak := ran[count].peak_mb) is not None:
                found[f"{name}_peak_mb_{size}"] = peak
    return found


def import_figure(site: Site) -> dict[str, float]:
    """The import where there is no COPY to compare with."""
    return {"sqlite_import_per_s": import_csv(site)}
