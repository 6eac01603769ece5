"""Loyalty: how recently, how often and for how much each customer buys, whom they bring, and whether they left."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import DAY_US, day_number
from domain.money import MICROS, quantity_micros
from domain.order_value import PURCHASE_STEPS
from domain.touchpoint import Fact
from projections.purchases import Account, Accounts
from projections.surveys import share_of
from projections.view import Question, Row, View, all_bounded, bounded


class LoyaltyRow(NamedTuple):
    """One customer's loyalty, as far as it is told in one currency."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    currency: Annotated[str, "the ISO 4217 currency of the amounts; empty for a customer who never bought"]
    first_day: Annotated[str | None, "day of the first purchase, in the company's zone; null without any"]
    first_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    last_at: Annotated[int | None, "the last purchase, microseconds since 1970 UTC; null without any"]
    last_day: Annotated[str | None, "day of the last purchase, in the company's zone; null without any"]
    last_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    orders: Annotated[int, "frequency: orders placed, those of value zero too, those wholly cancelled not"]
    purchase_days: Annotated[int, "distinct days with an order: purchases of one day are one transaction"]
    repeat_purchases: Annotated[int, "purchase days after the first"]
    quantity_micros: Annotated[int, "quantity ordered, in millionths of the units of the lines"]
    gross_micros: Annotated[int, "value ordered, without tax and shipping, in millionths of the currency"]
    net_micros: Annotated[int, "gross less what was cancelled or came back (see purchases), in millionths"]
    recency_5_until_at: Annotated[
        int | None, "until when recency scores 5 by the setting rfm_recency_days, microseconds since 1970 UTC"
    ]
    recency_4_until_at: Annotated[int | None, "the same for 4 or more"]
    recency_3_until_at: Annotated[int | None, "the same for 3 or more"]
    recency_2_until_at: Annotated[int | None, "the same for 2 or more"]
    frequency_score: Annotated[int | None, "1 to 5 by the setting rfm_orders; null where that is unset"]
    monetary_score: Annotated[int | None, "1 to 5 by the setting rfm_net; null where that is unset"]
    referrals: Annotated[int, "distinct others whom the customer brought; the same in each row of a customer"]
    points: Annotated[int, "balance of loyalty points; the same in each row of a customer"]
    tier: Annotated[
        str | None,
        "the highest tier of the setting loyalty_tiers that was reached by points earned, those spent or expired "
        "included, those taken back not; null below the first",
    ]
    satisfaction_share: Annotated[
        float | None,
        "where in its scale the last answer to a survey lies, 0 lowest, 1 highest (see surveys); the same in each row",
    ]
    status: Annotated[str, "active, churned or won back; the same in each row of a customer"]


class Loyal:
    """What one subject bought, whom they referred, their points, how satisfied they are and whether they stayed."""

    __slots__ = ("earned", "known", "ledger", "points", "referred", "satisfaction", "status")

    def __init__(self, ledger: Accounts) -> None:
        self.ledger = ledger
        self.known: set[str] = set()
        self.referred: set[str] = set()
        self.points = self.earned = 0
        self.satisfaction: float | None = None
        self.status = ""  # until something but a purchase is told


class Loyalty(View[Loyal]):
    """The loyalty of every customer, by currency."""

    name = "loyalty"
    comment = (
        "Loyalty: recency, frequency, monetary value, repeat purchases, points, tier, referrals and satisfaction, one "
        "row per customer and currency."
    )
    row_type = LoyaltyRow
    key = ("subject", "currency")
    kinds = frozenset(
        {
            *PURCHASE_STEPS,
            "ReferralMade",
            "LoyaltyPointsPosted",
            "SurveyAnswered",
            "CustomerChurned",
            "CustomerWonBack",
        }
    )
    revision = 3
    questions = (
        Question(
            name="rfm",
            comment="Recency, frequency and monetary value against the moment, with scores from 1 to 5 (best) and a "
            "named segment. Scores are by the company's limits (settings rfm_recency_days, rfm_orders, rfm_net); where "
            "these are unset they are fifths of the customers of a currency, and equal values have equal scores.",
            columns={
                "subject": "the customer",
                "currency": "the ISO 4217 currency of the amounts",
                "recency_days": "whole days (of 24 hours) elapsed from the last purchase to the moment",
                "frequency": "orders placed",
                "gross_micros": "value ordered, without tax and shipping, in millionths of the currency",
                "net_micros": "the same less what was cancelled or came back, in millionths of the currency",
                "recency_score": "1 to 5: 5 bought last",
                "frequency_score": "1 to 5: 5 bought most often",
                "monetary_score": "1 to 5: 5 is of greatest net value",
                "segment": "champion, loyal, promising, new, needs attention, at risk, hibernating or lost",
            },
            sql="""
                WITH scored AS (
                    SELECT subject, currency, last_at, orders, gross_micros, net_micros,
                           CASE WHEN recency_2_until_at IS NULL
                                THEN 1 + 5 * (RANK() OVER (PARTITION BY currency ORDER BY last_at) - 1)
                                     / COUNT(*) OVER (PARTITION BY currency)
                                WHEN moment.at <= recency_5_until_at THEN 5
                                WHEN moment.at <= recency_4_until_at THEN 4
                                WHEN moment.at <= recency_3_until_at THEN 3
                                WHEN moment.at <= recency_2_until_at THEN 2
                                ELSE 1 END AS recency_score,
                           COALESCE(frequency_score,
                                    1 + 5 * (RANK() OVER (PARTITION BY currency ORDER BY orders) - 1)
                                    / COUNT(*) OVER (PARTITION BY currency)) AS frequency_score,
                           COALESCE(monetary_score,
                                    1 + 5 * (RANK() OVER (PARTITION BY currency ORDER BY net_micros) - 1)
                                    / COUNT(*) OVER (PARTITION BY currency)) AS monetary_score,
                           (moment.at - last_at) / 86400000000 AS recency_days
                    FROM loyalty
                    CROSS JOIN moment
                    WHERE orders > 0
                )
                SELECT subject, currency, recency_days, orders AS frequency,
                       gross_micros, net_micros, recency_score, frequency_score, monetary_score,
                       CASE WHEN recency_score >= 4 AND frequency_score >= 4 THEN 'champion'
                            WHEN recency_score = 3 AND frequency_score >= 4 THEN 'loyal'
                            WHEN recency_score <= 2 AND frequency_score >= 4 THEN 'at risk'
                            WHEN recency_score >= 4 AND frequency_score >= 2 THEN 'promising'
                            WHEN recency_score >= 4 THEN 'new'
                            WHEN recency_score = 3 THEN 'needs attention'
                            WHEN recency_score = 2 THEN 'hibernating'
                            ELSE 'lost' END AS segment
                FROM scored
            """,
        ),
        Question(
            name="rfm_segments",
            comment="The named segments: how many customers each has, and what they are worth.",
            columns={
                "segment": "the segment's name",
                "currency": "the ISO 4217 currency of the amounts",
                "customers": "number of customers",
                "mean_recency_days": "mean whole days since the last purchase",
                "mean_frequency": "mean number of orders",
                "net_micros": "net value of all their orders, in millionths of the currency",
            },
            sql="""
                SELECT segment, currency, COUNT(*) AS customers,
                       AVG(CAST(recency_days AS DOUBLE PRECISION)) AS mean_recency_days,
                       AVG(CAST(frequency AS DOUBLE PRECISION)) AS mean_frequency,
                       CAST(SUM(net_micros) AS BIGINT) AS net_micros
                FROM rfm
                GROUP BY segment, currency
                ORDER BY customers DESC, segment, currency
            """,
        ),
        Question(
            name="cohorts",
            comment="Retention: of the customers who first bought in a month, how many bought again so many months on.",
            columns={
                "cohort": "month of the first purchase, 2026-03, in the company's zone",
                "months_since": "calendar months since then, from 0",
                "customers": "customers of the cohort who bought in that month",
                "cohort_size": "customers of the cohort",
                "retention": "share of the cohort that bought in that month, 0 to 1",
            },
            sql="""
                WITH firsts AS (
                    SELECT subject, MIN(day) AS first_day FROM purchases WHERE orders > 0 GROUP BY subject
                ),
                sizes AS (
                    SELECT substr(first_day, 1, 7) AS cohort, COUNT(*) AS cohort_size
                    FROM firsts
                    GROUP BY substr(first_day, 1, 7)
                ),
                active AS (
                    SELECT substr(firsts.first_day, 1, 7) AS cohort, purchases.subject,
                           12 * (CAST(substr(purchases.day, 1, 4) AS INTEGER)
                                 - CAST(substr(firsts.first_day, 1, 4) AS INTEGER))
                           + CAST(substr(purchases.day, 6, 2) AS INTEGER)
                           - CAST(substr(firsts.first_day, 6, 2) AS INTEGER) AS months_since
                    FROM purchases
                    JOIN firsts ON firsts.subject = purchases.subject
                    WHERE purchases.orders > 0
                )
                SELECT active.cohort, active.months_since, COUNT(DISTINCT active.subject) AS customers,
                       sizes.cohort_size,
                       CAST(COUNT(DISTINCT active.subject) AS DOUBLE PRECISION) / sizes.cohort_size AS retention
                FROM active
                JOIN sizes ON sizes.cohort = active.cohort
                GROUP BY active.cohort, active.months_since, sizes.cohort_size
                ORDER BY active.cohort, active.months_since
            """,
        ),
        Question(
            name="repeat_purchases",
            comment="How often customers come back: customers by the number of purchase days after their first.",
            columns={
                "repeat_purchases": "distinct days with an order, less one; over all currencies",
                "customers": "customers with exactly so many",
                "share": "their share of all customers who bought, 0 to 1",
            },
            sql="""
                WITH counted AS (
                    SELECT subject, COUNT(DISTINCT day) - 1 AS repeat_purchases
                    FROM purchases
                    WHERE orders > 0
                    GROUP BY subject
                ),
                everyone AS (
                    SELECT COUNT(*) AS customers FROM counted
                )
                SELECT counted.repeat_purchases, COUNT(*) AS customers,
                       CAST(COUNT(*) AS DOUBLE PRECISION) / everyone.customers AS share
                FROM counted
                CROSS JOIN everyone
                GROUP BY counted.repeat_purchases, everyone.customers
                ORDER BY counted.repeat_purchases
            """,
        ),
        Question(
            name="buying_rhythm",
            comment="How each customer buys by their own measure: the mean days between purchases, and how long they "
            "are silent now; the longest silence by that measure first.",
            columns={
                "subject": "the customer",
                "purchase_days": "distinct days with an order; over all currencies",
                "repeat_purchases": "these, less one",
                "first_day": "day of the first purchase, in the company's zone",
                "last_day": "day of the last purchase, in the company's zone",
                "days_since": "calendar days from the last purchase to the moment",
                "mean_interval_days": "mean calendar days between purchases; null for who bought on one day only",
                "silence": "days since the last purchase, by the mean interval: above 1 they are later than usual",
                "status": "active, churned or won back",
            },
            sql="""
                WITH bought AS (
                    SELECT subject, COUNT(DISTINCT day) AS purchase_days, MIN(day) AS first_day, MAX(day) AS last_day,
                           MIN(dayno) AS first_dayno, MAX(dayno) AS last_dayno
                    FROM purchases
                    WHERE orders > 0
                    GROUP BY subject
                ),
                known AS (
                    SELECT subject, MIN(status) AS status FROM loyalty GROUP BY subject
                )
                SELECT bought.subject, purchase_days, purchase_days - 1 AS repeat_purchases, first_day, last_day,
                       moment.dayno - last_dayno AS days_since,
                       CAST(last_dayno - first_dayno AS DOUBLE PRECISION) / NULLIF(purchase_days - 1, 0)
                           AS mean_interval_days,
                       CAST(moment.dayno - last_dayno AS DOUBLE PRECISION) * (purchase_days - 1)
                           / NULLIF(last_dayno - first_dayno, 0) AS silence,
                       known.status
                FROM bought
                JOIN known ON known.subject = bought.subject
                CROSS JOIN moment
                ORDER BY silence DESC NULLS LAST, bought.subject
            """,
        ),
    )

    def initial(self, subject: str) -> Loyal:
        """Someone of whom nothing is known."""
        return Loyal(Accounts(subject, self.company))

    def evolve(self, state: Loyal, fact: Fact) -> tuple[Loyal, Iterable[Hashable]]:
        """Book a purchase and what became of it, a referral, points, an answer, leaving and coming back."""
        if fact.kind in PURCHASE_STEPS:
            touched = state.ledger.take(fact)
            if state.known.issuperset(touched):
                return state, touched
            state.known.update(touched)
            return state, (*touched, "")
        match fact.kind:
            case "ReferralMade":
                state.referred.add(fact.data["referred"])
            case "LoyaltyPointsPosted":
                delta = fact.data["delta"]
                state.points += delta
                if fact.data["reason"] == "earn" or (fact.data["reason"] == "reverse" and delta < 0):
                    state.earned += delta
            case "SurveyAnswered":
                share = share_of(fact)
                if share is None:
                    return state, ()
                state.satisfaction = share
            case "CustomerChurned":
                state.status = "churned"
            case "CustomerWonBack":
                state.status = "won back"
            case _:
                return state, ()
        state.status = state.status or "active"
        return state, {*state.known, ""}

    def row(self, state: Loyal, key: Hashable) -> Row | None:
        """The loyalty in this currency; in none for a subject who never bought."""
        currency, ledger = str(key), state.ledger
        account = ledger.sums.get(currency) or Account()
        if not account.orders and (currency or not state.status or any(each.orders for each in ledger.sums.values())):
            return None
        subject, days, total = ledger.subject, account.days, account.figures
        first_day = first_dayno = last_at = last_day = last_dayno = frequency_score = monetary_score = None
        if days:
            first_day, last_at, last_day = days[0], account.moments[-1], days[-1]
            first_dayno, last_dayno = day_number(first_day), day_number(last_day)
            frequency_score = _score(self.company.rfm_orders, total.orders * MICROS)
            monetary_score = _score(self.company.rfm_net.get(currency), total.net_micros)
        orders, quantity_micros, gross_micros, _, _, _, net_micros = all_bounded(total)
        purchase_days, repeat_purchases = len(days), max(len(days) - 1, 0)
        recency_5_until_at, recency_4_until_at, recency_3_until_at, recency_2_until_at = self._recency(last_at)
        referrals, points, tier = len(state.referred), bounded(state.points), self._tier(state.earned)
        satisfaction_share, status = state.satisfaction, state.status or "active"
        return (
            subject, currency, first_day, first_dayno, last_at, last_day, last_dayno, orders, purchase_days,
            repeat_purchases, quantity_micros, gross_micros, net_micros, recency_5_until_at, recency_4_until_at,
            recency_3_until_at, recency_2_until_at, frequency_score, monetary_score, referrals, points, tier,
            satisfaction_share, status,
        )  # fmt: skip

    def _tier(self, earned: int) -> str | None:
        """The tier that asks for most of what was earned; of equal ones the first by name."""
        reached = [(-least, name) for name, least in self.company.loyalty_tiers.items() if least <= earned]
        return min(reached)[1] if reached else None

    def _recency(self, last_at: int | None) -> tuple[int | None, int | None, int | None, int | None]:
        """Until when each score of recency holds, from 5 to 2: through the last whole day of its limit."""
        limits = self.company.rfm_recency_days
        if last_at is None or limits is None:
            return (None, None, None, None)
        five, four, three, two = (last_at + (days + 1) * DAY_US - 1 for days in limits)
        return five, four, three, two


def _score(limits: tuple[int | str, ...] | None, micros: int) -> int | None:
    """1, and 1 more for each limit that is reached."""
    return 1 + sum(micros >= quantity_micros(limit) for limit in limits) if limits else None
