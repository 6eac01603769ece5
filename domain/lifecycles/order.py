"""The life of an order: placed, perhaps confirmed, amended and shipped in parts, perhaps called off."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.kinds.after_sales import ReturnReceived
from domain.kinds.fulfilment import DeliveryPromised, DeliveryWarningIssued, InvoiceIssued, ShipmentDispatched
from domain.kinds.order import OrderAmended, OrderCancelled, OrderConfirmed, OrderPlaced
from domain.lifecycle import Guard, Lifecycle, Step
from domain.money import quantity_micros

UNNAMED = "\0"
"""Begins the name of goods without a sku, which are known by their order line alone. No sku can hold it."""

_Goods = Mapping[str, int]
"""Goods by their sku, in micro-units of the quantity."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Book(NamedTuple):
    """What an order remembers, in micro-units: `lines` gives for each line its goods and how many were ordered.

    `ordered` sums the lines by goods, `standing` is that less what was cancelled. `shipments` holds the ids of its
    shipments as a chain, the latest first.
    """

    lines: Mapping[str, tuple[str, int]] = _NOTHING
    ordered: _Goods = _NOTHING
    standing: _Goods = _NOTHING
    cancelled: _Goods = _NOTHING
    shipped: _Goods = _NOTHING
    returned: _Goods = _NOTHING
    shipments: "tuple[str, Any] | None" = None

    def with_lines(self, lines: Mapping[str, tuple[str, int]]) -> "Book":
        """The book with other lines."""
        return self._replace(lines=lines, ordered=_sum(lines.values())).with_cancelled(self.cancelled)

    def with_cancelled(self, cancelled: _Goods) -> "Book":
        """The book with other cancelled goods."""
        standing = {name: max(0, ordered - cancelled.get(name, 0)) for name, ordered in self.ordered.items()}
        return self._replace(cancelled=cancelled, standing=standing)

    def goods(self, items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
        """Goods of a later touchpoint, under the names that the order knows them by."""
        return _sum((self._name(item), quantity_micros(item["quantity"])) for item in items)

    def _name(self, item: Mapping[str, Any]) -> str:
        known = self.lines.get(item.get("line", ""))
        return known[0] if known else item.get("sku", UNNAMED + item.get("line", ""))

    def exceeds(self, goods: _Goods, limit: Mapping[str, float]) -> bool:
        """Whether goods are more than a limit: each for itself, or in sum where an order does not name its goods."""
        if not self.lines:
            return False
        unclear = any(name.startswith(UNNAMED) for name in (*limit, *goods))
        if unclear and not goods.keys() <= limit.keys():
            return sum(goods.values()) > sum(limit.values())
        return any(quantity > limit.get(name, 0) for name, quantity in goods.items())

    def amended(self, items: Iterable[Mapping[str, Any]]) -> "Book":
        """The book after each line named has another quantity; what was cancelled of its goods is settled by it."""
        lines, cancelled = dict(self.lines), dict(self.cancelled)
        for item in items:
            name, quantity = self._name(item), quantity_micros(item["quantity"])
            same = [line for line, (goods, _) in lines.items() if goods == name]
            line = item.get("line") or (same[0] if same else name)
            if "line" not in item:
                lines = {other: held for other, held in lines.items() if held[0] != name}
            lines[line] = (name, quantity)
            cancelled.pop(name, None)
        return self._replace(cancelled=cancelled).with_lines(lines)

    def called_off(self, items: Iterable[Mapping[str, Any]]) -> "Book":
        """The book after a cancellation: of the goods named, or of all that was not dispatched."""
        if items:
            return self.with_cancelled(_add(self.cancelled, self.goods(items)))
        rest = {name: max(0, ordered - self.shipped.get(name, 0)) for name, ordered in self.ordered.items()}
        return self.with_cancelled(rest)


def _sum(goods: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for name, quantity in goods:
        total[name] = total.get(name, 0) + quantity
    return total


def _add(one: _Goods, other: _Goods) -> dict[str, int]:
    return _sum((*one.items(), *other.items()))


def _items(step: Step) -> Any:
    return step.fact.data.get("lines", ())


def placed(step: Step) -> Book:
    """A new book; placed a second time, its lines are those of the last."""
    items = enumerate(_items(step), start=1)
    named = ((item.get("line", str(place)), item) for place, item in items)
    lines = {line: (item.get("sku", UNNAMED + line), quantity_micros(item["quantity"])) for line, item in named}
    book: Book = step.memo or Book()
    return book.with_lines(lines)


def dispatched(step: Step) -> Book:
    """The book with what one more shipment holds."""
    book: Book = step.memo
    shipped = _add(book.shipped, book.goods(_items(step)))
    return book._replace(shipped=shipped, shipments=(step.fact.data["shipment"], book.shipments))


def returned(step: Step) -> Book:
    """The book with what came back."""
    book: Book = step.memo
    return book._replace(returned=_add(book.returned, book.goods(_items(step))))


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
    together = _add(book.shipped, now)
    # Only what this shipment holds: an earlier excess was noted when it happened.
    named = now.keys() <= limit.keys()
    return book.exceeds({name: together[name] for name in now} if named else together, limit) if now else False


def cancels_after_delivery(step: Step) -> bool:
    """What is called off has reached the customer: all of it where no goods are named, else more than is still open."""
    book: Book = step.memo
    delivered, arrived, chain = dict[str, int](), False, book.shipments
    while chain:
        shipment, chain = chain
        life = step.world.life("shipment", shipment)
        if life and life.state == "delivered":
            arrived = True
            delivered = _add(delivered, book.goods(life.memo))
    if not arrived or not _items(step):
        return arrived
    still_open = {name: quantity - delivered.get(name, 0) for name, quantity in book.standing.items()}
    return book.exceeds(book.goods(_items(step)), still_open)


def returns_more_than_bought(step: Step) -> bool:
    """What came back of this order in all is more than was bought by it."""
    book: Book = step.memo
    now = book.goods(_items(step))
    together = _add(book.returned, now)
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
            ReturnReceived: "placed",
        },
        "confirmed": {
            OrderConfirmed: "confirmed",
            OrderAmended: "confirmed",
            OrderCancelled: "cancelled",
            DeliveryPromised: "confirmed",
            DeliveryWarningIssued: "confirmed",
            ShipmentDispatched: "confirmed",
            InvoiceIssued: "confirmed",
            ReturnReceived: "confirmed",
        },
        # What left the house before may still be invoiced, and come back.
        "cancelled": {InvoiceIssued: "cancelled", ReturnReceived: "cancelled"},
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
        ReturnReceived: [
            Guard("more than was bought", "more came back than was bought by this order", returns_more_than_bought),
        ],
    },
    keeps={
        OrderPlaced: placed,
        OrderAmended: lambda step: step.memo.amended(_items(step)),
        OrderCancelled: lambda step: step.memo.called_off(_items(step)),
        ShipmentDispatched: dispatched,
        ReturnReceived: returned,
    },
    stays={OrderCancelled: something_stands},
)
