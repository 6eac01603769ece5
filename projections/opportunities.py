"""Opportunities: the pipeline, who won what from where and how soon, and where, why and to whom deals were lost."""

from collections.abc import Callable, Hashable, Iterable
from typing import Annotated, Any, NamedTuple

from domain.company import Company, day_number
from domain.money import MICROS
from domain.touchpoint import Fact
from projections.view import Question, Row, View


class OpportunityRow(NamedTuple):
    """One opportunity as it stands."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    opportunity: Annotated[str, "the opportunity's id"]
    status: Annotated[str, "open, won or lost"]
    stage: Annotated[str | None, "the stage it was last moved to"]
    opened_day: Annotated[str | None, "day it was opened, in the company's zone; null where that was never recorded"]
    opened_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    closed_day: Annotated[str | None, "day it was won or lost, in the company's zone; null while open"]
    closed_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    days_to_close: Annotated[int | None, "calendar days from opening to closing; below zero when closed before"]
    amount_micros: Annotated[int | None, "what it is worth without tax, in millionths of the currency"]
    currency: Annotated[str | None, "the ISO 4217 currency of the amount"]
    probability: Annotated[float | None, "how likely it is to be won, from 0 to 1, as last stated"]
    weighted_micros: Annotated[int | None, "the amount times the probability, in millionths; null without either"]
    expected_close: Annotated[str | None, "day the decision is expected, as last stated"]
    owner: Annotated[str | None, "who is responsible, as last stated; else the first actor who touched it"]
    lead_source: Annotated[str | None, "where the lead came from; null where none was stated"]
    channel: Annotated[str | None, "the channel by which it was opened; null where none was stated"]
    origin: Annotated[str | None, "inbound: the customer came; mined: our data showed it"]
    product: Annotated[str | None, "what is to be sold"]
    lost_stage: Annotated[str | None, "the stage it was lost in; null unless lost"]
    lost_reason: Annotated[str | None, "why it was lost; null unless lost"]
    lost_competitor: Annotated[str | None, "who won it instead; null unless lost"]
    reopened: Annotated[int, "how often it was reopened"]


class Opportunity:
    """What is known of one opportunity."""

    __slots__ = ("actor", "channel", "closed_day", "known", "loss", "opened_day", "reopened", "status")

    def __init__(self) -> None:
        self.status = "open"
        self.opened_day: str | None = None
        self.closed_day: str | None = None
        self.actor: str | None = None
        self.channel: str | None = None
        self.reopened = 0
        self.known: dict[str, Any] = {}
        self.loss: dict[str, Any] = {}


class Pipeline:
    """The opportunities of one subject by their ids."""

    __slots__ = ("opportunities", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.opportunities: dict[Hashable, Opportunity] = {}


_CONVERSION = {
    "leads": "number of opportunities",
    "won": "of these won",
    "lost": "of these lost",
    "open": "of these still open",
    "rate": "share of leads won, 0 to 1",
    "mean_days": "mean calendar days from opening to winning",
}
_FUNNEL = """
    SELECT {shown}, COUNT(*) AS leads,
           COUNT(*) FILTER (WHERE status = 'won') AS won,
           COUNT(*) FILTER (WHERE status = 'lost') AS lost,
           COUNT(*) FILTER (WHERE status = 'open') AS open,
           CAST(COUNT(*) FILTER (WHERE status = 'won') AS DOUBLE PRECISION) / COUNT(*) AS rate,
           AVG(CAST(days_to_close AS DOUBLE PRECISION)) FILTER (WHERE status = 'won') AS mean_days
    FROM opportunities
    GROUP BY {by}
    ORDER BY {first} NULLS LAST
"""


def _funnel_by(column: str, meaning: str, told: str) -> Question:
    """Funnel conversion for each value of a column, the one with the most leads first."""
    return Question(
        name=f"funnel_by_{column}",
        comment=f"Funnel conversion by {told}.",
        columns={column: meaning, **_CONVERSION},
        sql=_FUNNEL.format(shown=column, by=column, first=f"leads DESC, {column}"),
    )


class Opportunities(View[Pipeline]):
    """The opportunities of every customer."""

    name = "opportunities"
    comment = "Opportunities: pipeline, wins and losses, one row each, as they stand."
    row_type = OpportunityRow
    key = ("subject", "opportunity")
    revision = 2
    kinds = frozenset(
        {
            "OpportunityOpened",
            "OpportunityChanged",
            "OpportunityStageChanged",
            "OpportunityWon",
            "OpportunityLost",
            "OpportunityReopened",
        }
    )
    questions = (
        Question(
            name="funnel",
            comment="Funnel conversion by lead source. A source that was not stated (null) is a row of its own.",
            columns={
                "lead_source": "where the lead came from; null where none was stated",
                **_CONVERSION,
                "median_days": "median calendar days from opening to winning",
            },
            sql="""
                WITH ranked AS (
                    SELECT lead_source, status, CAST(days_to_close AS DOUBLE PRECISION) AS days,
                           ROW_NUMBER() OVER (PARTITION BY lead_source, status ORDER BY days_to_close NULLS LAST)
                               AS place,
                           COUNT(days_to_close) OVER (PARTITION BY lead_source, status) AS places
                    FROM opportunities
                )
                SELECT lead_source, COUNT(*) AS leads,
                       COUNT(*) FILTER (WHERE status = 'won') AS won,
                       COUNT(*) FILTER (WHERE status = 'lost') AS lost,
                       COUNT(*) FILTER (WHERE status = 'open') AS open,
                       CAST(COUNT(*) FILTER (WHERE status = 'won') AS DOUBLE PRECISION) / COUNT(*) AS rate,
                       AVG(days) FILTER (WHERE status = 'won') AS mean_days,
                       AVG(days) FILTER (WHERE status = 'won' AND place IN ((places + 1) / 2, (places + 2) / 2))
                           AS median_days
                FROM ranked
                GROUP BY lead_source
                ORDER BY leads DESC, lead_source NULLS LAST
            """,
        ),
        Question(
            name="funnel_total",
            comment="Funnel conversion over all opportunities, in one row.",
            columns={
                **_CONVERSION,
                "rate": "share of leads won, 0 to 1; null without leads",
                "median_days": "median calendar days from opening to winning",
            },
            sql="""
                WITH ranked AS (
                    SELECT status, CAST(days_to_close AS DOUBLE PRECISION) AS days,
                           ROW_NUMBER() OVER (PARTITION BY status ORDER BY days_to_close NULLS LAST) AS place,
                           COUNT(days_to_close) OVER (PARTITION BY status) AS places
                    FROM opportunities
                )
                SELECT COUNT(*) AS leads,
                       COUNT(*) FILTER (WHERE status = 'won') AS won,
                       COUNT(*) FILTER (WHERE status = 'lost') AS lost,
                       COUNT(*) FILTER (WHERE status = 'open') AS open,
                       CAST(COUNT(*) FILTER (WHERE status = 'won') AS DOUBLE PRECISION) / NULLIF(COUNT(*), 0) AS rate,
                       AVG(days) FILTER (WHERE status = 'won') AS mean_days,
                       AVG(days) FILTER (WHERE status = 'won' AND place IN ((places + 1) / 2, (places + 2) / 2))
                           AS median_days
                FROM ranked
            """,
        ),
        _funnel_by("owner", "who is responsible; null where nobody is known", "the person responsible"),
        Question(
            name="funnel_by_month",
            comment="Funnel conversion by the month in which the opportunity was opened.",
            columns={
                "period": "month of opening, 2026-03; null where no opening was recorded",
                **_CONVERSION,
                "leads": "number of opportunities opened in it",
                "won": "of these won since",
                "lost": "of these lost since",
            },
            sql=_FUNNEL.format(
                shown="substr(opened_day, 1, 7) AS period", by="substr(opened_day, 1, 7)", first="period"
            ),
        ),
        _funnel_by("product", "the product; null where none was stated", "what is to be sold"),
        _funnel_by("channel", "the channel; null where none was stated", "the channel that opened the opportunity"),
        Question(
            name="forecast",
            comment="The weighted pipeline: open opportunities by the month in which the decision is expected and who "
            "is responsible; currencies are kept apart.",
            columns={
                "period": "month of the expected decision, 2026-03; null where none is expected",
                "owner": "who is responsible; null where nobody is known",
                "currency": "the ISO 4217 currency of the amounts; null where no amount is known",
                "deals": "number of open opportunities",
                "overdue": "of these whose expected day has passed at the moment",
                "unweighted": "of these without a probability: in the amount, not in the weighted one",
                "amount_micros": "what they are worth without tax, in millionths of the currency",
                "weighted_micros": "the same, each times its probability",
                "reported_micros": "the weighted amount in the company's currency, at the rate of the moment; null "
                "without one",
            },
            sql="""
                WITH pipeline AS (
                    SELECT substr(expected_close, 1, 7) AS period, owner, currency, COUNT(*) AS deals,
                           COUNT(*) FILTER (WHERE expected_close < moment.day) AS overdue,
                           COUNT(*) FILTER (WHERE probability IS NULL) AS unweighted,
                           CAST(SUM(amount_micros) AS BIGINT) AS amount_micros,
                           CAST(COALESCE(SUM(weighted_micros), 0) AS BIGINT) AS weighted_micros
                    FROM opportunities
                    CROSS JOIN moment
                    WHERE status = 'open'
                    GROUP BY substr(expected_close, 1, 7), owner, currency
                )
                SELECT pipeline.*,
                       weighted_micros / 1000000 * fx.rate_micros + weighted_micros % 1000000 * fx.rate_micros / 1000000
                           AS reported_micros
                FROM pipeline
                CROSS JOIN moment
                LEFT JOIN fx_in_force AS fx ON fx.from_currency = pipeline.currency
                     AND fx.since_day <= moment.day AND moment.day < fx.until_day
                ORDER BY period NULLS LAST, weighted_micros DESC, owner NULLS LAST, pipeline.currency NULLS LAST
            """,
        ),
        Question(
            name="funnel_losses",
            comment="Where, why and to whom deals are lost, and what they were worth; currencies are kept apart.",
            columns={
                "stage": "the stage lost in; null where none was stated",
                "reason": "why; null where none was stated",
                "competitor": "who won it instead; null where none was stated",
                "currency": "ISO 4217 currency of the amount; null where no amount is known",
                "lost": "number of opportunities lost",
                "amount_micros": "what they were worth, in millionths of the currency",
            },
            sql="""
                SELECT lost_stage AS stage, lost_reason AS reason, lost_competitor AS competitor, currency,
                       COUNT(*) AS lost, CAST(SUM(amount_micros) AS BIGINT) AS amount_micros
                FROM opportunities
                WHERE status = 'lost'
                GROUP BY lost_stage, lost_reason, lost_competitor, currency
                ORDER BY lost DESC, stage NULLS LAST, reason NULLS LAST, competitor NULLS LAST, currency NULLS LAST
            """,
        ),
    )

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self._steps: dict[str, Callable[[Opportunity, Fact], None]] = {
            "OpportunityOpened": self._opened,
            "OpportunityChanged": _changed,
            "OpportunityStageChanged": _stage_changed,
            "OpportunityWon": self._won,
            "OpportunityLost": self._lost,
            "OpportunityReopened": _reopened,
        }

    def initial(self, subject: str) -> Pipeline:
        """A customer without opportunities."""
        return Pipeline(subject)

    def evolve(self, state: Pipeline, fact: Fact) -> tuple[Pipeline, Iterable[Hashable]]:
        """Move the opportunity that the fact names; one that was never opened is known from then on."""
        step = self._steps.get(fact.kind)
        if step is None:
            return state, ()
        key = fact.data["opportunity"]
        opportunity = state.opportunities.get(key)
        if opportunity is None:
            opportunity = state.opportunities[key] = Opportunity()
        if opportunity.actor is None:
            opportunity.actor = fact.envelope.get("actor")
        step(opportunity, fact)
        return state, (key,)

    def row(self, state: Pipeline, key: Hashable) -> Row | None:
        """The opportunity of this id."""
        found = state.opportunities.get(key)
        if found is None:
            return None
        subject, opportunity, status, reopened = state.subject, str(key), found.status, found.reopened
        known, loss, opened_day, closed_day = found.known, found.loss, found.opened_day, found.closed_day
        opened_dayno = day_number(opened_day) if opened_day else None
        closed_dayno = day_number(closed_day) if closed_day else None
        days_to_close = closed_dayno - opened_dayno if closed_dayno is not None and opened_dayno is not None else None
        amount_micros = currency = probability = weighted_micros = lost_stage = None
        if amount := known.get("amount"):
            amount_micros, currency = amount["micros"], amount["currency"]
        if (stated := known.get("probability")) is not None:
            probability = float(stated)
            weighted_micros = amount["micros"] * round(stated * MICROS) // MICROS if amount else None
        stage, owner, lead_source = known.get("stage"), known.get("owner") or found.actor, known.get("lead_source")
        channel, origin, product = found.channel, known.get("origin"), known.get("product")
        if status == "lost":
            lost_stage = loss.get("stage") or stage
        expected_close, lost_reason, lost_competitor = (
            known.get("expected_close"),
            loss.get("reason"),
            loss.get("competitor"),
        )
        return (
            subject, opportunity, status, stage, opened_day, opened_dayno, closed_day, closed_dayno, days_to_close,
            amount_micros, currency, probability, weighted_micros, expected_close, owner, lead_source, channel, origin,
            product, lost_stage, lost_reason, lost_competitor, reopened,
        )  # fmt: skip

    def _opened(self, opportunity: Opportunity, fact: Fact) -> None:
        if opportunity.opened_day is None:
            opportunity.opened_day = self.company.day(fact)
            opportunity.channel = fact.envelope.get("channel")
        # An opening only fills gaps: a change or a win that stands before it was made knowingly.
        opportunity.known = {**fact.data, **opportunity.known}

    def _won(self, opportunity: Opportunity, fact: Fact) -> None:
        opportunity.status, opportunity.loss = "won", {}
        opportunity.closed_day = self.company.day(fact)
        if amount := fact.data.get("amount"):
            opportunity.known["amount"] = amount

    def _lost(self, opportunity: Opportunity, fact: Fact) -> None:
        opportunity.status, opportunity.loss = "lost", fact.data
        opportunity.closed_day = self.company.day(fact)


def _changed(opportunity: Opportunity, fact: Fact) -> None:
    opportunity.known.update(fact.data)


def _stage_changed(opportunity: Opportunity, fact: Fact) -> None:
    opportunity.known["stage"] = fact.data["to"]


def _reopened(opportunity: Opportunity, _: Fact) -> None:
    opportunity.status, opportunity.loss, opportunity.closed_day = "open", {}, None
    opportunity.reopened += 1
