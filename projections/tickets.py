"""Tickets: what customers asked of our service, how soon they were answered and helped, and how often it came back."""

from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact, microseconds
from projections.view import Question, Row, View, bounded

PATH_STEPS_MAX = 100
"""How many activities a path names; that of a longer life ends in an ellipsis."""

STEPS = {
    "TicketOpened": "open",
    "TicketAssigned": "open",
    "TicketClassified": None,
    "TicketProgressed": None,
    "TicketPended": "pending",
    "TicketResumed": "open",
    "TicketResolved": "resolved",
    "TicketClosed": "closed",
    "TicketReopened": "open",
}
"""The steps of a ticket's life, each with the status that follows; None leaves it as it is."""

_ABOUT = frozenset({"FirstResponseGiven", "ComplaintReceived", "FieldVisitPerformed", "DowntimeReported"})
"""What may be told of a ticket besides."""


class TicketRow(NamedTuple):
    """One ticket as it stands."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    ticket: Annotated[str, "the ticket's id"]
    status: Annotated[str, "open, pending, resolved or closed; open where its opening is not known"]
    product: Annotated[str | None, "what it is about, as opened"]
    severity: Annotated[str | None, "how bad it is, as last judged"]
    category: Annotated[str | None, "what sort of trouble it is, as last judged"]
    sla: Annotated[str | None, "the service level promised for it"]
    queue: Annotated[str | None, "the team or list it went to last"]
    agent: Annotated[str | None, "who was last to see to it"]
    opened_at: Annotated[int | None, "when it was opened, microseconds since 1970 UTC; null where that is not known"]
    opened_day: Annotated[str | None, "the same as a day, in the company's zone"]
    due_at: Annotated[int | None, "when it is to be resolved by, microseconds since 1970 UTC; null without a promise"]
    assigned_at: Annotated[int | None, "when somebody first took it, microseconds since 1970 UTC"]
    responded_at: Annotated[int | None, "when the customer first heard from us, microseconds since 1970 UTC"]
    resolved_at: Annotated[int | None, "when it was last resolved, microseconds since 1970 UTC; null once reopened"]
    resolved_day: Annotated[str | None, "the same as a day, in the company's zone"]
    closed_at: Annotated[int | None, "when it was last closed, microseconds since 1970 UTC; null once reopened"]
    closed_day: Annotated[str | None, "the same as a day, in the company's zone"]
    closed_how: Annotated[str | None, "on what ground it was closed; null unless closed"]
    assignment_seconds: Annotated[int | None, "whole seconds from opening until somebody took it"]
    response_seconds: Annotated[int | None, "whole seconds from opening until the customer first heard from us"]
    resolution_seconds: Annotated[int | None, "whole seconds from opening until it was last resolved"]
    pending_seconds: Annotated[int, "whole seconds that it waited for something; a wait that goes on not counted"]
    downtime_seconds: Annotated[int, "whole seconds of downtimes that were reported with it and have ended"]
    steps: Annotated[int, "steps of its life: every touchpoint of a ticket's own kinds"]
    assignments: Annotated[int, "how often it was handed to somebody"]
    resolutions: Annotated[int, "how often it was resolved"]
    reopenings: Annotated[int, "how often it was reopened"]
    complaints: Annotated[int, "complaints that name it"]
    field_visits: Annotated[int, "visits to the customer that name it"]
    path: Annotated[str, "its activities in their order, joined by >: its variant; kinds stand for unnamed ones"]


class Ticket:
    """What is known of one ticket; its times are facts."""

    __slots__ = (
        "assigned",
        "closed",
        "counts",
        "downtime_us",
        "named",
        "opened",
        "path",
        "pended",
        "pending_us",
        "resolved",
        "responded",
        "status",
    )

    def __init__(self) -> None:
        self.status = "open"
        self.named: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.path: list[str] = []
        self.opened: Fact | None = None
        self.assigned: Fact | None = None
        self.responded: Fact | None = None
        self.resolved: Fact | None = None
        self.closed: Fact | None = None
        self.pended: Fact | None = None
        self.pending_us = 0
        self.downtime_us = 0

    def step(self, fact: Fact) -> None:
        """Take the next step of its life."""
        if len(self.path) <= PATH_STEPS_MAX:
            self.path.append(fact.data.get("activity") or fact.kind)
        if after := STEPS[fact.kind]:
            if self.pended and after != "pending":
                self.pending_us += fact.at - self.pended.at
                self.pended = None
            # Working on a resolved ticket does not open it again, and nothing but reopening a closed one does.
            stays = self.status == "closed" or (self.status == "resolved" and after != "closed")
            if not stays or fact.kind == "TicketReopened":
                self.status = after
        match fact.kind:
            case "TicketOpened" if self.opened is None:
                self.opened = fact
            case "TicketAssigned":
                self.assigned = self.assigned or fact
            case "TicketPended":
                self.pended = self.pended or fact
            case "TicketResolved":
                self.resolved = fact
            case "TicketClosed":
                self.closed = fact
            case "TicketReopened":
                self.resolved = self.closed = None
            case _:
                pass
        for name in ("product", "severity", "category", "sla", "queue", "agent", "due"):
            if name in fact.data:
                self.named[name] = fact.data[name]


class Desk:
    """The tickets of one subject by their ids, and the downtimes that go on: since when, and for which ticket."""

    __slots__ = ("down", "subject", "tickets")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.tickets: dict[Hashable, Ticket] = {}
        self.down: dict[str, tuple[str, int]] = {}


class Tickets(View[Desk]):
    """The tickets of every customer."""

    name = "tickets"
    comment = "Tickets: how soon each was answered and resolved, what it cost in steps and waiting, one row each."
    row_type = TicketRow
    key = ("subject", "ticket")
    kinds = frozenset({*STEPS, *_ABOUT, "DowntimeEnded"})
    questions = (
        Question(
            name="service_levels",
            comment="Service levels by what was promised and how bad it is: how soon tickets are answered and helped.",
            columns={
                "sla": "the service level promised; null where none was",
                "severity": "how bad it is, as last judged; null where nobody did",
                "tickets": "number of tickets",
                "unresolved": "of these neither resolved nor closed",
                "reopened": "of these reopened at least once",
                "due": "of these with a time promised, resolved or overdue at the moment",
                "in_time": "of those due, resolved in time",
                "mean_assignment_hours": "mean hours until somebody took it",
                "mean_response_hours": "mean hours until the customer first heard from us",
                "mean_resolution_hours": "mean hours until it was last resolved",
                "median_resolution_hours": "median hours until it was last resolved",
                "mean_pending_hours": "mean hours that it waited for something",
            },
            sql="""
                WITH ranked AS (
                    SELECT tickets.*, CAST(resolution_seconds AS DOUBLE PRECISION) / 3600 AS hours,
                           ROW_NUMBER() OVER (PARTITION BY sla, severity ORDER BY resolution_seconds NULLS LAST)
                               AS place,
                           COUNT(resolution_seconds) OVER (PARTITION BY sla, severity) AS places
                    FROM tickets
                )
                SELECT sla, severity, COUNT(*) AS tickets,
                       COUNT(*) FILTER (WHERE status IN ('open', 'pending')) AS unresolved,
                       COUNT(*) FILTER (WHERE reopenings > 0) AS reopened,
                       COUNT(*) FILTER (WHERE due_at IS NOT NULL AND (resolved_at IS NOT NULL OR due_at < moment.at))
                           AS due,
                       COUNT(*) FILTER (WHERE resolved_at <= due_at) AS in_time,
                       AVG(CAST(assignment_seconds AS DOUBLE PRECISION)) / 3600 AS mean_assignment_hours,
                       AVG(CAST(response_seconds AS DOUBLE PRECISION)) / 3600 AS mean_response_hours,
                       AVG(hours) AS mean_resolution_hours,
                       AVG(hours) FILTER (WHERE place IN ((places + 1) / 2, (places + 2) / 2))
                           AS median_resolution_hours,
                       AVG(CAST(pending_seconds AS DOUBLE PRECISION)) / 3600 AS mean_pending_hours
                FROM ranked
                CROSS JOIN moment
                GROUP BY sla, severity
                ORDER BY tickets DESC, sla NULLS LAST, severity NULLS LAST
            """,
        ),
        Question(
            name="service_by_agent",
            comment="Who carries how much of the service: tickets by the one who was last to see to them.",
            columns={
                "agent": "who; null where nobody took it",
                "tickets": "number of tickets",
                "unresolved": "of these neither resolved nor closed",
                "reopened": "of these reopened at least once",
                "mean_response_hours": "mean hours until the customer first heard from us",
                "mean_resolution_hours": "mean hours until it was last resolved",
            },
            sql="""
                SELECT agent, COUNT(*) AS tickets,
                       COUNT(*) FILTER (WHERE status IN ('open', 'pending')) AS unresolved,
                       COUNT(*) FILTER (WHERE reopenings > 0) AS reopened,
                       AVG(CAST(response_seconds AS DOUBLE PRECISION)) / 3600 AS mean_response_hours,
                       AVG(CAST(resolution_seconds AS DOUBLE PRECISION)) / 3600 AS mean_resolution_hours
                FROM tickets
                GROUP BY agent
                ORDER BY tickets DESC, agent NULLS LAST
            """,
        ),
        Question(
            name="ticket_variants",
            comment="The ways that tickets take: each different path, how often it is taken and how long it lasts.",
            columns={
                "path": "the activities in their order, joined by >",
                "tickets": "tickets that took it",
                "share": "their share of all tickets, 0 to 1",
                "customers": "customers whose tickets took it",
                "steps": "its number of steps",
                "mean_resolution_hours": "mean hours until its tickets were last resolved",
            },
            sql="""
                SELECT path, COUNT(*) AS tickets,
                       CAST(COUNT(*) AS DOUBLE PRECISION) / SUM(COUNT(*)) OVER () AS share,
                       COUNT(DISTINCT subject) AS customers, MIN(steps) AS steps,
                       AVG(CAST(resolution_seconds AS DOUBLE PRECISION)) / 3600 AS mean_resolution_hours
                FROM tickets
                GROUP BY path
                ORDER BY tickets DESC, path
            """,
        ),
    )

    def initial(self, subject: str) -> Desk:
        """A customer who never asked anything of our service."""
        return Desk(subject)

    def evolve(self, state: Desk, fact: Fact) -> tuple[Desk, Iterable[Hashable]]:
        """Take a step of a ticket, or what is told of it besides."""
        if fact.kind == "DowntimeEnded":
            name, since = state.down.pop(fact.data["asset"], ("", fact.at))
            if not name:
                return state, ()
            state.tickets[name].downtime_us += fact.at - since
            return state, (name,)
        if fact.kind not in STEPS and (fact.kind not in _ABOUT or not fact.data.get("ticket")):
            return state, ()
        name = fact.data["ticket"]
        ticket = state.tickets.get(name)
        if ticket is None:
            ticket = state.tickets[name] = Ticket()
        ticket.counts[fact.kind] = ticket.counts.get(fact.kind, 0) + 1
        if fact.kind in STEPS:
            ticket.step(fact)
        elif fact.kind == "FirstResponseGiven":
            ticket.responded = ticket.responded or fact
        elif fact.kind == "DowntimeReported":
            state.down.setdefault(fact.data["asset"], (name, fact.at))
        return state, (name,)

    def row(self, state: Desk, key: Hashable) -> Row | None:
        """The ticket of this id."""
        ticket = state.tickets.get(key)
        if ticket is None:
            return None
        named, counts, opened = ticket.named, ticket.counts, ticket.opened
        due = named.get("due")
        return TicketRow(
            state.subject,
            str(key),
            ticket.status,
            named.get("product"),
            named.get("severity"),
            named.get("category"),
            named.get("sla"),
            named.get("queue"),
            named.get("agent"),
            _at(opened),
            self._day(opened),
            microseconds(datetime.fromisoformat(due)) if due else None,
            _at(ticket.assigned),
            _at(ticket.responded),
            _at(ticket.resolved),
            self._day(ticket.resolved),
            _at(ticket.closed),
            self._day(ticket.closed),
            ticket.closed.data["how"] if ticket.closed else None,
            _seconds(opened, ticket.assigned),
            _seconds(opened, ticket.responded),
            _seconds(opened, ticket.resolved),
            bounded(ticket.pending_us // 1_000_000),
            bounded(ticket.downtime_us // 1_000_000),
            sum(counts.get(kind, 0) for kind in STEPS),
            counts.get("TicketAssigned", 0),
            counts.get("TicketResolved", 0),
            counts.get("TicketReopened", 0),
            counts.get("ComplaintReceived", 0),
            counts.get("FieldVisitPerformed", 0),
            " > ".join([*ticket.path[:PATH_STEPS_MAX], *(["…"] if len(ticket.path) > PATH_STEPS_MAX else [])]),
        )

    def _day(self, fact: Fact | None) -> str | None:
        return self.company.day(fact) if fact else None


def _at(fact: Fact | None) -> int | None:
    return fact.at if fact else None


def _seconds(begin: Fact | None, end: Fact | None) -> int | None:
    """From one to the other; None where one is not known, or the end occurred first."""
    return (end.at - begin.at) // 1_000_000 if begin and end and end.at >= begin.at else None
