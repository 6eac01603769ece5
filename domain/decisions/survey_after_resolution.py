"""A survey after a ticket was resolved: how satisfied is the customer with our help?"""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.identifiers import derived_id
from domain.kinds.attraction import MessageSent
from domain.kinds.service import TicketResolved


class Resolved(NamedTuple):
    """A ticket; its day of resolution is null once it was reopened."""

    subject: str
    ticket: str
    resolved_day: str | None


def due(company: Company, now: Now) -> Bounds:
    """Resolutions old enough for a survey, and not too old."""
    latest = company.survey_after_days
    return {"resolved_day": (now.ago(latest + company.late_message_days), now.ago(latest))}


def survey(resolved: Resolved, company: Company, now: Now) -> Proposal:
    """The message with the survey."""
    message = MessageSent(message=derived_id("survey", "ticket", resolved.ticket), purpose="survey")
    cause = because(TicketResolved, ticket=resolved.ticket)
    return Proposal(resolved.subject, (resolved.ticket,), (message,), cause, company.message_channel)


SURVEY_AFTER_RESOLUTION = Decision(
    name="survey-after-resolution",
    rule="a ticket was resolved survey_after_days ago, or up to late_message_days more, and not reopened: send a "
    "survey, once for each ticket",
    reads="tickets",
    row=Resolved,
    bounds=due,
    proposes=survey,
)
