"""The life of a contract: signed, perhaps amended, prolonged and paid in instalments, until it is ended."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from domain.kinds.fulfilment import InvoiceIssued
from domain.kinds.order import (
    ContractAmended,
    ContractRenewed,
    ContractSigned,
    ContractTerminated,
    PaymentScheduled,
)
from domain.lifecycle import Guard, Lifecycle, Step
from domain.shards import Shards

_Money = Mapping[str, Any]


class Terms(NamedTuple):
    """What a contract comes to, where it is known, and what its payment schedule sums up to in that currency.

    total and scheduled in micro-units; scheduled: None where there is no schedule; foreign: how many instalments or
    totals are in another currency, for then the sum cannot be told; instalments: the amount of each.
    """

    total: int | None = None
    currency: str = ""
    scheduled: int | None = None
    foreign: int = 0
    instalments: Shards[str, _Money] = Shards()

    def with_total(self, total: _Money | None) -> "Terms":
        """The terms with another total, if one is given."""
        if not total:
            return self
        if self.currency not in ("", total["currency"]):
            return self._replace(foreign=self.foreign + 1)
        return self._replace(total=total["micros"], currency=total["currency"])

    def with_instalment(self, name: str, amount: _Money) -> "Terms":
        """The terms with one more instalment, or with another amount for one that stood."""
        before = self.instalments.get(name)
        currency = self.currency or amount["currency"]
        scheduled, foreign = self.scheduled or 0, self.foreign
        for money, sign in ((before, -1), (amount, 1)):
            if money and money["currency"] == currency:
                scheduled += sign * money["micros"]
            elif money:
                foreign += sign
        return self._replace(
            currency=currency,
            scheduled=scheduled,
            foreign=foreign,
            instalments=self.instalments.updated({name: amount}),
        )


def signed(step: Step) -> Terms:
    """New terms; signed a second time, the total is the last one."""
    terms: Terms = step.memo or Terms()
    return terms.with_total(step.fact.data.get("total"))


def amended(step: Step) -> Terms:
    """The terms with the total as amended."""
    terms: Terms = step.memo
    return terms.with_total(step.fact.data.get("total"))


def scheduled(step: Step) -> Terms:
    """The terms with one more instalment."""
    terms: Terms = step.memo
    return terms.with_instalment(step.fact.data["instalment"], step.fact.data["amount"])


def schedule_misses_the_total(step: Step) -> bool:
    """There is a schedule, and its sum is not what the contract comes to."""
    terms: Terms = step.memo
    if terms.total is None or terms.scheduled is None or terms.foreign:
        return False
    return step.world.company.missed(abs(terms.total - terms.scheduled))


CONTRACT = Lifecycle(
    "contract",
    opens={ContractSigned: "running"},
    steps={
        "running": {
            ContractAmended: "running",
            ContractRenewed: "running",
            ContractTerminated: "terminated",
            PaymentScheduled: "running",
            InvoiceIssued: "running",
        },
        # What is still owed may be billed, and paid by instalments.
        "terminated": {PaymentScheduled: "terminated", InvoiceIssued: "terminated"},
    },
    never="never signed",
    twice="signed twice",
    refuses={"terminated": "already terminated"},
    keeps={ContractSigned: signed, ContractAmended: amended, PaymentScheduled: scheduled},
    balance=Guard(
        "schedule is not its total",
        "the payment schedule, as far as it is known, does not sum up to what the contract comes to",
        schedule_misses_the_total,
    ),
)
