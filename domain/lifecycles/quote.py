"""The life of a quote: issued, perhaps revised, then accepted, declined or ordered on."""

from typing import Any

from domain.kinds.order import OrderPlaced
from domain.kinds.sale import QuoteAccepted, QuoteDeclined, QuoteIssued
from domain.lifecycle import Guard, Lifecycle, Step


def orders_too_late(step: Step) -> bool:
    """The order's day is after the last day of the quote, and the quote had not been accepted by then."""
    return bool(step.memo and step.world.company.day(step.fact) > step.memo)


def accepted(step: Step) -> Any:
    """Accepted in time, a quote holds without end."""
    return step.memo if orders_too_late(step) else None


QUOTE = Lifecycle(
    "quote",
    opens={QuoteIssued: "issued"},
    steps={
        "issued": {
            QuoteIssued: "issued",
            QuoteAccepted: "accepted",
            QuoteDeclined: "declined",
            OrderPlaced: "ordered",
        },
        "accepted": {OrderPlaced: "ordered", QuoteDeclined: "declined"},
        "declined": {QuoteIssued: "issued"},
        "ordered": {OrderPlaced: "ordered", QuoteAccepted: "ordered"},
    },
    never="never issued",
    twice="issued twice",
    refuses={"accepted": "already accepted", "declined": "declined", "ordered": "already ordered"},
    guards={OrderPlaced: [Guard("expired", "the order came after the last day of the quote", orders_too_late)]},
    keeps={QuoteIssued: lambda step: step.fact.data["valid_until"], QuoteAccepted: accepted},
)
