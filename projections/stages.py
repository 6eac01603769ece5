"""Time in each stage: every visit of an opportunity to a stage of the funnel, when it came and when it went on."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View

_STAGE_KINDS = frozenset(
    {"OpportunityOpened", "OpportunityStageChanged", "OpportunityWon", "OpportunityLost", "OpportunityReopened"}
)


class StageVisit(NamedTuple):
    """One visit of an opportunity to a stage."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    opportunity: Annotated[str, "the opportunity's id"]
    visit: Annotated[int, "its number among the opportunity's visits, from 1; a stage may be visited again"]
    stage: Annotated[str, "the stage"]
    entered_at: Annotated[int, "when it was reached, microseconds since 1970 UTC"]
    entered_day: Annotated[str, "the same as a day, in the company's zone"]
    left_at: Annotated[int | None, "when it was left or the opportunity closed; null while it is there"]
    left_day: Annotated[str | None, "the same as a day, in the company's zone"]
    seconds: Annotated[int | None, "whole seconds in the stage; null while it is there"]


class Visits:
    """The visits of each opportunity of one subject: stage, the fact that began it, the fact that ended it."""

    __slots__ = ("opened", "subject", "visits")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.opened: dict[str, Fact] = {}
        self.visits: dict[str, list[tuple[str, Fact, Fact | None]]] = {}


class Stages(View[Visits]):
    """The stages that every opportunity has been in."""

    name = "stages"
    comment = "Time in each stage: one row per visit of an opportunity to a stage of the funnel."
    row_type = StageVisit
    key = ("subject", "opportunity", "visit")
    kinds = _STAGE_KINDS
    questions = (
        Question(
            name="stage_times",
            comment="Where deals spend their time, and where they stand now: by stage.",
            columns={
                "stage": "the stage",
                "opportunities": "opportunities that were ever in it",
                "visits": "visits to it; an opportunity may come back",
                "there_now": "opportunities that are in it now",
                "mean_days": "mean days of a visit that has ended",
                "median_days": "median days of a visit that has ended",
            },
            sql="""
                WITH ranked AS (
                    SELECT subject, opportunity, stage, seconds,
                           seconds / CAST(86400 AS DOUBLE PRECISION) AS days,
                           ROW_NUMBER() OVER (PARTITION BY stage ORDER BY seconds NULLS LAST) AS place,
                           COUNT(seconds) OVER (PARTITION BY stage) AS places
                    FROM stages
                ),
                distinct_ones AS (
                    SELECT stage, COUNT(*) AS opportunities
                    FROM (SELECT DISTINCT stage, subject, opportunity FROM stages) AS once
                    GROUP BY stage
                )
                SELECT ranked.stage, distinct_ones.opportunities, COUNT(*) AS visits,
                       COUNT(*) FILTER (WHERE seconds IS NULL) AS there_now,
                       AVG(days) AS mean_days,
                       AVG(days) FILTER (WHERE place IN ((places + 1) / 2, (places + 2) / 2)) AS median_days
                FROM ranked
                JOIN distinct_ones ON distinct_ones.stage = ranked.stage
                GROUP BY ranked.stage, distinct_ones.opportunities
                ORDER BY visits DESC, ranked.stage
            """,
        ),
    )

    def initial(self, subject: str) -> Visits:
        """A customer without opportunities."""
        return Visits(subject)

    def evolve(self, state: Visits, fact: Fact) -> tuple[Visits, Iterable[Hashable]]:
        """Leave the stage that the opportunity is in, and enter the next."""
        if fact.kind not in _STAGE_KINDS:
            return state, ()
        data = fact.data
        name: str = data["opportunity"]
        visits = state.visits.setdefault(name, [])
        before = len(visits)
        last = visits[-1] if visits else None
        match fact.kind:
            case "OpportunityOpened":
                state.opened.setdefault(name, fact)
                if last is None and "stage" in data:
                    visits.append((data["stage"], fact, None))
            case "OpportunityStageChanged":
                if last is None and (opened := state.opened.get(name)):
                    # An opening that names no stage began in the one that is left first.
                    visits.append((data["from"], opened, None))
                _leave(visits, fact)
                visits.append((data["to"], fact, None))
            case "OpportunityReopened":
                if last is not None and last[2] is not None:
                    visits.append((last[0], fact, None))
            case _:
                _leave(visits, fact)
        # The visit that may have been left, and those that are new.
        return state, [(name, visit) for visit in range(max(before, 1), len(visits) + 1)]

    def row(self, state: Visits, key: Hashable) -> Row | None:
        """The visit of this (opportunity, number)."""
        match key:
            case (str() as opportunity, int() as visit) if 0 < visit <= len(state.visits.get(opportunity, ())):
                subject, (stage, entered, left) = state.subject, state.visits[opportunity][visit - 1]
                entered_at, entered_day = entered.at, self.company.day(entered)
                left_at = left_day = seconds = None
                if left:
                    left_at, left_day = left.at, self.company.day(left)
                    seconds = (left_at - entered_at) // 1_000_000
                return (subject, opportunity, visit, stage, entered_at, entered_day, left_at, left_day, seconds)
        return None


def _leave(visits: list[tuple[str, Fact, Fact | None]], fact: Fact) -> None:
    if visits and visits[-1][2] is None:
        stage, entered, _ = visits[-1]
        visits[-1] = (stage, entered, fact)
