"""The life of an invoice: open until it is settled by payments, credit notes or a write-off, and dunned in levels."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from domain.kinds.fulfilment import (
    CreditNoteIssued,
    DebtWrittenOff,
    DunningNoticeSent,
    InvoiceIssued,
    PaymentReceived,
    PaymentReversed,
)
from domain.lifecycle import Guard, Lifecycle, Step, World
from domain.lifecycles.payment import came_in, held
from domain.touchpoint import Fact


class Bill(NamedTuple):
    """What an invoice remembers: what it asked for, and what of it is open, in micro-units.

    open: None once money of another currency came, for then it cannot be told; due: the day it is to be paid by, if
    known; level: the highest dunning level so far; order: what it is for, if that; early: what had been paid on it
    before it was issued, by payments that name no order.
    """

    currency: str
    asked: int
    open: int | None
    due: str = ""
    level: int = 0
    order: str = ""
    early: int = 0

    def less(self, micros: int, currency: str) -> "Bill":
        """The bill after so much was settled."""
        known = self.open is not None and currency in (self.currency, "")
        return self._replace(open=self.open - micros if known and self.open is not None else None)


def invoice_concerned(fact: Fact, world: World) -> Iterable[str]:
    """The invoice that is named, or that a payment taken back had been for."""
    if named := fact.data.get("invoice"):
        return (named,)
    money = held(world.life("payment", fact.data["payment"])) if fact.kind == PaymentReversed.kind else None
    return (money.invoice,) if money and money.invoice else ()


def issued(step: Step) -> Bill:
    """A new bill; issued a second time, it asks for what the last one says."""
    data, before = step.fact.data, step.memo
    asked, currency = data["amount"]["micros"], data["amount"]["currency"]
    bill = Bill(currency, asked, asked, data.get("due", ""), order=data.get("order", ""))
    if not before:
        return bill
    known = before.open is not None and before.currency == currency
    left = asked - (before.asked - before.open) if known else None
    return bill._replace(open=left, level=before.level, early=before.early)


def paid(step: Step) -> Bill:
    """The bill after money came in, or was taken back."""
    bill: Bill = step.memo
    money = came_in(step)
    if not money:
        return bill
    early = money.micros if step.waited and not money.order and money.currency == bill.currency else 0
    return bill.less(money.micros, money.currency)._replace(early=bill.early + early)


def lessened(step: Step) -> Bill:
    """The bill after a part was credited or given up."""
    bill: Bill = step.memo
    amount = step.fact.data["amount"]
    return bill.less(amount["micros"], amount["currency"])


def dunned(step: Step) -> Bill:
    """The bill with its highest dunning level."""
    bill: Bill = step.memo
    return bill._replace(level=max(bill.level, step.fact.data["level"]))


def still_open_after_payment(step: Step) -> bool:
    """Something is left to pay after the payment."""
    return _open(paid(step), step)


def still_open_when_lessened(step: Step) -> bool:
    """Something is left to pay after the credit note or write-off."""
    return _open(lessened(step), step)


def settled_all_the_same(step: Step) -> bool:
    """Nothing is left to pay although money was taken back."""
    return not _open(paid(step), step)


def _open(bill: Bill, step: Step) -> bool:
    return bill.open is None or step.world.company.missed(bill.open)


def pays_too_much(step: Step) -> bool:
    """More came in than is open; the rest is the customer's credit."""
    left = paid(step).open
    return left is not None and left < 0 and step.world.company.missed(-left)


def duns_too_early(step: Step) -> bool:
    """The notice's day is before the due date, and the days of grace after it."""
    bill: Bill = step.memo
    if not bill.due:
        return False
    try:
        from_day = date.fromisoformat(bill.due) + timedelta(days=step.world.company.dunning_grace_days)
    except OverflowError:  # the last days that a calendar has
        return True
    return step.world.company.day(step.fact) < from_day.isoformat()


def skips_a_level(step: Step) -> bool:
    """The notice's level is more than one above the highest before it."""
    bill: Bill = step.memo
    return bool(step.fact.data["level"] > bill.level + 1)


INVOICE = Lifecycle(
    "invoice",
    opens={InvoiceIssued: "open"},
    steps={
        "open": {
            PaymentReceived: "settled",
            PaymentReversed: "open",
            CreditNoteIssued: "settled",
            DebtWrittenOff: "settled",
            DunningNoticeSent: "open",
        },
        "settled": {PaymentReceived: "settled", PaymentReversed: "open", CreditNoteIssued: "settled"},
    },
    never="never issued",
    twice="issued twice",
    refuses={"settled": "already settled"},
    guards={
        PaymentReceived: [Guard("above what is open", "more was paid than is open", pays_too_much)],
        DunningNoticeSent: [
            Guard("dunned before it is due", "the notice was sent before the due date", duns_too_early),
            Guard("dunning skips a level", "no notice of the level before this one is known", skips_a_level),
        ],
    },
    keeps={
        InvoiceIssued: issued,
        PaymentReceived: paid,
        PaymentReversed: paid,
        CreditNoteIssued: lessened,
        DebtWrittenOff: lessened,
        DunningNoticeSent: dunned,
    },
    stays={
        PaymentReceived: still_open_after_payment,
        PaymentReversed: settled_all_the_same,
        CreditNoteIssued: still_open_when_lessened,
        DebtWrittenOff: still_open_when_lessened,
    },
    entities=invoice_concerned,
    after=["payment"],
)
