"""The figures of each set, out of the import report and the views alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adapters.engine import Engine
from adapters.sources.importer import import_file
from adapters.sources.mapping import load_mapping
from adapters.sources.report import Report
from adapters.views.rebuild import rebuild
from adapters.views.tables import Tables, open_tables
from domain.company import Company
from domain.touchpoint import microseconds
from projections.models.bgnbd import BgNbd
from projections.models.buyers import PURCHASES, Buyers, buyers
from projections.models.gammagamma import GammaGamma
from projections.models.lifetime import holdout
from projections.models.paretonbd import ParetoNbd
from tests.moment import pin

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
CLEAN = """
    SELECT COUNT(DISTINCT CASE WHEN orders > 0 THEN subject END), SUM(orders),
           CAST(SUM(gross_micros) AS DOUBLE PRECISION) / 1000000, CAST(SUM(net_micros) AS DOUBLE PRECISION) / 1000000
    FROM purchases
"""
# The models take a calibration that ends with September 1997; the file ends 39 weeks later.
CALIBRATION_END, HOLDOUT_WEEKS = date(1997, 9, 30), 39
NEVER_BOUGHT = "SELECT COUNT(*) FROM breaches WHERE rule = 'goods/never bought'"
RFM = """
    SELECT subject, recency_days, frequency, CAST(gross_micros AS DOUBLE PRECISION) / 1000000
    FROM rfm WHERE subject IN ('12346', '12347', '12348', '12349')
"""
COHORT = "SELECT months_since, customers FROM cohorts WHERE cohort = '2010-12'"
TICKETS = """
    SELECT COUNT(*), COUNT(DISTINCT path), COUNT(DISTINCT subject),
           COUNT(*) FILTER (WHERE closed_at IS NULL) FROM tickets
"""
TICKET_STEPS = """
    SELECT COUNT(*), COUNT(DISTINCT activity),
           COUNT(*) FILTER (WHERE activity = 'Resolve ticket' AND previous = 'Resolve ticket'),
           SUM(after_closing), COUNT(DISTINCT CASE WHEN after_closing = 1 THEN ticket END),
           COUNT(*) FILTER (WHERE activity = 'Resolve ticket' AND previous IS NULL)
    FROM ticket_steps
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
    moment: str | None = None
    """What the questions call today; the present if it is not given."""


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
        **models(tables),
    }


def models(tables: Tables) -> Figures:
    """What the models of purchases come to, over the same classes."""
    rows = [(subject, dayno, net) for subject, _, dayno, net in tables.query(PURCHASES)[1]]
    known = buyers(rows, CALIBRATION_END.toordinal(), "weeks")
    bgnbd, gamma_gamma, pareto = BgNbd.fitted(known), GammaGamma.fitted(known), ParetoNbd.fitted(known)
    one = Buyers(["one"], *(np.array([value]) for value in (2.0, 30.43, 38.86, np.nan, 0.0)))
    named = "x2_tx30.43_T38.86"
    return {
        **{f"holdout_mean.{each.repeat_purchases}": each.mean for each in holdout(bgnbd, known, HOLDOUT_WEEKS)},
        **{f"bgnbd.{name}": value for name, value in zip(bgnbd.parameters, bgnbd.fit.parameters, strict=True)},
        "bgnbd.log_likelihood": bgnbd.fit.log_likelihood,
        f"bgnbd.expected_39_weeks_{named}": float(bgnbd.expected(one, HOLDOUT_WEEKS)[0]),
        f"bgnbd.p_alive_{named}": float(bgnbd.alive(one)[0]),
        **{
            f"gamma_gamma.{name}": value
            for name, value in zip(gamma_gamma.parameters, gamma_gamma.fit.parameters, strict=True)
        },
        "pareto_nbd.log_likelihood": pareto.fit.log_likelihood,
    }


def online_retail(reports: list[Report], tables: Tables) -> Figures:
    """What the file holds, what was bought and came back, and how customers return."""
    report, (customers, orders, gross, net) = reports[0], tables.query(CLEAN)[1][0]
    figures: Figures = {
        "rows": report.rows,
        "invoices": report.counted["invoices"],
        "customers": report.counted["customers"],
        "rows_without_customer": report.left_out["without customer"],
        "cancelled_invoices": report.counted["cancelled invoices"],
        "cancel_lines": report.counted["cancellation lines"],
        "cancel_lines_with_customer": report.touchpoints["ReturnReceived"],
        # Every line that is no return is a line of an order.
        "clean_rows": report.stored - report.touchpoints["ReturnReceived"],
        "clean_customers": customers,
        "clean_orders": int(orders),
        "gross": float(gross),
        "net": float(net),
        "returns_not_bought": tables.query(NEVER_BOUGHT)[1][0][0],
    }
    for customer, recency, frequency, monetary in tables.query(RFM)[1]:
        name = f"rfm.{customer}"
        figures |= {f"{name}.recency": recency, f"{name}.frequency": frequency, f"{name}.monetary": float(monetary)}
    return figures | {f"cohort_2010_12.{month}": count for month, count in tables.query(COHORT)[1]}


def helpdesk(reports: list[Report], tables: Tables) -> Figures:
    """The cases, the ways that they take, and where they turn back."""
    cases, variants, customers, never_closed = tables.query(TICKETS)[1][0]
    names = (
        "events",
        "activities",
        "resolves_after_resolve",
        "events_after_closed",
        "cases_with_events_after_closed",
        "cases_begun_resolved",
    )
    figures: Figures = dict(zip(names, map(int, tables.query(TICKET_STEPS)[1][0]), strict=True))
    return figures | {
        "cases": cases,
        "variants": variants,
        "customers": customers,
        "cases_never_closed": never_closed,
        "customers_in_rows": reports[0].counted["customers"],
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
    History(
        "online_retail",
        "Europe/London",
        (Import("online_retail/online_retail.csv.gz", "online_retail"),),
        online_retail,
        moment="2011-12-10T00:00:00+00:00",
    ),
    History("helpdesk", "Europe/Rome", (Import("helpdesk/helpdesk.xes.gz", "helpdesk"),), helpdesk),
)


def figures_of(history: History, data: Path, url: str) -> Figures:
    """Import a set into a new log at an empty address, fold all views, and read its figures off them."""
    with Engine.create(url, Company(name=history.name, zone=history.zone)) as engine:
        return shown(history, imported(history, data, engine), engine)


def imported(history: History, data: Path, engine: Engine) -> list[Report]:
    """Import the files of a set in their order."""
    return [
        import_file(engine, data / each.file, load_mapping(each.mapping), recordedby="reference")
        for each in history.imports
    ]


def shown(history: History, reports: list[Report], engine: Engine) -> Figures:
    """Fold all views of what was imported, and read its figures off them."""
    with _tables(engine) as tables:
        if history.moment:
            pin(tables, microseconds(datetime.fromisoformat(history.moment)))
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
