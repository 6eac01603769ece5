"""A survey after a delivery: how satisfied is the customer with what arrived?"""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.identifiers import derived_id
from domain.kinds.attraction import MessageSent
from domain.kinds.order import OrderPlaced


class Delivered(NamedTuple):
    """An order; its day of delivery is null until all of it is there."""

    subject: str
    order_id: str
    delivered_day: str | None


def due(company: Company, now: Now) -> Bounds:
    """Deliveries old enough for a survey, and not too old."""
    latest = company.survey_after_days
    return {"delivered_day": (now.ago(latest + company.late_message_days), now.ago(latest))}


def survey(order: Delivered, company: Company, now: Now) -> Proposal:
    """The message with the survey."""
    message = MessageSent(message=derived_id("survey", "order", order.order_id), purpose="survey")
    cause = because(OrderPlaced, order=order.order_id)
    return Proposal(order.subject, (order.order_id,), (message,), cause, company.message_channel)


SURVEY_AFTER_DELIVERY = Decision(
    name="survey-after-delivery",
    rule="all of an order was delivered survey_after_days ago, or up to late_message_days more: send a survey, once "
    "for each order",
    reads="orders",
    row=Delivered,
    bounds=due,
    proposes=survey,
)
