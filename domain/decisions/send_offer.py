"""Sending an offer: a recommendation becomes a message where the customer allows it, and not too often."""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.identifiers import derived_id
from domain.kinds.analysis import RecommendationIssued
from domain.kinds.attraction import MessageSent


class Recommended(NamedTuple):
    """A recommendation that waits."""

    subject: str
    advice: str
    product: str | None
    day: str
    acted: int


def not_acted_on(company: Company, now: Now) -> Bounds:
    """Recommendations that nothing was done about."""
    return {"acted": (0, 0)}


def promotion(open_: Recommended, company: Company, now: Now) -> Proposal | None:
    """The message; reminders are for us and not for the customer."""
    if open_.advice == "reminder":
        return None
    key = (open_.advice, open_.product or "", open_.day)
    message = MessageSent(message=derived_id("offer", open_.subject, *key), purpose="promotion", template=open_.advice)
    cause = because(RecommendationIssued, kind_=open_.advice, product=open_.product)
    return Proposal(open_.subject, key, (message,), cause, company.message_channel)


SEND_OFFER = Decision(
    name="send-offer",
    rule="a recommendation of an offer waits: send it by message_channel. As every message it needs a consent, or "
    "another basis, and stays below the frequency caps; else it is refused",
    reads="open_recommendations",
    row=Recommended,
    bounds=not_acted_on,
    proposes=promotion,
)
