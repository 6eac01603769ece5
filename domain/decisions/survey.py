"""Surveys: how satisfied is the customer with what arrived, and with our help?"""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Cause, Decision, Now, Proposal, because
from domain.identifiers import derived_id
from domain.kinds.attraction import MessageSent
from domain.kinds.order import OrderPlaced
from domain.kinds.service import TicketResolved


class Delivered(NamedTuple):
    """An order; its day of delivery is null until all of it is there."""

    subject: str
    order_id: str
    delivered_day: str | None


class Resolved(NamedTuple):
    """A ticket; its day of resolution is null once it was reopened."""

    subject: str
    ticket: str
    resolved_day: str | None


def due(company: Company, now: Now) -> tuple[str, str]:
    """The first and the last day of what is old enough for a survey, and not too old."""
    latest = company.survey_after_days
    return now.ago(latest + company.late_message_days), now.ago(latest)


def survey(subject: str, about: str, name: str, cause: Cause, company: Company) -> Proposal:
    """The message with the survey about an order or a ticket."""
    message = MessageSent(message=derived_id("survey", about, name), purpose="survey")
    return Proposal(subject, (name,), (message,), cause, company.message_channel)


def after_delivery(order: Delivered, company: Company, _: Now) -> Proposal:
    """The survey about an order."""
    return survey(order.subject, "order", order.order_id, because(OrderPlaced, order=order.order_id), company)


def after_resolution(resolved: Resolved, company: Company, _: Now) -> Proposal:
    """The survey about a ticket."""
    return survey(resolved.subject, "ticket", resolved.ticket, because(TicketResolved, ticket=resolved.ticket), company)


SURVEY_AFTER_DELIVERY = Decision(
    name="survey-after-delivery",
    rule="all of an order was delivered survey_after_days ago, or up to late_message_days more: send a survey, once "
    "for each order",
    reads="orders",
    row=Delivered,
    bounds=lambda company, now: {"delivered_day": due(company, now)},
    proposes=after_delivery,
)

SURVEY_AFTER_RESOLUTION = Decision(
    name="survey-after-resolution",
    rule="a ticket was resolved survey_after_days ago, or up to late_message_days more, and not reopened: send a "
    "survey, once for each ticket",
    reads="tickets",
    row=Resolved,
    bounds=lambda company, now: {"resolved_day": due(company, now)},
    proposes=after_resolution,
)
