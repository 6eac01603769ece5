"""Exchange rates: what one currency counts in another, as recorded. Nothing is converted but at one of these."""

from collections.abc import Hashable, Iterable
from datetime import date
from typing import Annotated, NamedTuple

from domain.money import quantity_micros
from domain.touchpoint import Fact
from projections.view import Question, Row, View


class FxRate(NamedTuple):
    """What one currency counts in another from a day on, until a later rate is recorded."""

    subject: Annotated[str, "the subject under which it was recorded, mostly the company"]
    from_currency: Annotated[str, "the ISO 4217 currency that is converted"]
    to_currency: Annotated[str, "the ISO 4217 currency that it becomes"]
    day: Annotated[str, "the day it holds for"]
    dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    rate_micros: Annotated[int, "how many millionths of the second one unit of the first is"]
    reported: Annotated[
        int, "1 where the second is the currency that the company reports in (setting currency), else 0"
    ]
    set_at: Annotated[int, "when it was set, microseconds since 1970 UTC"]


class Board:
    """The rates recorded under one subject, by both currencies and the day; of several for one day the last."""

    __slots__ = ("rates", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.rates: dict[Hashable, Fact] = {}


class FxRates(View[Board]):
    """All rates that were recorded."""

    name = "fx_rates"
    comment = "Exchange rates as recorded: one row per pair of currencies and day."
    row_type = FxRate
    key = ("subject", "from_currency", "to_currency", "day")
    kinds = frozenset({"FxRateSet"})
    questions = (
        Question(
            name="fx_in_force",
            comment="Rates into the currency that the company reports in, each with the days it is used for: from its "
            "own day until the next one. Nothing is converted over a third currency, or back at the inverse rate.",
            columns={
                "from_currency": "the ISO 4217 currency that is converted",
                "to_currency": "the currency that the company reports in",
                "since_day": "first day that it is used for",
                "until_day": "first day that it is not used for any more; 9999-12-31 while it is the last",
                "rate_micros": "how many millionths of the second one unit of the first is",
            },
            sql="""
                WITH last_set AS (
                    SELECT fx_rates.*, ROW_NUMBER() OVER (
                               PARTITION BY from_currency, to_currency, day ORDER BY set_at DESC, subject
                           ) AS place
                    FROM fx_rates
                    WHERE reported = 1 AND rate_micros > 0 AND from_currency <> to_currency
                )
                SELECT from_currency, to_currency, day AS since_day,
                       COALESCE(LEAD(day) OVER (PARTITION BY from_currency, to_currency ORDER BY day), '9999-12-31')
                           AS until_day,
                       rate_micros
                FROM last_set
                WHERE place = 1
                UNION ALL
                SELECT DISTINCT to_currency, to_currency, '0001-01-01', '9999-12-31', 1000000
                FROM last_set
            """,
        ),
    )

    def initial(self, subject: str) -> Board:
        """No rate."""
        return Board(subject)

    def evolve(self, state: Board, fact: Fact) -> tuple[Board, Iterable[Hashable]]:
        """Set a rate."""
        if fact.kind != "FxRateSet":
            return state, ()
        data = fact.data
        key = (data["from"], data["to"], data["day"])
        state.rates[key] = fact
        return state, (key,)

    def row(self, state: Board, key: Hashable) -> Row | None:
        """The rate of this (from, to, day)."""
        if (fact := state.rates.get(key)) is None:
            return None
        data, day = fact.data, date.fromisoformat(fact.data["day"])
        return FxRate(
            state.subject,
            data["from"],
            data["to"],
            data["day"],
            day.toordinal(),
            quantity_micros(data["rate"]),
            int(data["to"] == self.company.currency),
            fact.at,
        )
