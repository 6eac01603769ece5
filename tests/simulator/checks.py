"""The answers of a log against the truth that made it: facts exactly, estimates within a stated tolerance."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from math import sqrt
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from adapters.acting import act, rows_of
from adapters.engine import Engine
from adapters.views.moments import beneath
from adapters.views.projector import Projector
from adapters.views.rebuild import rebuild
from adapters.views.tables import Tables, open_tables
from domain.company import Company
from domain.decision import Decision, Estimate, Now, decision_named
from domain.errors import LifecircleError
from domain.touchpoint import microseconds
from projections import views
from projections.models.attribution import TRAILS, paths_by_kind, removal_effects
from projections.models.bgnbd import BgNbd
from projections.models.buyers import PURCHASES, buyers
from tests.moment import pin
from tests.simulator.market import (
    END,
    LEAVING_A,
    LEAVING_B,
    PACE_ALPHA_WEEKS,
    PACE_R,
    Market,
    Truth,
)
from tests.simulator.market import removal_effects as true_effects
from tests.simulator.trade import CANCELLED, LEVELS

COMPANY = Company(name="Simulated", zone="Europe/Berlin", dunning_levels_max=LEVELS, escalate_to="boss")
QUESTIONS = (
    "attribution paths touch_effect delivery_promises promises_at_risk recurring_revenue receivables_due dunning_due "
    "receivables buying_rhythm loyalty purchases awaiting_response conversions touches partners campaigns"
)
ERRORS = 4.0
"""How many standard errors an estimate may be away from the truth: one in 16,000 is, by chance."""


class Check(NamedTuple):
    """One answer against its truth; `tolerance` is None for a fact."""

    name: str
    truth: Any
    found: Any
    tolerance: float | None = None

    @property
    def holds(self) -> bool:
        if self.tolerance is None:
            return bool(self.truth == self.found)
        return bool(abs(self.truth - self.found) <= self.tolerance)


def checked(market: Market, url: str) -> Iterator[Check]:
    """Let a market happen on a new log, and ask what is true of it at its end."""
    with Engine.create(url, COMPANY) as engine:
        refused = [each for batch in engine.append_batches(market.batches()) for each in batch if _refused(each)]
        yield Check("refused", [], refused)
        yield Check("touchpoints without copies of merges", market.touchpoints, _stored(engine))
        tables = open_tables(url, COMPANY, beneath(QUESTIONS.split(), views()))
        try:
            rebuild(engine.log, tables, COMPANY)
            pin(tables, microseconds(datetime.combine(END, time(20), ZoneInfo("UTC"))))
            yield from _attribution(tables, market.truth)
            yield from _promises(tables, market.truth)
            yield from _revenue(tables, market.truth)
            yield from _receivables(tables, market.truth)
            yield from _leaving(tables, market.truth)
            yield from _decisions(engine, tables, market.truth)
        finally:
            tables.close()


def _refused(verdict: Any) -> bool:
    return isinstance(verdict, LifecircleError)


def _stored(engine: Engine) -> int:
    pages, cursor, heads = Counter[str](), engine.log.start(), engine.log.heads()
    while page := engine.log.read(cursor, 5_000, heads):
        pages.update(row.id for row in page)
        for row in page:
            cursor = cursor.advanced(row.bucket, row.number)
    return len(pages)


def _rows(tables: Tables, sql: str) -> list[dict[str, Any]]:
    columns, rows = tables.query(sql)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _attribution(tables: Tables, truth: Truth) -> Iterator[Check]:
    asked = "SELECT * FROM attribution WHERE conversion_kind = 'OrderPlaced' AND dimension = 'channel'"
    credited = {row["name"]: row for row in _rows(tables, asked)}
    for rule, true in (("first", truth.first), ("last", truth.last)):
        found = {name: row[f"{rule}_credit_micros"] for name, row in credited.items()}
        yield Check(f"conversions by {rule} touch", {name: 1_000_000 * n for name, n in true.items()}, _some(found))
    linear = sum(row["linear_credit_micros"] for row in credited.values())
    yield Check("linear credit of all channels", 1_000_000 * truth.conversions, linear)
    paths = [
        (row["touches"], row["conversions"], row["paths"])
        for row in _rows(tables, "SELECT * FROM touch_effect WHERE conversion_kind = 'OrderPlaced'")
    ]
    true_paths = Counter[int](), Counter[int]()
    for (length, won), count in truth.paths.items():
        true_paths[0][min(length, 11)] += count * won
        true_paths[1][min(length, 11)] += count
    yield Check(
        "paths by their touches", [(n, true_paths[0][n], true_paths[1][n]) for n in sorted(true_paths[1])], paths
    )
    trails = tables.query(TRAILS)[1]
    effects = removal_effects(paths_by_kind(trails, "channel")["OrderPlaced"])
    for channel, effect in true_effects().items():
        # Of so many conversions this share is lost: a share that is counted has this error at most.
        error = sqrt(effect * (1 - effect) / truth.conversions)
        yield Check(f"removal effect of {channel}", effect, effects[channel], ERRORS * error)


def _some(counts: Mapping[Any, int]) -> dict[Any, int]:
    return {name: count for name, count in counts.items() if count}


def _promises(tables: Tables, truth: Truth) -> Iterator[Check]:
    found = {
        (row["period"], row["warned"], row["reason"]): Counter(
            kept=row["kept"], late=row["late"], overdue=row["overdue"]
        )
        for row in _rows(tables, "SELECT * FROM delivery_promises")
    }
    yield Check(
        "promises kept, late and overdue", truth.trade.promises, {key: +counts for key, counts in found.items()}
    )


def _revenue(tables: Tables, truth: Truth) -> Iterator[Check]:
    movements = ("new", "reactivation", "expansion", "contraction", "churn")
    names = [*(f"{name}_micros" for name in movements), "customers_new", "customers_churn"]
    true, end = dict[str, tuple[int, ...]](), 0
    for period, counts in sorted(truth.revenue.movements.items()):
        moved = tuple(counts[name] for name in movements)
        end += sum(moved)
        true[period] = (*moved, counts["customers_new"], counts["customers_churn"], end)
    found = {
        row["period"]: (*(row[name] for name in names[:-1]), row["customers_churned"], row["end_micros"])
        for row in _rows(tables, "SELECT * FROM recurring_revenue")
    }
    yield Check("movements of recurring revenue", true, found)


def _receivables(tables: Tables, truth: Truth) -> Iterator[Check]:
    debts = truth.trade.debts.values()
    due = {
        (debt.subject, invoice, level)
        for invoice, debt in truth.trade.debts.items()
        if (level := debt.next_level(END)) is not None
    }
    found = {(row["subject"], row["invoice"], row["level"]) for row in _rows(tables, "SELECT * FROM dunning_due")}
    yield Check("invoices with dunning due", due, found)
    ages = Counter[str]()
    for debt in debts:
        ages[_age((END - debt.due).days)] += debt.open_micros
    aged = {row["age"]: row["open_micros"] for row in _rows(tables, "SELECT * FROM receivables_due")}
    yield Check("what is open by its age", dict(ages), aged)
    (paid,) = _rows(
        tables,
        "SELECT COUNT(*) FILTER (WHERE status = 'settled') AS settled,"
        " SUM(days_late) FILTER (WHERE status = 'settled') AS days_late, SUM(written_off_micros) AS written_off"
        " FROM receivables",
    )
    trade = truth.trade
    true = {"settled": trade.settled, "days_late": trade.days_late, "written_off": trade.written_off_micros}
    yield Check("settled invoices, their days late, and what was given up", true, paid)


def _age(days: int) -> str:
    if days <= 0:
        return "not due"
    bounds = ((30, "1-30 days"), (60, "31-60 days"), (90, "61-90 days"))
    return next((name for most, name in bounds if days <= most), "over 90 days")


def _leaving(tables: Tables, truth: Truth) -> Iterator[Check]:
    (told,) = _rows(tables, "SELECT COUNT(DISTINCT subject) AS customers FROM loyalty WHERE status = 'churned'")
    yield Check("customers known to have left", truth.told_of_leaving, told["customers"])
    bought = {
        row["subject"]: (row["purchase_days"], row["first_day"], row["last_day"])
        for row in _rows(tables, "SELECT * FROM buying_rhythm")
    }
    known = buyers(
        ((subject, dayno, net) for subject, _, dayno, net in tables.query(PURCHASES)[1]), END.toordinal(), "weeks"
    )
    yield Check("customers who bought", len(bought), len(known.subjects))
    model = BgNbd.fitted(known)
    alive = model.alive(known)
    stayed = np.array([truth.alive[subject] for subject in known.subjects])
    # Two errors meet: that of the share that stayed, and that of the fit, of about the same size.
    error = sqrt(2 * float((alive * (1 - alive)).mean()) / len(alive))
    yield Check("share of customers who stayed", float(stayed.mean()), float(alive.mean()), ERRORS * error)
    again = known.frequency > 0
    for low, high in ((0.0, 0.5), (0.5, 0.9), (0.9, 1.0)):
        chosen = again & (alive >= low) & (alive < high)
        if chosen.sum() >= 30:
            error = sqrt(2 * float((alive[chosen] * (1 - alive[chosen])).mean()) / int(chosen.sum()))
            share = float(stayed[chosen].mean()), float(alive[chosen].mean())
            yield Check(f"of those alive at {low:g} to {high:g}, who stayed", *share, ERRORS * error)
    r, alpha, a, b = model.fit.parameters
    # What is taken back is no purchase.
    mean, spread = (1 - CANCELLED) * PACE_R / PACE_ALPHA_WEEKS, sqrt(PACE_R) / PACE_ALPHA_WEEKS
    yield Check("mean purchases a week", mean, r / alpha, 2 * ERRORS * spread / sqrt(len(alive)))
    leaves = LEAVING_A / (LEAVING_A + LEAVING_B)
    error = sqrt(leaves * (1 - leaves) / max(int(again.sum()), 1))
    yield Check("mean chance to leave", leaves, a / (a + b), 2 * ERRORS * error)


def _decisions(engine: Engine, tables: Tables, truth: Truth) -> Iterator[Check]:
    at_risk = _proposed(engine, tables, "promise-at-risk")
    yield Check("promises at risk", truth.trade.at_risk, {key[0] for _, key in at_risk})
    silent = {subject for subject, days in truth.purchase_days.items() if _is_silent(days)}
    told = {row["subject"] for row in _rows(tables, "SELECT subject FROM loyalty WHERE status = 'churned'")}
    flagged = {subject for subject, _ in _proposed(engine, tables, "churn-risk", fitted=False)}
    yield Check("customers silent for long", silent - told, flagged)
    lost = {subject for subject, _ in _proposed(engine, tables, "churn-risk")}
    chances = {row.subject: row.alive.value for row in _read(engine, tables, decision_named("churn-risk"))}
    expected = sum(1 - chances[subject] for subject in lost) / len(lost)
    left = sum(not truth.alive[subject] for subject in lost) / len(lost)
    error = sqrt(2 * expected * (1 - expected) / len(lost))
    yield Check("of those about to be lost, who left", left, expected, ERRORS * error)
    waiting = {key[0] for _, key in _proposed(engine, tables, "first-response")}
    yield Check("tickets without an answer", {f"ticket/{name}" for name in truth.unanswered}, waiting)
    owed = {
        (debt.subject, f"{invoice} {level}")
        for invoice, debt in truth.trade.debts.items()
        if (level := debt.next_level(END)) is not None and level <= LEVELS
    }
    acted = list(act(engine, tables, [decision_named("dunning")], recordedby="simulator"))
    yield Check("dunning notices recorded", owed, {(each.subject, each.about) for each in acted})
    yield Check("dunning notices refused", [], [each for each in acted if each.result != "recorded"])
    moment = microseconds(datetime.combine(END, time(20), ZoneInfo("UTC")))
    Projector(engine.log, tables, COMPANY).run_once()
    pin(tables, moment)
    yield Check("dunning notices due after them", [], _proposed(engine, tables, "dunning"))


def _proposed(engine: Engine, tables: Tables, name: str, *, fitted: bool = True) -> list[tuple[str, tuple[str, ...]]]:
    """What a decision proposes, as if no model could be fitted or as it is."""
    decision, now = decision_named(name), _now(tables)
    rows = _read(engine, tables, decision)
    if not fitted:
        untold = dict.fromkeys(decision.estimates, Estimate(None, "not fitted"))
        rows = [row._replace(**untold) for row in rows]
    return [(each.subject, each.key) for each in decision.decide(rows, COMPANY, now)]


def _read(engine: Engine, tables: Tables, decision: Decision[Any]) -> list[Any]:
    return list(rows_of(engine.log, tables, decision, COMPANY, _now(tables)))


def _now(tables: Tables) -> Now:
    return Now(*tables.query("SELECT at, day FROM moment")[1][0])


def _is_silent(days: list[date]) -> bool:
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    since = END - days[-1]
    return len(gaps) >= 2 and since >= timedelta(days=COMPANY.silence_ratio * sum(gaps) / len(gaps))
