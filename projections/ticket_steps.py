"""The steps of every ticket's life, in their order: what followed what, and how long it took."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.tickets import STEPS
from projections.view import Question, Row, View


class TicketStep(NamedTuple):
    """One step of one ticket."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    ticket: Annotated[str, "the ticket's id"]
    step: Annotated[int, "its number among the ticket's steps, from 1"]
    kind: Annotated[str, "the touchpoint's kind"]
    activity: Annotated[str, "what was done, as the producer names it; else the kind"]
    actor: Annotated[str | None, "who did it, as claimed"]
    at: Annotated[int, "when, in microseconds since 1970 UTC"]
    day: Annotated[str, "the same as a day, in the company's zone"]
    previous: Annotated[str | None, "the activity of the step before; null for the first"]
    seconds: Annotated[int | None, "whole seconds since the step before; null for the first"]
    after_closing: Annotated[int, "1 for a step after the ticket was first closed, else 0"]


class Steps:
    """The steps of each ticket of one subject, and the number of the one that first closed it."""

    __slots__ = ("closed", "steps", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.steps: dict[Hashable, list[Fact]] = {}
        self.closed: dict[Hashable, int] = {}


class TicketSteps(View[Steps]):
    """The steps of every ticket."""

    name = "ticket_steps"
    comment = "The steps of tickets, one row each, in their order: an event log of the service."
    row_type = TicketStep
    key = ("subject", "ticket", "step")
    kinds = frozenset(STEPS)
    questions = (
        Question(
            name="ticket_flows",
            comment="What directly follows what in the life of tickets, how often and how soon.",
            columns={
                "previous": "the activity before; null where a ticket begins",
                "activity": "the activity that followed",
                "times": "how often it did",
                "tickets": "in how many tickets",
                "mean_hours": "mean hours between the two",
            },
            sql="""
                SELECT previous, activity, COUNT(*) AS times, COUNT(DISTINCT subject || ' ' || ticket) AS tickets,
                       AVG(CAST(seconds AS DOUBLE PRECISION)) / 3600 AS mean_hours
                FROM ticket_steps
                GROUP BY previous, activity
                ORDER BY times DESC, previous NULLS FIRST, activity
            """,
        ),
    )

    def initial(self, subject: str) -> Steps:
        """A customer without tickets."""
        return Steps(subject)

    def evolve(self, state: Steps, fact: Fact) -> tuple[Steps, Iterable[Hashable]]:
        """Add a step."""
        if fact.kind not in STEPS:
            return state, ()
        name = fact.data["ticket"]
        steps = state.steps.setdefault(name, [])
        steps.append(fact)
        if fact.kind == "TicketClosed":
            state.closed.setdefault(name, len(steps))
        return state, ((name, len(steps)),)

    def row(self, state: Steps, key: Hashable) -> Row | None:
        """The step of this (ticket, number)."""
        match key:
            case (str() as name, int() as number) if 0 < number <= len(state.steps.get(name, ())):
                fact = state.steps[name][number - 1]
                before = state.steps[name][number - 2] if number > 1 else None
                return TicketStep(
                    state.subject,
                    name,
                    number,
                    fact.kind,
                    _activity(fact),
                    fact.envelope.get("actor"),
                    fact.at,
                    self.company.day(fact),
                    _activity(before) if before else None,
                    (fact.at - before.at) // 1_000_000 if before else None,
                    int(name in state.closed and number > state.closed[name]),
                )
        return None


def _activity(fact: Fact) -> str:
    named: str = fact.data.get("activity") or fact.kind
    return named
