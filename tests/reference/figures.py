"""The figures of each set, out of the import report and the views alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from adapters.addresses import open_tables
from adapters.engine import Engine
from adapters.rebuild import rebuild
from adapters.sources.importer import Report, import_file
from adapters.sources.mapping import load_mapping
from adapters.tables import Tables
from domain.company import Company

Figures = dict[str, float]

FUNNEL = "SELECT leads, won, rate, median_days, mean_days FROM funnel_total"
FUNNEL_BY_ORIGIN = "SELECT COALESCE(lead_source, 'empty'), leads, won, mean_days FROM funnel"
SALES = """
    SELECT COUNT(DISTINCT subject), SUM(quantity_micros) / 1000000,
           CAST(SUM(gross_micros) AS DOUBLE PRECISION) / 1000000
    FROM purchases
"""
# Purchases of one day are one transaction; the first day is no repeat. The calibration ends with September 1997.
REPEATS = """
    WITH customer AS (
        SELECT subject, COUNT(DISTINCT CASE WHEN day <= '1997-09-30' THEN day END) - 1 AS frequency,
               COUNT(DISTINCT CASE WHEN day > '1997-09-30' THEN day END) AS holdout
        FROM purchases WHERE orders > 0 GROUP BY subject
    )
    SELECT CASE WHEN frequency < 7 THEN frequency ELSE 7 END AS class, COUNT(*), SUM(frequency), SUM(holdout)
    FROM customer GROUP BY CASE WHEN frequency < 7 THEN frequency ELSE 7 END ORDER BY class
"""


class Import(NamedTuple):
    """A file of a set, and the mapping that it is imported by."""

    file: str
    mapping: str


class History(NamedTuple):
    """One set: its log's calendar, its files in their order, and how its figures are read off."""

    name: str
    zone: str
    imports: tuple[Import, ...]
    figures: Callable[[list[Report], Tables], Figures]


def olist(_: list[Report], tables: Tables) -> Figures:
    """Leads, wins and days to winning, in all and by origin."""
    names = ("leads", "won", "rate", "median_days", "mean_days")
    figures = {name: float(value) for name, value in zip(names, tables.query(FUNNEL)[1][0], strict=True)}
    for origin, leads, won, mean_days in tables.query(FUNNEL_BY_ORIGIN)[1]:
        figures |= {f"{origin}.leads": leads, f"{origin}.won": won, f"{origin}.mean_days": float(mean_days)}
    return figures


def cdnow(reports: list[Report], tables: Tables) -> Figures:
    """What was bought, by how many customers."""
    customers, cds, dollars = tables.query(SALES)[1][0]
    return {"rows": reports[0].stored, "customers": customers, "cds": int(cds), "dollars": float(dollars)}


def cdnow_repeats(reports: list[Report], tables: Tables) -> Figures:
    """How often customers came back."""
    classes = [tuple(map(int, row)) for row in tables.query(REPEATS)[1]]
    customers = sum(count for _, count, _, _ in classes)
    return {
        "rows": reports[0].stored,
        "customers": customers,
        "repeaters": sum(count for frequency, count, _, _ in classes if frequency),
        "repeat_calibration": sum(repeats for _, _, repeats, _ in classes),
        "repeat_holdout": sum(holdout for _, _, _, holdout in classes),
        **{f"frequency.{frequency}": count for frequency, count, _, _ in classes},
    }


HISTORIES = (
    History(
        "olist",
        "America/Sao_Paulo",
        (
            Import("olist_funnel/olist_marketing_qualified_leads_dataset.csv", "olist_leads"),
            Import("olist_funnel/olist_closed_deals_dataset.csv", "olist_deals"),
        ),
        olist,
    ),
    History("cdnow_master", "America/New_York", (Import("cdnow/CDNOW_master.txt", "cdnow_master"),), cdnow),
    History("cdnow_sample", "America/New_York", (Import("cdnow/CDNOW_sample.txt", "cdnow_sample"),), cdnow_repeats),
)


def figures_of(history: History, data: Path, url: str) -> Figures:
    """Import a set into a new log at an empty address, fold all views, and read its figures off them."""
    with Engine.create(url, Company(name=history.name, zone=history.zone)) as engine:
        reports = [
            import_file(engine, data / each.file, load_mapping(each.mapping), recordedby="reference")
            for each in history.imports
        ]
        with _tables(engine) as tables:
            rebuild(engine.log, tables, engine.company)
            found = history.figures(reports, tables)
    return {f"{history.name}.{name}": value for name, value in found.items()}


@contextmanager
def _tables(engine: Engine) -> Iterator[Tables]:
    tables = open_tables(engine.url, engine.company)
    try:
        yield tables
    finally:
        tables.close()
