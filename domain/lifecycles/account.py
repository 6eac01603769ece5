"""What a customer has paid us in one currency, and got back of it."""

from collections.abc import Iterable
from typing import NamedTuple

from domain.kinds.after_sales import RefundIssued
from domain.kinds.fulfilment import PaymentReceived, PaymentReversed
from domain.lifecycle import Guard, Lifecycle, Step, World
from domain.lifecycles.payment import came_in, held
from domain.touchpoint import Fact


class Account(NamedTuple):
    """Sums in micro-units: paid, refunded, and what of the payments names neither invoice nor order."""

    paid: int = 0
    refunded: int = 0
    unassigned: int = 0


def currency_concerned(fact: Fact, world: World) -> Iterable[str]:
    """The currency that money came or went in."""
    if fact.kind == RefundIssued.kind:
        currency = fact.data["amount"]["currency"]
        # A refund that names its order is judged by that order; here it only counts, where there is a count.
        return (currency,) if "order" not in fact.data or world.life("account", currency) else ()
    money = held(world.life("payment", fact.data["payment"]))
    return (money.currency,) if money and money.currency else ()


def paid(step: Step) -> Account:
    """The sums after money came in, or was taken back."""
    account: Account = step.memo or Account()
    money = came_in(step)
    if not money:
        return account
    unassigned = 0 if money.invoice or money.order else money.micros
    return account._replace(paid=account.paid + money.micros, unassigned=account.unassigned + unassigned)


def refunded(step: Step) -> Account:
    """The sums after money went back."""
    account: Account = step.memo
    return account._replace(refunded=account.refunded + step.fact.data["amount"]["micros"])


def refunds_too_much(step: Step) -> bool:
    """More went back in all than the customer had paid."""
    return "order" not in step.fact.data and step.world.company.missed(refunded(step).refunded - step.memo.paid)


ACCOUNT = Lifecycle(
    "account",
    opens={PaymentReceived: "used"},
    steps={"used": {PaymentReceived: "used", PaymentReversed: "used", RefundIssued: "used"}},
    never="nothing paid",
    early="nothing paid",
    twice="nothing paid",
    refuses={},
    guards={
        RefundIssued: [Guard("refund above what was paid", "more was given back than had been paid", refunds_too_much)],
    },
    keeps={PaymentReceived: paid, PaymentReversed: paid, RefundIssued: refunded},
    entities=currency_concerned,
    after=["payment"],
)
