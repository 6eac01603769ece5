"""The life of a payment: it comes in or fails, and what came in may be taken back."""

from typing import NamedTuple

from domain.kinds.fulfilment import PaymentFailed, PaymentReceived, PaymentReversed
from domain.lifecycle import Guard, Life, Lifecycle, Step
from domain.touchpoint import Fact

PAYMENT_KINDS = frozenset({PaymentReceived.kind, PaymentReversed.kind})
"""The kinds that change how much a customer has paid."""


class Money(NamedTuple):
    """What is left of a payment, in micro-units, and what it was for, as far as it said so."""

    micros: int = 0
    currency: str = ""
    invoice: str = ""
    order: str = ""


def came_in(step: Step) -> Money | None:
    """How much more than before a payment's touchpoint has brought in; negative where it was taken back.

    What waited for an opening is counted by what is left of its payment now.
    """
    payment, world = step.fact.data["payment"], step.world
    after = held(world.life("payment", payment))
    if not after:
        return None
    if step.waited:
        return after if step.fact.kind == PaymentReceived.kind else after._replace(micros=0)
    before = held(world.life_before("payment", payment)) or Money()
    return after._replace(micros=after.micros - before.micros)


def held(life: Life | None) -> Money | None:
    """What is left of a payment; None where it is not known to have come in."""
    return life.memo if life and life.state else None


def received(step: Step) -> Money:
    """What came in."""
    return money_of(step.fact)


def money_of(fact: Fact) -> Money:
    """The money of a payment's touchpoint."""
    amount = fact.data["amount"]
    return Money(amount["micros"], amount["currency"], fact.data.get("invoice", ""), fact.data.get("order", ""))


def taken_back(step: Step) -> Money:
    """What is left when a part of it, or all, was taken back."""
    money: Money = step.memo
    return money._replace(micros=money.micros - _reversed(step))


def _reversed(step: Step) -> int:
    money: Money = step.memo
    amount = step.fact.data.get("amount") or {}
    return int(amount["micros"]) if amount.get("currency") == money.currency else money.micros


def a_part_is_left(step: Step) -> bool:
    """Only a part of the payment was taken back."""
    return bool(_reversed(step) < step.memo.micros)


def takes_back_more(step: Step) -> bool:
    """More was taken back than is left of the payment."""
    return bool(_reversed(step) > step.memo.micros)


PAYMENT = Lifecycle(
    "payment",
    opens={PaymentReceived: "received", PaymentFailed: "failed"},
    steps={
        "failed": {PaymentFailed: "failed", PaymentReceived: "received"},
        "received": {PaymentReversed: "reversed"},
        "reversed": {},
    },
    never="never received",
    twice="received before",
    refuses={"failed": "never received", "received": "received before", "reversed": "already reversed"},
    guards={
        PaymentReversed: [Guard("more than was received", "more was taken back than is left of it", takes_back_more)],
    },
    keeps={PaymentReceived: received, PaymentFailed: lambda step: step.memo or Money(), PaymentReversed: taken_back},
    stays={PaymentReversed: a_part_is_left},
)
