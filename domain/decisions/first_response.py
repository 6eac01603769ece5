"""First response overdue: whoever asked something of us and heard nothing is somebody's task."""

from datetime import date
from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.identifiers import derived_id
from domain.kinds.attraction import InquiryReceived
from domain.kinds.circle import TaskAssigned
from domain.kinds.service import TicketOpened

HOUR_S = 3_600


class Waiting(NamedTuple):
    """An inquiry or a ticket that nobody answered."""

    subject: str
    entity: str
    agent: str | None
    waiting_seconds: int


def waited_too_long(company: Company, now: Now) -> Bounds:
    """Whoever waits for as long as the company allows, or longer."""
    return {"waiting_seconds": (company.first_response_hours * HOUR_S, None)}


def task(waiting: Waiting, company: Company, now: Now) -> Proposal:
    """The task to answer today, for the one who was to see to it."""
    form, _, name = waiting.entity.partition("/")
    kind = InquiryReceived if form == "inquiry" else TicketOpened
    given = TaskAssigned(
        task=derived_id("first response", waiting.entity),
        concerns=f"first response to {form} {name}",
        executor=waiting.agent or company.escalate_to,
        due=date.fromisoformat(now.day),
    )
    return Proposal(waiting.subject, (waiting.entity,), (given,), because(kind, **{form: name}))


FIRST_RESPONSE = Decision(
    name="first-response",
    rule="an inquiry, or a ticket that is neither resolved nor closed, had no first response for first_response_hours: "
    "the agent, or else escalate_to, gets the task to answer today",
    reads="awaiting_response",
    row=Waiting,
    bounds=waited_too_long,
    proposes=task,
)
