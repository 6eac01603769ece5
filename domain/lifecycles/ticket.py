"""The life of a ticket: opened, worked on, resolved and closed, and perhaps open again."""

from domain.kinds.presentation import FirstResponseGiven
from domain.kinds.service import (
    TicketAssigned,
    TicketClassified,
    TicketClosed,
    TicketOpened,
    TicketPended,
    TicketProgressed,
    TicketReopened,
    TicketResolved,
    TicketResumed,
)
from domain.lifecycle import Guard, Lifecycle, Step


def claims_a_resolution(step: Step) -> bool:
    """It was closed as resolved, though nothing says that it was."""
    return bool(step.fact.data["how"] == "resolved" and not step.memo)


TICKET = Lifecycle(
    "ticket",
    opens={TicketOpened: "open"},
    steps={
        "open": {
            TicketAssigned: "open",
            TicketClassified: "open",
            TicketProgressed: "open",
            FirstResponseGiven: "open",
            TicketPended: "pending",
            TicketResumed: "open",
            TicketResolved: "resolved",
            TicketClosed: "closed",
        },
        "pending": {
            TicketAssigned: "pending",
            TicketClassified: "pending",
            TicketProgressed: "pending",
            FirstResponseGiven: "pending",
            TicketPended: "pending",
            TicketResumed: "open",
            TicketResolved: "resolved",
            TicketClosed: "closed",
        },
        # Work may go on after it was resolved; only a reopening says that it was not.
        "resolved": {
            TicketAssigned: "resolved",
            TicketClassified: "resolved",
            TicketProgressed: "resolved",
            FirstResponseGiven: "resolved",
            TicketPended: "resolved",
            TicketResumed: "resolved",
            TicketResolved: "resolved",
            TicketClosed: "closed",
        },
        "closed": {TicketClassified: "closed", TicketReopened: "open"},
    },
    never="never opened",
    twice="opened twice",
    refuses={"open": "not closed", "pending": "not closed", "resolved": "not closed", "closed": "already closed"},
    guards={
        TicketClosed: [
            Guard("not resolved", "it was closed as resolved, and had not been resolved", claims_a_resolution),
        ],
    },
    keeps={TicketOpened: lambda _: False, TicketResolved: lambda _: True, TicketReopened: lambda _: False},
)
