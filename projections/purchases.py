"""Purchases: what a customer bought on each day, gross, and net of what was called off or came back.

An order's later fate (amended, cancelled, returned, refunded) changes the figures of the day it was placed on.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable
from operator import add, sub
from typing import Annotated, Generic, NamedTuple, TypeVar

from domain.company import Company, day_number
from domain.order_value import NOTHING, PURCHASE_STEPS, Figures, Order, figures_of
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


class Sum:
    """The figures of some orders, and how many these are, wholly cancelled ones too; added to and taken away from."""

    __slots__ = ("figures", "orders")

    def __init__(self, figures: Figures = NOTHING, orders: int = 0) -> None:
        self.figures, self.orders = figures, orders

    def book(self, figures: Figures, times: int) -> None:
        """Add the figures of one order, or take them away again (times is -1)."""
        # Most sums are of one order.
        if times > 0 and not self.orders:
            self.figures = figures
        elif times < 0 and self.orders == 1:
            self.figures = NOTHING
        else:
            self.figures = figures_of(tuple(map(add if times > 0 else sub, self.figures, figures)))
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
