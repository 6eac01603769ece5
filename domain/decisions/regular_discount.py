"""A regular customer's discount: after every so many days with a purchase one is due."""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.kinds.analysis import RecommendationIssued
from domain.kinds.order import OrderPlaced


class Regular(NamedTuple):
    """A customer who bought, over all currencies."""

    subject: str
    purchase_days: int
    status: str


def regular(company: Company, now: Now) -> Bounds:
    """Customers who bought often enough."""
    return {"purchase_days": (company.regular_purchase_days, None)}


def discount(customer: Regular, company: Company, now: Now) -> Proposal | None:
    """The recommendation to give one, which reminds whoever looks after the customer."""
    if customer.status == "churned":
        return None
    reached = customer.purchase_days // company.regular_purchase_days * company.regular_purchase_days
    advice = RecommendationIssued(recommendation="discount", basis=f"regular customer: bought on {reached} days")
    return Proposal(customer.subject, (str(reached),), (advice,), because(OrderPlaced))


REGULAR_DISCOUNT = Decision(
    name="regular-discount",
    rule="a customer who has not left bought on regular_purchase_days days, or on a multiple of it: recommend a "
    "discount, once for each multiple reached",
    reads="buying_rhythm",
    row=Regular,
    bounds=regular,
    proposes=discount,
)
