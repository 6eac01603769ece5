"""Thank-you after a purchase: one for each day on which a customer bought."""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.identifiers import derived_id
from domain.kinds.attraction import MessageSent
from domain.kinds.order import OrderPlaced


class Ordered(NamedTuple):
    """An order."""

    subject: str
    order_id: str
    placed_day: str | None
    status: str


def due(company: Company, now: Now) -> Bounds:
    """Orders old enough for a thank-you, and not too old."""
    latest = company.thanks_after_days
    return {"placed_day": (now.ago(latest + company.late_message_days), now.ago(latest))}


def thank_you(order: Ordered, company: Company, now: Now) -> Proposal | None:
    """The message, unless the order came to nothing."""
    if order.status == "cancelled" or order.placed_day is None:
        return None
    message = MessageSent(message=derived_id("thanks", order.subject, order.placed_day), purpose="thanks")
    cause = because(OrderPlaced, order=order.order_id)
    return Proposal(order.subject, (order.placed_day,), (message,), cause, company.message_channel)


THANKS = Decision(
    name="thanks",
    rule="a customer bought thanks_after_days ago, or up to late_message_days more, and did not cancel: send one "
    "thank-you for each day with a purchase",
    reads="orders",
    row=Ordered,
    bounds=due,
    proposes=thank_you,
)
