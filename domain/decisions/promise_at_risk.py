"""A promise at risk: warn the customer before the day promised, not after it."""

from typing import NamedTuple

from domain.company import Company
from domain.decision import Bounds, Decision, Now, Proposal, because
from domain.kinds.fulfilment import DeliveryPromised, DeliveryWarningIssued


class Promised(NamedTuple):
    """An order that is promised for a day and not delivered."""

    subject: str
    order_id: str
    promised_for: str
    days_left: int
    status: str
    warnings: int
    promises: int


def too_late_to_dispatch(company: Company, now: Now) -> Bounds:
    """Promises whose day is not over, and that a dispatch of today cannot keep any more."""
    return {"days_left": (0, company.transit_days - 1)}


def warning(promised: Promised, company: Company, now: Now) -> Proposal | None:
    """A warning by how much it will be late if it leaves today; one for each day that was promised."""
    if promised.status not in ("placed", "confirmed") or promised.warnings >= promised.promises:
        return None
    order, late = promised.order_id, company.transit_days - promised.days_left
    warned = DeliveryWarningIssued(order=order, expected_delay=late, reason="not dispatched in time")
    cause = because(DeliveryPromised, order=order, promised_for=promised.promised_for)
    return Proposal(promised.subject, (order, promised.promised_for), (warned,), cause)


PROMISE_AT_RISK = Decision(
    name="promise-at-risk",
    rule="nothing of an order has been dispatched, and what leaves today arrives, after transit_days, later than "
    "promised: warn the customer by that many days, once for each day promised",
    reads="promises_at_risk",
    row=Promised,
    bounds=too_late_to_dispatch,
    proposes=warning,
)
