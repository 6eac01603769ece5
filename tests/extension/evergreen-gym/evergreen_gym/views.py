"""Trials: who trained with us on trial, in which club, and what came of it."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View


class Trial(NamedTuple):
    """One trial membership."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    trial: Annotated[str, "the trial membership"]
    club: Annotated[str | None, "the club they trained in; null until the start is known"]
    started_day: Annotated[str | None, "the day it began, in the company's zone"]
    ended_day: Annotated[str | None, "the day it was over, in the company's zone"]
    outcome: Annotated[str | None, "joined or left; null while it runs"]


class Trials(View[dict[str, Trial]]):
    """The trial memberships of every customer."""

    name = "trials"
    comment = "Trial memberships, one row per customer and trial."
    row_type = Trial
    key = ("subject", "trial")
    questions = (
        Question(
            name="trials_by_club",
            comment="How many trials each club had, and how many of those that are over became members.",
            columns={
                "club": "the club; null where no start is known",
                "trials": "number of trials",
                "ended": "trials that are over",
                "joined": "trials that ended with joining",
            },
            sql="""
                SELECT club, COUNT(*) AS trials, COUNT(outcome) AS ended,
                       COUNT(CASE WHEN outcome = 'joined' THEN 1 END) AS joined
                FROM trials
                GROUP BY club
            """,
        ),
    )

    def initial(self, subject: str) -> dict[str, Trial]:
        """Nobody's trials; the empty key keeps whose they are."""
        return {"": Trial(subject, "", None, None, None, None)}

    def evolve(self, state: dict[str, Trial], fact: Fact) -> tuple[dict[str, Trial], Iterable[Hashable]]:
        """Take the start or the end of a trial, in whichever order they come."""
        if fact.kind not in ("TrialStarted", "TrialEnded"):
            return state, ()
        name = fact.data["trial"]
        trial = state.get(name) or state[""]._replace(trial=name)
        if fact.kind == "TrialStarted":
            trial = trial._replace(club=fact.data["club"], started_day=self.company.day(fact))
        else:
            trial = trial._replace(outcome=fact.data["outcome"], ended_day=self.company.day(fact))
        state[name] = trial
        return state, (name,)

    def row(self, state: dict[str, Trial], key: Hashable) -> Row | None:
        """The trial of this name."""
        return state.get(str(key)) if key else None
