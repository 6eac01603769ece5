"""Phase 6, fulfilment: delivering, invoicing and being paid. These names are the storage format."""

from typing import Annotated

from domain.fields import Count, Day, Items, Reason, means
from domain.identifiers import ContractId, Id, InvoiceId, OrderId, PaymentId, ShipmentId, SubscriptionId
from domain.money import Amount
from domain.touchpoint import Label, Phase, Touchpoint


class DeliveryPromised(Touchpoint, phase=Phase.FULFILMENT):
    """We gave the customer a day on which the goods would be there."""

    order: OrderId
    promised_for: Annotated[Day, means("the day promised")]
    requirements: Annotated[Label | None, means("what the customer asked of the delivery")] = None


class DeliveryWarningIssued(Touchpoint, phase=Phase.FULFILMENT):
    """We told the customer that the delivery would be late."""

    order: OrderId
    expected_delay: Annotated[Count, means("by how many days")]
    reason: Reason | None = None


class ShipmentDispatched(Touchpoint, phase=Phase.FULFILMENT):
    """Goods of an order left our house for the customer."""

    shipment: ShipmentId
    order: OrderId
    lines: Items = ()
    carrier: Annotated[Label | None, means("who carries it")] = None
    tracking: Annotated[Label | None, means("the carrier's tracking number")] = None


class ShipmentDelivered(Touchpoint, phase=Phase.FULFILMENT):
    """A shipment reached the customer."""

    shipment: ShipmentId


class DeliveryFailed(Touchpoint, phase=Phase.FULFILMENT):
    """A shipment could not be handed over."""

    shipment: ShipmentId
    reason: Reason | None = None


class InvoiceIssued(Touchpoint, phase=Phase.FULFILMENT):
    """We asked the customer for money that is owed for an order, a contract or a subscription."""

    invoice: InvoiceId
    order: OrderId | None = None
    contract: ContractId | None = None
    subscription: SubscriptionId | None = None
    amount: Annotated[Amount, means("what is to be paid, tax included")]
    tax: Annotated[Amount | None, means("what of it is tax")] = None
    due: Annotated[Day | None, means("the day it is to be paid by")] = None


class CreditNoteIssued(Touchpoint, phase=Phase.FULFILMENT):
    """We took back a part of what an invoice asked for."""

    invoice: InvoiceId
    amount: Annotated[Amount, means("by how much the invoice is lessened")]
    reason: Reason | None = None
    credit_note: Annotated[Id | None, means("the credit note's own number")] = None


class PaymentReceived(Touchpoint, phase=Phase.FULFILMENT):
    """Money of the customer came in: for an invoice, an instalment or an order, or for none that they named."""

    payment: PaymentId
    invoice: InvoiceId | None = None
    instalment: Annotated[Id | None, means("which instalment of the schedule")] = None
    order: OrderId | None = None
    amount: Annotated[Amount, means("what came in")]
    method: Annotated[Label | None, means("how it was paid")] = None


class PaymentFailed(Touchpoint, phase=Phase.FULFILMENT):
    """The customer, or their bank, tried to pay and it did not go through."""

    payment: PaymentId
    reason: Reason | None = None
    amount: Annotated[Amount | None, means("what was to be paid")] = None


class PaymentReversed(Touchpoint, phase=Phase.FULFILMENT):
    """Money that had come in was taken back, by the customer or their bank."""

    payment: PaymentId
    reason: Reason | None = None
    amount: Annotated[Amount | None, means("what was taken back; all of it where unset")] = None


class DunningNoticeSent(Touchpoint, phase=Phase.FULFILMENT):
    """We reminded the customer of an invoice that was overdue."""

    invoice: InvoiceId
    level: Annotated[Count, means("which reminder it is, from 1")]
    fee: Annotated[Amount | None, means("what we charge for it")] = None


class DebtWrittenOff(Touchpoint, phase=Phase.FULFILMENT):
    """We gave up hope that an invoice would be paid."""

    invoice: InvoiceId
    amount: Annotated[Amount, means("what is given up")]
    reason: Reason | None = None
