"""The life of an order: placed, perhaps confirmed, amended and shipped in parts, paid, perhaps called off."""

from collections.abc import Iterable
from functools import reduce
from typing import Any

from domain.kinds.after_sales import RefundIssued, ReturnReceived
from domain.kinds.fulfilment import (
    DeliveryPromised,
    DeliveryWarningIssued,
    InvoiceIssued,
    PaymentReceived,
    PaymentReversed,
    ShipmentDispatched,
)
from domain.kinds.order import (
    DiscountApplied,
    OrderAmended,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    PaymentScheduled,
)
from domain.lifecycle import Guard, Lifecycle, Step, World
from domain.lifecycles.payment import PAYMENT_KINDS, came_in, held
from domain.order_book import Book, added
from domain.touchpoint import Fact


def order_concerned(fact: Fact, world: World) -> Iterable[str]:
    """The order that is named, or that a payment is for by its invoice."""
    if named := fact.data.get("order"):
        return (named,)
    money = held(world.life("payment", fact.data["payment"])) if fact.kind in PAYMENT_KINDS else None
    if not money:
        return ()
    bill = world.life("invoice", money.invoice) if money.invoice and not money.order else None
    order = money.order or (bill.memo.order if bill and bill.state else "")
    return (order,) if order else ()


def _items(step: Step) -> Any:
    return step.fact.data.get("lines", ())


def placed(step: Step) -> Book:
    """A new book; placed a second time, its lines are those of the last."""
    book: Book | None = step.memo
    items, total = _items(step), step.fact.data["total"]
    return book.placed(items).with_total(total) if book else Book.of(items, total)


def amended(step: Step) -> Book:
    """The book with other lines, and the total that was agreed for them."""
    book: Book = step.memo
    return book.amended(_items(step)).with_total(step.fact.data.get("total"))


def called_off(step: Step) -> Book:
    """The book without what was cancelled."""
    book: Book = step.memo
    return book.called_off(_items(step)).with_total(None)


def dispatched(step: Step) -> Book:
    """The book with what one more shipment holds."""
    book: Book = step.memo
    return book.dispatched(_items(step))._replace(shipments=(step.fact.data["shipment"], book.shipments))


def returned(step: Step) -> Book:
    """The book with what came back."""
    book: Book = step.memo
    return book._replace(returned=added(book.returned, book.goods(_items(step))))


def paid(step: Step) -> Book:
    """The book with money that came in for the order or an invoice of it, or was taken back."""
    book: Book = step.memo
    money = came_in(step)
    return book.in_currency(money.currency)._replace(paid=book.paid + money.micros) if money else book


def invoiced(step: Step) -> Book:
    """The book with what had been paid on the invoice before it was issued, when nobody could know whose it is."""
    book: Book = step.memo
    before, bill = (find("invoice", step.fact.data["invoice"]) for find in (step.world.life_before, step.world.life))
    if not bill or not bill.state or (before and before.state and not step.waited):
        return book
    return book._replace(paid=book.paid + bill.memo.early)


def refunded(step: Step) -> Book:
    """The book with money that went back."""
    book: Book = step.memo
    amount = step.fact.data["amount"]
    return book.in_currency(amount["currency"])._replace(refunded=book.refunded + amount["micros"])


def amends_below_dispatched(step: Step) -> bool:
    """Less is ordered of something than has left the house already."""
    book: Book = step.memo
    ordered = book.amended(_items(step)).ordered
    return any(ordered.get(name, 0) < book.shipped.get(name, 0) for name in book.goods(_items(step)))


def ships_more_than_ordered(step: Step) -> bool:
    """What has been dispatched in all is more than was ordered less cancelled, within the company's tolerance."""
    book: Book = step.memo
    beyond = step.world.company.over_delivery_tolerance
    ordered, now = book.ordered, book.goods(_items(step))
    limit = {name: quantity + round(ordered[name] * beyond) for name, quantity in book.standing.items()}
    together = added(book.shipped, now)
    # Only what this shipment holds: an earlier excess was noted when it happened.
    named = now.keys() <= limit.keys()
    return book.exceeds({name: together[name] for name in now} if named else together, limit) if now else False


def _arrived(step: Step) -> list[dict[str, int]]:
    """The goods of each shipment of the order that was delivered."""
    book: Book = step.memo
    chain, goods = book.shipments, list[dict[str, int]]()
    while chain:
        shipment, chain = chain
        life = step.world.life("shipment", shipment)
        if life and life.state == "delivered":
            goods.append(book.goods(life.memo))
    return goods


def cancels_after_delivery(step: Step) -> bool:
    """What is called off has reached the customer: all of it where no goods are named, else more than is still open."""
    book: Book = step.memo
    arrived = _arrived(step)
    if not arrived or not _items(step):
        return bool(arrived)
    delivered = reduce(added, arrived)
    still_open = {name: quantity - delivered.get(name, 0) for name, quantity in book.standing.items()}
    return book.exceeds(book.goods(_items(step)), still_open)


def promises_after_delivery(step: Step) -> bool:
    """All that the order still stands for had been delivered, as far as is known."""
    book: Book = step.memo
    return book.fulfilled_by(_arrived(step))


def pays_too_much(step: Step) -> bool:
    """More came in than the order comes to; what names an invoice is judged by that."""
    if "invoice" in step.fact.data:
        return False
    book = paid(step)
    known = book.total is not None and not book.unclear
    return known and step.world.company.missed(book.paid - (book.total or 0))


def refunds_too_much(step: Step) -> bool:
    """More went back than was paid for the order, by payments that name it, its invoices, or nothing at all."""
    book = refunded(step)
    account = step.world.life("account", step.fact.data["amount"]["currency"])
    unassigned = account.memo.unassigned if account and account.state else 0
    return not book.unclear and step.world.company.missed(book.refunded - book.paid - unassigned)


def returns_more_than_bought(step: Step) -> bool:
    """What came back of this order in all is more than was bought by it."""
    book: Book = step.memo
    now = book.goods(_items(step))
    together = added(book.returned, now)
    named = now.keys() <= book.lines.keys() | book.standing.keys()
    return book.exceeds({name: together[name] for name in now} if named else together, book.standing)


def something_stands(step: Step) -> bool:
    """The cancellation names some goods only, and others are left."""
    book: Book = step.memo
    return bool(_items(step)) and (not book.lines or any(book.called_off(_items(step)).standing.values()))


ORDER = Lifecycle(
    "order",
    opens={OrderPlaced: "placed"},
    steps={
        "placed": {
            OrderConfirmed: "confirmed",
            OrderAmended: "placed",
            OrderCancelled: "cancelled",
            DeliveryPromised: "placed",
            DeliveryWarningIssued: "placed",
            ShipmentDispatched: "placed",
            InvoiceIssued: "placed",
            DiscountApplied: "placed",
            PaymentScheduled: "placed",
            PaymentReceived: "placed",
            PaymentReversed: "placed",
            ReturnReceived: "placed",
            RefundIssued: "placed",
        },
        "confirmed": {
            OrderConfirmed: "confirmed",
            OrderAmended: "confirmed",
            OrderCancelled: "cancelled",
            DeliveryPromised: "confirmed",
            DeliveryWarningIssued: "confirmed",
            ShipmentDispatched: "confirmed",
            InvoiceIssued: "confirmed",
            DiscountApplied: "confirmed",
            PaymentScheduled: "confirmed",
            PaymentReceived: "confirmed",
            PaymentReversed: "confirmed",
            ReturnReceived: "confirmed",
            RefundIssued: "confirmed",
        },
        # What left the house before may still be invoiced and come back, and money goes both ways.
        "cancelled": {
            InvoiceIssued: "cancelled",
            PaymentReceived: "cancelled",
            PaymentReversed: "cancelled",
            ReturnReceived: "cancelled",
            RefundIssued: "cancelled",
        },
    },
    never="never placed",
    twice="placed twice",
    refuses={"cancelled": "already cancelled"},
    guards={
        OrderAmended: [
            Guard("below what was dispatched", "less is ordered than was dispatched", amends_below_dispatched),
        ],
        OrderCancelled: [
            Guard("cancelled after delivery", "what was cancelled had been delivered", cancels_after_delivery),
        ],
        ShipmentDispatched: [
            Guard("more than ordered", "more was dispatched than ordered less cancelled", ships_more_than_ordered),
        ],
        DeliveryPromised: [
            Guard("promised after delivery", "all of it had been delivered before", promises_after_delivery),
        ],
        PaymentReceived: [Guard("above what is open", "more was paid than the order comes to", pays_too_much)],
        RefundIssued: [
            Guard("refund above what was paid", "more was given back than was paid for it", refunds_too_much),
        ],
        ReturnReceived: [
            Guard("more than was bought", "more came back than was bought by this order", returns_more_than_bought),
        ],
    },
    keeps={
        OrderPlaced: placed,
        OrderAmended: amended,
        OrderCancelled: called_off,
        DiscountApplied: lambda step: step.memo.with_total(None),
        ShipmentDispatched: dispatched,
        ReturnReceived: returned,
        InvoiceIssued: invoiced,
        PaymentReceived: paid,
        PaymentReversed: paid,
        RefundIssued: refunded,
    },
    stays={OrderCancelled: something_stands},
    entities=order_concerned,
    after=["account", "invoice"],
)
