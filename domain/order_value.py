"""What an order is worth: its quantity and value as placed and amended, and what was called off or came back of it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from domain.company import Company
from domain.money import MICROS, quantity_micros
from domain.touchpoint import Fact


class Figures(NamedTuple):
    """What one order comes to in one currency, as the columns of the same names in view `purchases`."""

    orders: int
    quantity_micros: int
    gross_micros: int
    cancelled_micros: int
    returned_micros: int
    refunded_micros: int
    net_micros: int


NOTHING = Figures(0, 0, 0, 0, 0, 0, 0)
figures_of = partial(tuple.__new__, Figures)  # without going through Python, for every order has them


class Order:
    """What is known of one order, or of what came back without one. `currency` is empty until it was placed."""

    __slots__ = (
        "amended",
        "at",
        "called_off",
        "cancelled",
        "currency",
        "dated_by",
        "day",
        "figures",
        "placed",
        "refunded",
        "returned",
    )

    def __init__(self, fact: Fact, company: Company) -> None:
        self.dated_by, self.at, self.day = fact, fact.at, company.day(fact)
        self.currency = ""
        self.placed: dict[str, Any] | None = None
        # To most orders nothing more happens, so nothing is made to hold it.
        self.amended: tuple[dict[str, Any], ...] = ()
        self.cancelled: tuple[dict[str, Any], ...] = ()
        self.called_off = False
        self.returned: tuple[dict[str, Any], ...] = ()
        self.refunded: dict[str, int] | None = None
        self.figures: dict[str, Figures] = {}

    def reckoned(self) -> dict[str, Figures]:
        """What it comes to, by currency."""
        if self.placed and not (self.amended or self.cancelled or self.called_off or self.returned or self.refunded):
            quantity, gross = _as_placed(self.placed)
            return {self.currency: figures_of((1, quantity, gross, 0, 0, 0, gross))}
        lines, total, gross = self.as_amended()
        quantity = sum(line.quantity for line in lines.values())
        off_quantity = sum(quantity_micros(item["quantity"]) for item in self.cancelled)
        off = sum(value_of(item, lines) for item in self.cancelled)
        whole = self.called_off or (0 < quantity <= off_quantity)
        cancelled = gross if whole else min(off, gross)
        back, given = self._back(lines), self.refunded or {}
        answer = {}
        for currency in {self.currency, *back, *given} - {""}:
            returned, refunded = back.get(currency, 0), given.get(currency, 0)
            if currency != self.currency:
                answer[currency] = Figures(0, 0, 0, 0, returned, refunded, -max(returned, refunded))
                continue
            # A refund holds tax and shipping as the total does; the gross does not.
            refunded_value = refunded * gross // total if total > 0 else refunded
            net = gross - min(gross, max(cancelled + returned, refunded_value))
            answer[currency] = Figures(int(not whole), quantity, gross, cancelled, returned, refunded, net)
        return answer

    def as_amended(self) -> "tuple[dict[str, OrderedLine], int, int]":
        """Its lines by their names, its total and its gross value, as last amended."""
        if self.placed is None:
            return {}, 0, 0
        lines = {}
        for line in self.placed.get("lines", ()):
            quantity = line["quantity"]
            micros = quantity * MICROS if type(quantity) is int else quantity_micros(quantity)
            lines[line["line"]] = _ordered((line.get("sku"), micros, line["net"]["micros"], line))
        total = self.placed["total"]["micros"]
        for data in self.amended:
            total = data["total"]["micros"] if "total" in data else total
            for item in data["lines"]:
                name = line_named(item, lines) or f"added/{len(lines)}"
                told = {**lines[name].told, **item} if name in lines else item
                lines[name] = OrderedLine(
                    told.get("sku"), quantity_micros(item["quantity"]), value_of(item, lines), told
                )
        gross = sum([line.net for line in lines.values()]) if lines else total - _tax_and_shipping(self.placed)
        return lines, total, gross

    def _back(self, lines: "dict[str, OrderedLine]") -> dict[str, int]:
        back = dict[str, int]()
        for data in self.returned:
            if value := data.get("value"):
                back[value["currency"]] = back.get(value["currency"], 0) + value["micros"]
                continue
            for item in data["lines"]:
                currency = item["net"]["currency"] if "net" in item else self.currency
                back[currency] = back.get(currency, 0) + value_of(item, lines)
        return back


class OrderedLine(NamedTuple):
    """A line of an order as last amended: its quantity and net in millionths, and all that was told of it."""

    sku: str | None
    quantity: int
    net: int
    told: dict[str, Any]


_ordered = partial(tuple.__new__, OrderedLine)


def line_named(item: dict[str, Any], lines: dict[str, OrderedLine]) -> str | None:
    """The order line that goods belong to: the one they name, else the first of their stock keeping unit."""
    if "line" in item:
        name: str = item["line"]
        return name
    sku = item.get("sku")
    return next((name for name, line in lines.items() if sku is not None and line.sku == sku), None)


def value_of(item: dict[str, Any], lines: dict[str, OrderedLine]) -> int:
    """What goods are worth: as stated, else their share of the order line they belong to."""
    if "net" in item:
        stated: int = item["net"]["micros"]
        return stated
    line = lines.get(line_named(item, lines) or "")
    if line is None or line.quantity == 0:
        return 0
    return line.net * quantity_micros(item["quantity"]) // line.quantity


def _tax_and_shipping(placed: dict[str, Any]) -> int:
    return sum(placed[part]["micros"] for part in ("tax", "shipping") if part in placed)


def _as_placed(placed: dict[str, Any]) -> tuple[int, int]:
    quantity = gross = 0
    lines = placed.get("lines")
    if not lines:
        return 0, placed["total"]["micros"] - _tax_and_shipping(placed)
    for line in lines:
        ordered = line["quantity"]
        quantity += ordered * MICROS if type(ordered) is int else quantity_micros(ordered)
        gross += line["net"]["micros"]
    return quantity, gross


def _place(order: Order, fact: Fact, company: Company) -> None:
    if order.placed is None:  # an order placed twice is a breach; the first counts
        if order.dated_by is not fact:
            order.dated_by, order.at, order.day = fact, fact.at, company.day(fact)
        order.placed = fact.data
        order.currency = fact.data["total"]["currency"]


def _amend(order: Order, fact: Fact, _: Company) -> None:
    order.amended += (fact.data,)


def _cancel(order: Order, fact: Fact, _: Company) -> None:
    if items := fact.data.get("lines"):
        order.cancelled += tuple(items)
    else:
        order.called_off = True


def _return(order: Order, fact: Fact, _: Company) -> None:
    order.returned += (fact.data,)


def _refund(order: Order, fact: Fact, _: Company) -> None:
    amount, before = fact.data["amount"], order.refunded or {}
    order.refunded = {**before, amount["currency"]: before.get(amount["currency"], 0) + amount["micros"]}


PURCHASE_STEPS: dict[str, Callable[[Order, Fact, Company], None]] = {
    "OrderPlaced": _place,
    "OrderAmended": _amend,
    "OrderCancelled": _cancel,
    "ReturnReceived": _return,
    "RefundIssued": _refund,
}
"""The kinds that say what was bought, and what became of it."""
