"""A customer's loyalty points: a balance that is not redeemed below zero, and reversed only with its cause."""

from collections.abc import Iterable
from typing import NamedTuple

from domain.kinds.after_sales import LoyaltyPointsPosted, RefundIssued, ReturnReceived
from domain.kinds.order import OrderCancelled
from domain.lifecycle import Guard, Lifecycle, Step, World
from domain.shards import Shards
from domain.touchpoint import Fact

_ONE = "balance"


class Points(NamedTuple):
    """The balance, and the ids that a reversal may rest on, as far as they are no order's."""

    balance: int = 0
    causes: Shards[str, bool] = Shards()


def points_concerned(fact: Fact, world: World) -> Iterable[str]:
    """The one balance; of customers who have none, other touchpoints move none."""
    return (_ONE,) if fact.kind == LoyaltyPointsPosted.kind or world.life("points", _ONE) else ()


def posted(step: Step) -> Points:
    """The balance after a posting. It and what it rests on may be the cause of a reversal."""
    points, data = step.memo or Points(), step.fact.data
    causes = {step.fact.id: True}
    if data["reason"] != "reverse" and "cause" in data:
        causes[data["cause"]] = True
    return Points(points.balance + data["delta"], points.causes.updated(causes))


def took_place(step: Step) -> Points:
    """The points with one more touchpoint that a reversal may rest on."""
    points: Points = step.memo
    return points._replace(causes=points.causes.updated({step.fact.id: True}))


def redeems_too_much(step: Step) -> bool:
    """More points were redeemed than there were."""
    return step.fact.data["reason"] == "redeem" and posted(step).balance < 0


def reverses_without_cause(step: Step) -> bool:
    """A reversal names no cause, or one that is not known to this customer."""
    if step.fact.data["reason"] != "reverse":
        return False
    cause, points = step.fact.data.get("cause", ""), step.memo or Points()
    order = step.world.life("order", cause)
    return not (points.causes.get(cause) or (order and order.state))


POINTS = Lifecycle(
    "points",
    opens={LoyaltyPointsPosted: "kept"},
    steps={
        "kept": {
            LoyaltyPointsPosted: "kept",
            OrderCancelled: "kept",
            ReturnReceived: "kept",
            RefundIssued: "kept",
        },
    },
    never="never posted",
    twice="never posted",
    refuses={},
    guards={
        LoyaltyPointsPosted: [
            Guard("redeemed below zero", "more points were redeemed than there were", redeems_too_much),
            Guard("reversed without its cause", "what the reversal rests on is not known", reverses_without_cause),
        ],
    },
    keeps={
        LoyaltyPointsPosted: posted,
        OrderCancelled: took_place,
        ReturnReceived: took_place,
        RefundIssued: took_place,
    },
    entities=points_concerned,
    after=["order"],
)
