"""The next offer: a product that goes with what a customer bought, by what others bought together."""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.kinds.analysis import RecommendationIssued
from domain.kinds.order import OrderPlaced


class Offer(NamedTuple):
    """The likeliest product that a customer has not bought, and the one that it goes with."""

    subject: str
    order_id: str
    sku: str
    offer_sku: str
    upsell: int
    customers_both: int
    support: float
    lift: float


def goes_well(company: Company, now: Now) -> Bounds:
    """Pairs that enough customers bought, and clearly more than chance would have."""
    return {"customers_both": (company.offer_customers_min, None), "lift": (company.offer_lift_min, None)}


def offer(found: Offer, company: Company, now: Now) -> Proposal:
    """The recommendation with its support and lift; once for each product."""
    basis = f"bought with {found.sku} by {found.customers_both} customers"
    measure = f"support {found.support:.4f}, lift {found.lift:.2f}"
    advice = RecommendationIssued(
        recommendation="up-sell" if found.upsell else "cross-sell", product=found.offer_sku, basis=f"{basis}: {measure}"
    )
    return Proposal(found.subject, (found.offer_sku,), (advice,), because(OrderPlaced, order=found.order_id))


NEXT_OFFER = Decision(
    name="next-offer",
    rule="offer_customers_min customers or more bought two products together, offer_lift_min times as often as chance "
    "would have it, and this one bought only the first: recommend the second, or the best of such, once for each",
    reads="next_offers",
    row=Offer,
    bounds=goes_well,
    proposes=offer,
    best=("lift", "customers_both", "offer_sku"),
)
