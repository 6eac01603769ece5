"""Costs: what our touches with each customer cost us, and what is left of what they brought."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

import domain.kinds  # noqa: F401 - registers the kinds that are looked up by name
from domain.touchpoint import KINDS, Fact
from projections.view import Question, Row, View, bounded

ACROSS = "across the circle"
"""The phase of kinds that belong to none."""


class CostRow(NamedTuple):
    """What the touches with one customer cost in one month and phase."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    period: Annotated[str, "month of the touches, 2026-03, in the company's zone"]
    phase: Annotated[str, "the phase of the CRM circle that they belong to, or across the circle"]
    currency: Annotated[str, "the ISO 4217 currency of the cost"]
    touches: Annotated[int, "number of touches of which a cost is known"]
    cost_micros: Annotated[int, "what they cost us, in millionths of the currency"]
    first_day: Annotated[str, "day of the first of them, in the company's zone"]
    last_day: Annotated[str, "day of the last of them, in the company's zone"]


class _Spent(NamedTuple):
    touches: int
    micros: int
    first: str
    last: str


class Spendings:
    """What was spent on one subject, by (month, phase, currency)."""

    __slots__ = ("spent", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.spent: dict[Hashable, _Spent] = {}


class Costs(View[Spendings]):
    """What every customer cost us."""

    name = "costs"
    comment = "Costs of touches as their producers stated them: one row per customer, month, phase and currency."
    row_type = CostRow
    key = ("subject", "period", "phase", "currency")
    kinds = frozenset[str]()
    attributes = frozenset({"cost"})
    questions = (
        Question(
            name="serving_costs",
            comment="What it costs to win and to serve each customer: what touches cost, and the service "
            "asked for. Only what producers state is known; a touch without a cost counts for nothing.",
            columns={
                "subject": "the customer",
                "currency": "the ISO 4217 currency of the cost; null where none was stated",
                "winning_micros": "cost of touches in analysis, attraction, presentation and sale, in millionths",
                "service_micros": "cost of touches in service, in millionths",
                "keeping_micros": "cost of order, fulfilment, after-sales and across the circle, in millionths",
                "cost_micros": "all together, in millionths of the currency",
                "reported_micros": "the same in the company's currency, each month at the rate of its last touch; null "
                "without one",
                "touches": "number of touches of which a cost is known",
                "tickets": "tickets of the customer; the same in each row of a customer",
                "field_visits": "visits for them; the same in each row",
                "complaints": "complaints that name them; the same in each row",
            },
            sql="""
                WITH spent AS (
                    SELECT subject, costs.currency,
                           COALESCE(SUM(cost_micros) FILTER (
                               WHERE phase IN ('analysis', 'attraction', 'presentation', 'sale')
                           ), 0) AS winning_micros,
                           COALESCE(SUM(cost_micros) FILTER (WHERE phase = 'service'), 0) AS service_micros,
                           SUM(cost_micros) AS cost_micros, SUM(touches) AS touches,
                           CASE WHEN COUNT(fx.rate_micros) = COUNT(*) THEN SUM(
                               cost_micros / 1000000 * fx.rate_micros
                               + cost_micros % 1000000 * fx.rate_micros / 1000000
                           ) END AS reported_micros
                    FROM costs
                    LEFT JOIN fx_in_force AS fx ON fx.from_currency = costs.currency
                         AND fx.since_day <= costs.last_day AND costs.last_day < fx.until_day
                    GROUP BY subject, costs.currency
                ),
                served AS (
                    SELECT subject, COUNT(*) AS tickets, SUM(field_visits) AS field_visits,
                           SUM(complaints) AS complaints
                    FROM tickets
                    GROUP BY subject
                ),
                known AS (
                    SELECT subject, currency FROM spent
                    UNION ALL
                    SELECT subject, NULL FROM served WHERE subject NOT IN (SELECT subject FROM spent)
                )
                SELECT known.subject, known.currency,
                       CAST(COALESCE(winning_micros, 0) AS BIGINT) AS winning_micros,
                       CAST(COALESCE(service_micros, 0) AS BIGINT) AS service_micros,
                       CAST(COALESCE(cost_micros - winning_micros - service_micros, 0) AS BIGINT) AS keeping_micros,
                       CAST(COALESCE(cost_micros, 0) AS BIGINT) AS cost_micros,
                       CAST(reported_micros AS BIGINT) AS reported_micros,
                       CAST(COALESCE(touches, 0) AS BIGINT) AS touches,
                       CAST(COALESCE(tickets, 0) AS BIGINT) AS tickets,
                       CAST(COALESCE(field_visits, 0) AS BIGINT) AS field_visits,
                       CAST(COALESCE(complaints, 0) AS BIGINT) AS complaints
                FROM known
                LEFT JOIN spent ON spent.subject = known.subject AND spent.currency = known.currency
                LEFT JOIN served ON served.subject = known.subject
                ORDER BY cost_micros DESC, known.subject
            """,
        ),
        Question(
            name="profit_by_customer",
            comment="What each customer brought, less what the goods kept and the touches with them cost; currencies "
            "are kept apart. Where the unit cost of goods that were kept is missing, there is no profit figure.",
            columns={
                "subject": "the customer",
                "currency": "the ISO 4217 currency of the amounts",
                "net_micros": "value bought less what was cancelled or came back (see loyalty), in millionths",
                "lines_without_cost": "lines of goods kept of which no unit cost is known",
                "goods_micros": "what the goods kept cost us, in millionths; null where a unit cost is missing",
                "touches_micros": "what our touches cost, as far as stated in this currency, in millionths",
                "profit_micros": "net less both, in millionths; null where a unit cost is missing",
                "margin": "profit by net; null where a unit cost is missing, or there is no net",
                "reported_micros": "the profit in the company's currency, at the rate of the moment; null without one",
            },
            sql="""
                WITH goods AS (
                    SELECT subject, currency, COUNT(*) - COUNT(cost_micros) AS lines_without_cost,
                           SUM(cost_micros) AS goods_micros
                    FROM order_lines
                    GROUP BY subject, currency
                ),
                served AS (
                    SELECT subject, currency, SUM(cost_micros) AS touches_micros FROM costs GROUP BY subject, currency
                ),
                known AS (
                    SELECT subject, currency FROM loyalty WHERE currency <> ''
                    UNION
                    SELECT subject, currency FROM served
                ),
                reckoned AS (
                    SELECT known.subject, known.currency, CAST(COALESCE(net_micros, 0) AS BIGINT) AS net_micros,
                           COALESCE(lines_without_cost, 0) AS lines_without_cost,
                           CASE WHEN COALESCE(lines_without_cost, 0) = 0
                                THEN CAST(COALESCE(goods_micros, 0) AS BIGINT) END AS goods_micros,
                           CAST(COALESCE(touches_micros, 0) AS BIGINT) AS touches_micros
                    FROM known
                    LEFT JOIN loyalty ON loyalty.subject = known.subject AND loyalty.currency = known.currency
                    LEFT JOIN goods ON goods.subject = known.subject AND goods.currency = known.currency
                    LEFT JOIN served ON served.subject = known.subject AND served.currency = known.currency
                ),
                judged AS (
                    SELECT reckoned.*, net_micros - goods_micros - touches_micros AS profit_micros FROM reckoned
                )
                SELECT judged.*, CAST(profit_micros AS DOUBLE PRECISION) / NULLIF(net_micros, 0) AS margin,
                       profit_micros / 1000000 * fx.rate_micros + profit_micros % 1000000 * fx.rate_micros / 1000000
                           AS reported_micros
                FROM judged
                CROSS JOIN moment
                LEFT JOIN fx_in_force AS fx ON fx.from_currency = judged.currency
                     AND fx.since_day <= moment.day AND moment.day < fx.until_day
                ORDER BY net_micros DESC, subject
            """,
        ),
    )

    def initial(self, subject: str) -> Spendings:
        """A customer who cost nothing."""
        return Spendings(subject)

    def evolve(self, state: Spendings, fact: Fact) -> tuple[Spendings, Iterable[Hashable]]:
        """Add the cost of a touch, if one was stated."""
        cost = fact.envelope.get("cost")
        if cost is None:
            return state, ()
        kind, day = KINDS.get(fact.kind), self.company.day(fact)
        phase = kind.phase.value if kind and kind.phase else ACROSS
        key = (day[:7], phase, cost["currency"])
        spent = state.spent.get(key) or _Spent(0, 0, day, day)
        micros = spent.micros + cost["micros"]
        state.spent[key] = _Spent(spent.touches + 1, micros, min(spent.first, day), max(spent.last, day))
        return state, (key,)

    def row(self, state: Spendings, key: Hashable) -> Row | None:
        """What was spent in this (month, phase, currency)."""
        match key:
            case (str() as period, str() as phase, str() as currency) if spent := state.spent.get(key):
                subject, micros = state.subject, bounded(spent.micros)
                return CostRow(subject, period, phase, currency, spent.touches, micros, spent.first, spent.last)
        return None
