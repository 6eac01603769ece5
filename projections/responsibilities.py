"""Responsibilities: who does each stage of a process, and who watches over it, from when until when."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View


class ResponsibilityRow(NamedTuple):
    """Who had a stage of a process, for one unbroken time."""

    subject: Annotated[str, "the customer, or the company, for whom it was settled; after a merge the survivor"]
    process: Annotated[str, "the process, such as sale"]
    stage: Annotated[str, "the stage of it"]
    spell: Annotated[int, "which settlement of this stage it is, from 1"]
    controller: Annotated[str | None, "who watches over the stage; null where nobody was named"]
    executor: Annotated[str | None, "who does the stage; null where nobody was named"]
    since_at: Annotated[int, "when it was settled so, microseconds since 1970 UTC"]
    since_day: Annotated[str, "the same as a day, in the company's zone"]
    until_at: Annotated[int | None, "when it was settled otherwise, microseconds since 1970 UTC; null while it stands"]
    until_day: Annotated[str | None, "the same as a day, in the company's zone"]


class Posts:
    """What was settled for one subject, by process and stage, in order."""

    __slots__ = ("settled", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.settled: dict[tuple[str, str], list[Fact]] = {}


class Responsibilities(View[Posts]):
    """The responsibilities for every customer."""

    name = "responsibilities"
    comment = "Responsibilities: who does each stage of a process and who watches over it, one row per settlement."
    row_type = ResponsibilityRow
    key = ("subject", "process", "stage", "spell")
    kinds = frozenset({"StageResponsibilityAssigned"})
    questions = (
        Question(
            name="responsible_now",
            comment="Who does each stage of each process now, who watches over it, and for how many customers.",
            columns={
                "process": "the process",
                "stage": "the stage of it",
                "executor": "who does it; null where nobody was named",
                "controller": "who watches over it; null where nobody was named",
                "subjects": "for how many customers (or for the company) it is settled so",
                "since_day": "day from which this held for the first of them, in the company's zone",
            },
            sql="""
                SELECT process, stage, executor, controller, COUNT(*) AS subjects, MIN(since_day) AS since_day
                FROM responsibilities
                WHERE until_at IS NULL
                GROUP BY process, stage, executor, controller
                ORDER BY process, stage, subjects DESC, executor NULLS LAST, controller NULLS LAST
            """,
        ),
    )

    def initial(self, subject: str) -> Posts:
        """Nobody is responsible yet."""
        return Posts(subject)

    def evolve(self, state: Posts, fact: Fact) -> tuple[Posts, Iterable[Hashable]]:
        """Settle a stage anew; what was settled before ends."""
        if fact.kind != "StageResponsibilityAssigned":
            return state, ()
        post = (fact.data["process"], fact.data["stage"])
        spells = state.settled.setdefault(post, [])
        if spells and _who(spells[-1]) == _who(fact):
            return state, ()
        spells.append(fact)
        last = len(spells)
        return state, ((*post, last - 1), (*post, last)) if last > 1 else ((*post, last),)

    def row(self, state: Posts, key: Hashable) -> Row | None:
        """The settlement of this (process, stage, number)."""
        match key:
            case (str() as process, str() as stage, int() as number):
                spells = state.settled.get((process, stage), [])
                if 0 < number <= len(spells):
                    since, until = spells[number - 1], spells[number] if number < len(spells) else None
                    return ResponsibilityRow(
                        state.subject,
                        process,
                        stage,
                        number,
                        *_who(since),
                        since.at,
                        self.company.day(since),
                        until.at if until else None,
                        self.company.day(until) if until else None,
                    )
        return None


def _who(settled: Fact) -> tuple[str | None, str | None]:
    """The one who watches over the stage, and the one who does it."""
    return settled.data.get("controller"), settled.data.get("executor")
