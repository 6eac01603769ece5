"""Purchases: what a customer bought on each day, gross, and net of what was called off or came back.

An order's later fate (amended, cancelled, returned, refunded) changes the figures of the day it was placed on.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from operator import add, sub
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from domain.company import Company, day_number
from domain.money import MICROS, quantity_micros
from domain.touchpoint import Fact
from projections.view import Question, Row, View, all_bounded

K = TypeVar("K", bound=Hashable)
T = TypeVar("T", bound="Sum")


class PurchaseDay(NamedTuple):
    """One customer's purchases of one day in one currency."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    day: Annotated[str, "day the orders were placed, in the company's zone; of what came back without an order its own"]
    dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    currency: Annotated[str, "the ISO 4217 currency of the amounts"]
    orders: Annotated[int, "orders placed, those of value zero too, those wholly cancelled not"]
    quantity_micros: Annotated[int, "quantity ordered, as last amended, in millionths of the units of the lines"]
    gross_micros: Annotated[
        int,
        "value ordered, as last amended, after discount, without tax and shipping, in millionths of the currency: "
        "the net of the lines, or the total less tax and shipping of an order without lines",
    ]
    cancelled_micros: Annotated[int, "of the gross, what was cancelled, in millionths of the currency"]
    returned_micros: Annotated[int, "value of the goods that came back, without tax, in millionths of the currency"]
    refunded_micros: Annotated[int, "money given back, tax included, in millionths of the currency"]
    net_micros: Annotated[
        int,
        "gross less, for each order, the greater of (cancelled + returned) and (refunded, scaled from the order's "
        "total to its gross), so that a return and its refund count once, and at most the order's gross; "
        "in millionths of the currency",
    ]


class Figures(NamedTuple):
    """What one order comes to in one currency; the fields are those of the row."""

    orders: int
    quantity_micros: int
    gross_micros: int
    cancelled_micros: int
    returned_micros: int
    refunded_micros: int
    net_micros: int


_NOTHING = Figures(0, 0, 0, 0, 0, 0, 0)
_figures = partial(tuple.__new__, Figures)  # without going through Python, for every order has them


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
            return {self.currency: _figures((1, quantity, gross, 0, 0, 0, gross))}
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


class Sum:
    """The figures of some orders, and how many these are, wholly cancelled ones too; added to and taken away from."""

    __slots__ = ("figures", "orders")

    def __init__(self, figures: Figures = _NOTHING, orders: int = 0) -> None:
        self.figures, self.orders = figures, orders

    def book(self, figures: Figures, times: int) -> None:
        """Add the figures of one order, or take them away again (times is -1)."""
        # Most sums are of one order.
        if times > 0 and not self.orders:
            self.figures = figures
        elif times < 0 and self.orders == 1:
            self.figures = _NOTHING
        else:
            self.figures = _figures(tuple(map(add if times > 0 else sub, self.figures, figures)))
        self.orders += times


class Account(Sum):
    """A subject's orders in one currency, and when those were placed that count."""

    __slots__ = ("_of_day", "days", "moments")

    def __init__(self) -> None:
        super().__init__()
        self.days: list[str] = []
        """The distinct days, in order."""
        self.moments: list[int] = []
        """The instants, in order, in microseconds since 1970 UTC."""
        self._of_day: dict[str, int] = {}

    def book_at(self, at: int, day: str, figures: Figures, times: int) -> None:
        """Add an order that was placed then, or take it away again (times is -1)."""
        self.book(figures, times)
        if not figures.orders:
            return
        before = self._of_day.get(day, 0)
        self._of_day[day] = before + times
        if times > 0:
            insort(self.moments, at)
            if not before:
                insort(self.days, day)
        else:
            del self.moments[bisect_left(self.moments, at)]
            if before == 1:
                del self.days[bisect_left(self.days, day)]


class Ledger(ABC, Generic[K, T]):
    """The orders of one subject by id, and what they add up to by one sort of key."""

    __slots__ = ("_company", "orders", "subject", "sums")

    def __init__(self, subject: str, company: Company) -> None:
        self.subject = subject
        self.orders: dict[Hashable, Order] = {}
        self.sums: dict[K, T] = {}
        self._company = company

    def take(self, fact: Fact) -> list[K]:
        """Book a fact; answer the keys of the sums that may have changed."""
        step = PURCHASE_STEPS.get(fact.kind)
        if step is None:
            return []
        name: Hashable = fact.data.get("order") or (fact.stream, fact.version)
        order = self.orders.get(name)
        before: list[K] = []
        if order is None:
            order = self.orders[name] = Order(fact, self._company)
        else:
            before = self._book(order, -1)
        step(order, fact, self._company)
        order.figures = order.reckoned()
        after = self._book(order, 1)
        return after if before == after else before + after

    @abstractmethod
    def _book(self, order: Order, times: int) -> list[K]:
        """Add the figures of an order, or take them away again (times is -1); answer the keys of the sums."""


class Days(Ledger[tuple[str, str], Sum]):
    """Orders by (day, currency)."""

    __slots__ = ()

    def _book(self, order: Order, times: int) -> list[tuple[str, str]]:
        sums, keys = self.sums, [(order.day, currency) for currency in order.figures]
        for key, figures in zip(keys, order.figures.values(), strict=True):
            if (total := sums.get(key)) is None:
                sums[key] = Sum(figures, times)
                continue
            total.book(figures, times)
            if not total.orders:
                del sums[key]
        return keys


class Accounts(Ledger[str, Account]):
    """Orders by currency."""

    __slots__ = ()

    def _book(self, order: Order, times: int) -> list[str]:
        for currency, figures in order.figures.items():
            if (account := self.sums.get(currency)) is None:
                account = self.sums[currency] = Account()
            account.book_at(order.at, order.day, figures, times)
        return list(order.figures)


class Purchases(View[Days]):
    """The purchases of every customer, by day and currency."""

    name = "purchases"
    comment = "Purchases: orders, quantity and value, gross and net, one row per customer, day and currency."
    row_type = PurchaseDay
    key = ("subject", "day", "currency")
    kinds = frozenset(PURCHASE_STEPS)
    revision = 2
    questions = (
        Question(
            name="purchases_by_month",
            comment="What was bought in each month, gross and net; currencies are kept apart.",
            columns={
                "period": "month in which the orders were placed, 2026-03, in the company's zone",
                "currency": "the ISO 4217 currency of the amounts",
                "customers": "customers with an order",
                "orders": "orders placed, those wholly cancelled not",
                "gross_micros": "value ordered, without tax and shipping, in millionths of the currency",
                "net_micros": "the same less what was cancelled or came back, in millionths of the currency",
            },
            sql="""
                SELECT substr(day, 1, 7) AS period, currency,
                       COUNT(DISTINCT CASE WHEN orders > 0 THEN subject END) AS customers,
                       CAST(SUM(orders) AS BIGINT) AS orders,
                       CAST(SUM(gross_micros) AS BIGINT) AS gross_micros,
                       CAST(SUM(net_micros) AS BIGINT) AS net_micros
                FROM purchases
                GROUP BY substr(day, 1, 7), currency
                ORDER BY period, currency
            """,
        ),
    )

    def initial(self, subject: str) -> Days:
        """A customer who bought nothing."""
        return Days(subject, self.company)

    def evolve(self, state: Days, fact: Fact) -> tuple[Days, Iterable[Hashable]]:
        """Book an order, or what became of it."""
        return state, state.take(fact)

    def row(self, state: Days, key: Hashable) -> Row | None:
        """The purchases of this (day, currency)."""
        if not isinstance(key, tuple) or (total := state.sums.get(key)) is None:
            return None
        subject, (day, currency), dayno = state.subject, key, day_number(key[0])
        orders, quantity_micros, gross_micros, *less = all_bounded(total.figures)
        cancelled_micros, returned_micros, refunded_micros, net_micros = less
        return (
            subject, day, dayno, currency, orders, quantity_micros, gross_micros, cancelled_micros, returned_micros,
            refunded_micros, net_micros,
        )  # fmt: skip
