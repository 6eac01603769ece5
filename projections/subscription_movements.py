"""Movements of recurring revenue: each day on which what a subscription brings in a month changed."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import day_number
from domain.touchpoint import Fact
from projections.subscriptions import SUBSCRIPTION_KINDS, Movement, Subscribed
from projections.view import Question, Row, View, bounded


class MovementRow(NamedTuple):
    """One movement of one subscription."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    subscription: Annotated[str, "the subscription's id"]
    number: Annotated[int, "its number among the movements of the subscription, from 1"]
    day: Annotated[str, "the day, in the company's zone; the end of a trial or a pause may be one to come"]
    dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    cause: Annotated[str, "started, started again, trial over, changed, paused, pause over, renewed or ended"]
    plan: Annotated[str, "the plan from then on; at an end the plan that ended"]
    currency: Annotated[str, "the ISO 4217 currency of the amounts"]
    before_micros: Annotated[int, "what it brought in a month until then, in millionths"]
    after_micros: Annotated[int, "what it brings in a month from then on, in millionths"]
    change_micros: Annotated[int, "the difference, in millionths"]


class Moved:
    """The subscriptions of one subject, and the movements of each."""

    __slots__ = ("movements", "subscribed")

    def __init__(self, subject: str) -> None:
        self.subscribed = Subscribed(subject)
        self.movements: dict[str, list[Movement]] = {}


class SubscriptionMovements(View[Moved]):
    """The movements of every subscription."""

    name = "subscription_movements"
    comment = "Movements of recurring revenue: one row per change of what a subscription brings in a month."
    row_type = MovementRow
    key = ("subject", "subscription", "number")
    kinds = SUBSCRIPTION_KINDS
    questions = (
        Question(
            name="recurring_revenue",
            comment="Recurring revenue of a month, month by month, and its movements by customer: what one customer's "
            "subscriptions come to is netted within a day, so that a change of plan is no loss. A pause counts as "
            "churn, its end as reactivation. A month without movements has no row: it ends as the one before did.",
            columns={
                "period": "the month, 2026-03",
                "currency": "the ISO 4217 currency of the amounts",
                "start_micros": "recurring revenue of a month as the month began, in millionths of the currency",
                "new_micros": "from customers who never had paid for a subscription in this currency",
                "reactivation_micros": "from customers who had, and of late had not",
                "expansion_micros": "from customers who pay more than before",
                "contraction_micros": "from customers who pay less than before: below zero",
                "churn_micros": "from customers who pay no more: below zero",
                "end_micros": "recurring revenue of a month as the month ended, or at the moment",
                "reported_micros": "the same in the company's currency, at the rate of the month's last day; null "
                "without one",
                "customers_new": "number of movements by which a customer was new",
                "customers_churned": "number of movements by which a customer was lost",
                "customers_end": "customers who paid for a subscription as the month ended",
                "churn_rate": "what was lost by churn and contraction, as a share of the start; null without a start",
                "net_retention": "end less new and reactivated, as a share of the start; null without a start",
            },
            sql="""
                WITH daily AS (
                    SELECT subject, currency, subscription_movements.day, SUM(change_micros) AS change
                    FROM subscription_movements
                    CROSS JOIN moment
                    WHERE subscription_movements.day <= moment.day
                    GROUP BY subject, currency, subscription_movements.day
                ),
                running AS (
                    SELECT subject, currency, day, change,
                           SUM(change) OVER (PARTITION BY subject, currency ORDER BY day) AS after,
                           ROW_NUMBER() OVER (PARTITION BY subject, currency ORDER BY day) AS place
                    FROM daily
                    WHERE change <> 0
                ),
                moved AS (
                    SELECT substr(day, 1, 7) AS period, currency, change,
                           CASE WHEN place = 1 THEN 'new' WHEN after = change THEN 'reactivation'
                                WHEN after = 0 THEN 'churn' WHEN change > 0 THEN 'expansion'
                                ELSE 'contraction' END AS movement,
                           CASE WHEN after = change THEN 1 WHEN after = 0 THEN -1 ELSE 0 END AS customers
                    FROM running
                ),
                monthly AS (
                    SELECT period, currency, SUM(change) AS change,
                           COALESCE(SUM(change) FILTER (WHERE movement = 'new'), 0) AS new_micros,
                           COALESCE(SUM(change) FILTER (WHERE movement = 'reactivation'), 0) AS reactivation_micros,
                           COALESCE(SUM(change) FILTER (WHERE movement = 'expansion'), 0) AS expansion_micros,
                           COALESCE(SUM(change) FILTER (WHERE movement = 'contraction'), 0) AS contraction_micros,
                           COALESCE(SUM(change) FILTER (WHERE movement = 'churn'), 0) AS churn_micros,
                           COUNT(*) FILTER (WHERE movement = 'new') AS customers_new,
                           COUNT(*) FILTER (WHERE movement = 'churn') AS customers_churned,
                           SUM(customers) AS customers
                    FROM moved
                    GROUP BY period, currency
                ),
                summed AS (
                    SELECT monthly.*,
                           CAST(SUM(change) OVER (PARTITION BY currency ORDER BY period) AS BIGINT) AS end_micros,
                           CAST(SUM(customers) OVER (PARTITION BY currency ORDER BY period) AS BIGINT)
                               AS customers_end
                    FROM monthly
                )
                SELECT period, currency, CAST(end_micros - change AS BIGINT) AS start_micros,
                       CAST(new_micros AS BIGINT) AS new_micros,
                       CAST(reactivation_micros AS BIGINT) AS reactivation_micros,
                       CAST(expansion_micros AS BIGINT) AS expansion_micros,
                       CAST(contraction_micros AS BIGINT) AS contraction_micros,
                       CAST(churn_micros AS BIGINT) AS churn_micros, end_micros,
                       end_micros / 1000000 * fx.rate_micros + end_micros % 1000000 * fx.rate_micros / 1000000
                           AS reported_micros,
                       customers_new, customers_churned, customers_end,
                       CAST(-churn_micros - contraction_micros AS DOUBLE PRECISION)
                           / NULLIF(end_micros - change, 0) AS churn_rate,
                       CAST(end_micros - new_micros - reactivation_micros AS DOUBLE PRECISION)
                           / NULLIF(end_micros - change, 0) AS net_retention
                FROM summed
                LEFT JOIN fx_in_force AS fx ON fx.from_currency = summed.currency
                     AND fx.since_day <= period || '-31' AND period || '-31' < fx.until_day
                ORDER BY period, currency
            """,
        ),
    )

    def initial(self, subject: str) -> Moved:
        """A customer without subscriptions."""
        return Moved(subject)

    def evolve(self, state: Moved, fact: Fact) -> tuple[Moved, Iterable[Hashable]]:
        """Take a step of a subscription; what was to come of itself may come another way."""
        if fact.kind not in SUBSCRIPTION_KINDS:
            return state, ()
        name, course = state.subscribed.take(fact, self.company)
        before, after = state.movements.get(name, []), course.known()
        state.movements[name] = after
        same = next((place for place, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
        first = min(len(before), len(after)) if same is None else same
        return state, [(name, place) for place in range(first + 1, max(len(before), len(after)) + 1)]

    def row(self, state: Moved, key: Hashable) -> Row | None:
        """The movement of this (subscription, number)."""
        match key:
            case (str() as name, int() as number) if 0 < number <= len(state.movements.get(name, ())):
                moved = state.movements[name][number - 1]
                return MovementRow(
                    state.subscribed.subject,
                    name,
                    number,
                    moved.day,
                    day_number(moved.day),
                    moved.cause,
                    moved.plan,
                    moved.currency,
                    bounded(moved.before),
                    bounded(moved.after),
                    bounded(moved.after - moved.before),
                )
        return None
