"""What an order remembers: its goods, and the money that came and went for it. Every change makes a new book."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.money import MICROS, quantity_micros

UNNAMED = "\0"
"""Begins the name of goods without a sku, which are known by their order line alone. No sku can hold it."""

Goods = Mapping[str, int]
"""Goods by their sku, in micro-units of the quantity."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Book(NamedTuple):
    """What an order remembers, in micro-units: `lines` gives for each line its goods and how many were ordered.

    `ordered` sums the lines by goods, `standing` is that less what was cancelled. `shipments` holds the ids of its
    shipments as a chain, the latest first. Money is in `currency`: `total` is what the customer is to pay, None where
    that cannot be told; `paid` what came in less what was taken back, `refunded` what went back; `unclear` says that
    money of another currency came or went, so that the sums say nothing.
    """

    lines: Mapping[str, tuple[str, int]] = _NOTHING
    ordered: Goods = _NOTHING
    standing: Goods = _NOTHING
    cancelled: Goods = _NOTHING
    shipped: Goods = _NOTHING
    returned: Goods = _NOTHING
    shipments: "tuple[str, Any] | None" = None
    total: int | None = None
    currency: str = ""
    paid: int = 0
    refunded: int = 0
    unclear: bool = False

    @classmethod
    def of(cls, items: Iterable[Mapping[str, Any]], total: Mapping[str, Any]) -> "Book":
        """The book of an order of which nothing else is known: the same as placed and with its total, all at once."""
        lines = _lines(items)
        ordered = dict(lines.values()) if len(lines) == 1 else sum_of(lines.values())
        nothing, micros = _NOTHING, total["micros"]
        cells = lines, ordered, ordered, nothing, nothing, nothing, None, micros, total["currency"], 0, 0, False
        return tuple.__new__(cls, cells)

    def in_currency(self, currency: str) -> "Book":
        """The book, unclear if it is not kept in this currency."""
        return self if currency == self.currency else self._replace(unclear=True)

    def with_total(self, total: Mapping[str, Any] | None) -> "Book":
        """The book with another total; without one it can no longer be told."""
        if not total:
            return self._replace(total=None)
        micros, currency = total["micros"], total["currency"]
        unclear = self.unclear or self.currency not in ("", currency)
        return self._replace(total=micros, currency=self.currency or currency, unclear=unclear)

    def placed(self, items: Iterable[Mapping[str, Any]]) -> "Book":
        """The book with the lines of an order that was placed; placed a second time, with those of the last."""
        return self.with_lines(_lines(items))

    def with_lines(self, lines: Mapping[str, tuple[str, int]]) -> "Book":
        """The book with other lines."""
        ordered = sum_of(lines.values())
        return self._replace(lines=lines, ordered=ordered, standing=_standing(ordered, self.cancelled))

    def with_cancelled(self, cancelled: Goods) -> "Book":
        """The book with other cancelled goods."""
        return self._replace(cancelled=cancelled, standing=_standing(self.ordered, cancelled))

    def goods(self, items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
        """Goods of a later touchpoint, under the names that the order knows them by."""
        return sum_of((self._name(item), quantity_micros(item["quantity"])) for item in items)

    def _name(self, item: Mapping[str, Any]) -> str:
        known = self.lines.get(item.get("line", ""))
        return known[0] if known else item.get("sku", UNNAMED + item.get("line", ""))

    def exceeds(self, goods: Goods, limit: Mapping[str, float]) -> bool:
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

    def dispatched(self, items: Iterable[Mapping[str, Any]]) -> "Book":
        """The book with what one more shipment holds."""
        return self._replace(shipped=added(self.shipped, self.goods(items)))

    def fulfilled_by(self, arrived: Sequence[Goods]) -> bool:
        """Whether the goods of these shipments are all that the order still stands for, as far as is known."""
        if not arrived:
            return False
        # A shipment that does not say what it held is taken for the whole order.
        if not self.lines or not all(arrived):
            return True
        delivered = reduce(added, arrived)
        if any(name.startswith(UNNAMED) for name in (*self.standing, *delivered)):
            return sum(delivered.values()) >= sum(self.standing.values())
        return all(delivered.get(name, 0) >= quantity for name, quantity in self.standing.items())

    def called_off(self, items: Iterable[Mapping[str, Any]]) -> "Book":
        """The book after a cancellation: of the goods named, or of all that was not dispatched."""
        if items:
            return self.with_cancelled(added(self.cancelled, self.goods(items)))
        rest = {name: max(0, ordered - self.shipped.get(name, 0)) for name, ordered in self.ordered.items()}
        return self.with_cancelled(rest)


def _lines(items: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, int]]:
    lines: dict[str, tuple[str, int]] = {}
    for place, item in enumerate(items, start=1):
        line = item["line"] if "line" in item else str(place)
        quantity = item["quantity"]
        micros = quantity * MICROS if type(quantity) is int else quantity_micros(quantity)
        lines[line] = (item["sku"] if "sku" in item else UNNAMED + line, micros)
    return lines


def _standing(ordered: Goods, cancelled: Goods) -> Goods:
    """What is left of goods that were ordered."""
    if not cancelled:
        return ordered
    return {name: max(0, quantity - cancelled.get(name, 0)) for name, quantity in ordered.items()}


def sum_of(goods: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Quantities of the same goods taken together."""
    total: dict[str, int] = {}
    for name, quantity in goods:
        total[name] = total.get(name, 0) + quantity
    return total


def added(one: Goods, other: Goods) -> dict[str, int]:
    """Two sets of goods taken together."""
    return sum_of((*one.items(), *other.items()))
