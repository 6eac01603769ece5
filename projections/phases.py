"""How far round the CRM circle each customer has come: the phases reached, first and last time in each."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

import domain.kinds  # noqa: F401 - registers the kinds that are looked up by name
from domain.company import Company
from domain.touchpoint import KINDS, Fact, Phase
from projections.contacts import NO_CONTACT
from projections.view import Question, Row, View

_PLACES = {phase.value: place for place, phase in enumerate(Phase, 1)}


class PhaseReached(NamedTuple):
    """One phase that a customer has reached."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    phase: Annotated[str, "the phase of the CRM circle"]
    place: Annotated[int, "the place of the phase in the circle, 1 to 8"]
    first_at: Annotated[int, "first touchpoint in the phase, microseconds since 1970 UTC"]
    first_day: Annotated[str, "day of the first touchpoint in the phase, in the company's zone"]
    last_at: Annotated[int, "last touchpoint in the phase, microseconds since 1970 UTC"]
    last_day: Annotated[str, "day of the last touchpoint in the phase, in the company's zone"]
    touchpoints: Annotated[int, "number of touchpoints in the phase"]


class Circle:
    """The phases of one subject, each with its first and last touchpoint and their number."""

    __slots__ = ("reached", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.reached: dict[Hashable, tuple[Fact, Fact, int]] = {}


class Phases(View[Circle]):
    """The phases that every customer has reached."""

    name = "phases"
    comment = "How far round the CRM circle each customer has come: one row per phase reached."
    row_type = PhaseReached
    key = ("subject", "phase")
    questions = (
        Question(
            name="circle",
            comment="Circle conversion: who reached each of the eight phases, and who came on from the one before.",
            columns={
                "phase": "the phase of the CRM circle",
                "place": "the place of the phase in the circle, 1 to 8",
                "subjects": "customers who reached the phase",
                "share_of_all": "their share of all customers, 0 to 1",
                "subjects_before": "customers who reached the phase before; null for the first phase",
                "subjects_from_before": "customers who reached both this phase and the one before; null for the first",
                "share_of_before": "share of those that reached the phase before who reached this one too, 0 to 1",
                "mean_days": "mean days from their first touchpoint in the phase before to the first in this one; "
                "below zero where this one came first",
                "median_days": "median of the same days",
            },
            sql="""
                WITH steps AS (
                    SELECT this.place, (this.first_at - before.first_at) / CAST(86400000000 AS DOUBLE PRECISION) AS days
                    FROM phases AS this
                    JOIN phases AS before ON before.subject = this.subject AND before.place = this.place - 1
                ),
                ranked AS (
                    SELECT place, days, ROW_NUMBER() OVER (PARTITION BY place ORDER BY days) AS rank_in_place,
                           COUNT(*) OVER (PARTITION BY place) AS in_place
                    FROM steps
                ),
                passed AS (
                    SELECT place, COUNT(*) AS subjects, AVG(days) AS mean_days,
                           AVG(days) FILTER (WHERE rank_in_place IN ((in_place + 1) / 2, (in_place + 2) / 2))
                               AS median_days
                    FROM ranked
                    GROUP BY place
                ),
                reached AS (
                    SELECT phase, place, COUNT(*) AS subjects FROM phases GROUP BY phase, place
                ),
                everyone AS (
                    SELECT COUNT(DISTINCT subject) AS subjects FROM phases
                )
                SELECT reached.phase, reached.place, reached.subjects,
                       CAST(reached.subjects AS DOUBLE PRECISION) / everyone.subjects AS share_of_all,
                       before.subjects AS subjects_before,
                       CASE WHEN reached.place > 1 THEN COALESCE(passed.subjects, 0) END AS subjects_from_before,
                       CAST(COALESCE(passed.subjects, 0) AS DOUBLE PRECISION) / before.subjects AS share_of_before,
                       passed.mean_days, passed.median_days
                FROM reached
                CROSS JOIN everyone
                LEFT JOIN reached AS before ON before.place = reached.place - 1
                LEFT JOIN passed ON passed.place = reached.place
                ORDER BY reached.place
            """,
        ),
    )

    def __init__(self, company: Company) -> None:
        super().__init__(company)
        self._phase_of: dict[str, str | None] = {}

    def initial(self, subject: str) -> Circle:
        """A customer who has reached no phase."""
        return Circle(subject)

    def evolve(self, state: Circle, fact: Fact) -> tuple[Circle, Iterable[Hashable]]:
        """Count a touchpoint in its phase."""
        try:
            phase = self._phase_of[fact.kind]
        except KeyError:
            phase = self._phase_of[fact.kind] = _phase(fact.kind)
        if phase is None:
            return state, ()
        known = state.reached.get(phase)
        state.reached[phase] = (known[0], fact, known[2] + 1) if known else (fact, fact, 1)
        return state, (phase,)

    def row(self, state: Circle, key: Hashable) -> Row | None:
        """The phase of this name, if reached."""
        if (known := state.reached.get(key)) is None:
            return None
        first, last, touchpoints = known
        subject, phase, first_at, last_at = state.subject, str(key), first.at, last.at
        place, first_day, last_day = _PLACES[phase], self.company.day(first), self.company.day(last)
        return (subject, phase, place, first_at, first_day, last_at, last_day, touchpoints)


def _phase(kind: str) -> str | None:
    touchpoint = KINDS.get(kind)
    if touchpoint is None or touchpoint.phase is None or kind in NO_CONTACT:
        return None
    return touchpoint.phase.value
