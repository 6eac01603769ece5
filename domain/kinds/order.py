"""Phase 5, order: what was agreed and bought. These names are the storage format."""

from typing import Annotated, Self

from pydantic import model_validator

from domain.fields import (
    Count,
    Day,
    Flag,
    Interval,
    Items,
    Lines,
    Person,
    Product,
    Reason,
    Side,
    Values,
    means,
    one_currency,
)
from domain.identifiers import ContractId, Id, OrderId, QuoteId, SubscriptionId
from domain.money import Amount
from domain.touchpoint import Label, Phase, Touchpoint

Plan = Annotated[Label, means("the plan subscribed to")]
RecurringAmount = Annotated[Amount, means("what is paid each interval, without tax")]
Total = Annotated[Amount, means("what the customer is to pay, tax and shipping included")]
Until = Annotated[Day, means("the last day it now runs to")]
Instalment = Annotated[Id, means("which instalment of the schedule")]


class ContractSigned(Touchpoint, phase=Phase.ORDER):
    """Both sides put their names under a contract."""

    contract: ContractId
    product: Product | None = None
    payment_schedule: Annotated[Label | None, means("how it is to be paid, in words")] = None
    total: Annotated[Amount | None, means("what the whole contract comes to, tax included")] = None
    quote: QuoteId | None = None
    until: Annotated[Day | None, means("the last day it runs to; open-ended where unset")] = None


class ContractAmended(Touchpoint, phase=Phase.ORDER):
    """Both sides agreed to change a running contract."""

    contract: ContractId
    changes: Annotated[Values, means("the terms that changed, each with its new content")]
    total: Annotated[Amount | None, means("what the whole contract comes to now, tax included")] = None


class ContractRenewed(Touchpoint, phase=Phase.ORDER):
    """A contract that would have ended was prolonged."""

    contract: ContractId
    until: Until


class ContractTerminated(Touchpoint, phase=Phase.ORDER):
    """One side ended a contract."""

    contract: ContractId
    reason: Reason | None = None
    by: Side | None = None


class SubscriptionStarted(Touchpoint, phase=Phase.ORDER):
    """The customer began to pay for something again and again."""

    subscription: SubscriptionId
    plan: Plan
    recurring_amount: RecurringAmount
    interval: Annotated[Interval, means("the unit of time between two payments")]
    interval_count: Annotated[Count, means("how many such units, such as 2 for every second week")] = 1
    trial_until: Annotated[Day | None, means("the last day of the free trial")] = None


class SubscriptionChanged(Touchpoint, phase=Phase.ORDER):
    """The customer moved to another plan or another price."""

    subscription: SubscriptionId
    plan: Plan
    recurring_amount: RecurringAmount


class SubscriptionPaused(Touchpoint, phase=Phase.ORDER):
    """The customer put a subscription on hold, meaning to come back."""

    subscription: SubscriptionId
    until: Annotated[Day | None, means("the last day of the pause, if agreed")] = None


class SubscriptionRenewed(Touchpoint, phase=Phase.ORDER):
    """A subscription went into its next term."""

    subscription: SubscriptionId
    until: Until


class SubscriptionEnded(Touchpoint, phase=Phase.ORDER):
    """A subscription came to its end: cancelled, expired, or stopped for want of payment."""

    subscription: SubscriptionId
    reason: Reason | None = None


class PaymentScheduled(Touchpoint, phase=Phase.ORDER):
    """It was agreed that a part of the price is due on a day."""

    contract: ContractId | None = None
    order: OrderId | None = None
    instalment: Instalment
    due: Annotated[Day, means("the day it is to be paid by")]
    amount: Annotated[Amount, means("what is due then")]


class OrderPlaced(Touchpoint, phase=Phase.ORDER):
    """The customer bought: they ordered goods or services at a price."""

    order: OrderId
    quote: QuoteId | None = None
    lines: Lines = ()
    total: Total
    shipping: Annotated[Amount | None, means("what of the total is shipping")] = None
    tax: Annotated[Amount | None, means("what of the total is tax")] = None
    payment_method: Annotated[Label | None, means("how the customer chose to pay")] = None
    self_service: Annotated[Flag | None, means("whether the customer ordered without a salesperson")] = None
    coupon: Annotated[Label | None, means("the voucher code used")] = None

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        one_currency(self.lines, self.total, self.shipping, self.tax)
        return self


class OrderConfirmed(Touchpoint, phase=Phase.ORDER):
    """We told the customer that we accept the order, and what will happen when."""

    order: OrderId
    schedule: Annotated[Label | None, means("what was announced about delivery and payment")] = None


class OrderAmended(Touchpoint, phase=Phase.ORDER):
    """The order was changed before it was done: each line named has the quantity given here from now on."""

    order: OrderId
    lines: Items
    total: Total | None = None

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        one_currency(self.lines, self.total)
        return self


class OrderCancelled(Touchpoint, phase=Phase.ORDER):
    """The order was called off: the quantities of the lines named, or all of it where none is named."""

    order: OrderId
    lines: Items = ()
    reason: Reason | None = None
    by: Side | None = None


class DiscountApplied(Touchpoint, phase=Phase.ORDER):
    """The customer was let off a part of the price of an order."""

    order: OrderId
    rule: Annotated[Label, means("the rule or promotion that it rests on")]
    amount: Annotated[Amount, means("what was taken off")]
    approver: Annotated[Person | None, means("who of us allowed it, by id")] = None
