"""Orders: what was agreed, how it was paid and taken, and how our promise of a delivery compares with what was done."""

from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from domain.company import day_number
from domain.order_book import Book
from domain.order_value import NOTHING, PURCHASE_STEPS, Figures, Order
from domain.touchpoint import Fact
from projections.view import Question, Row, View, all_bounded, bounded

TOLD_CHARS_MAX = 1_000
"""How long the list of an order's configurations may get; a longer one ends in an ellipsis."""

_AGREED = frozenset({"OrderConfirmed", "DiscountApplied", "DeliveryPromised", "DeliveryWarningIssued"})
_OF_SHIPMENTS = frozenset({"ShipmentDelivered", "DeliveryFailed"})
_MOVES_GOODS = frozenset({"OrderAmended", "OrderCancelled", "ShipmentDispatched"})
_OF_ORDERS = _AGREED.union(_OF_SHIPMENTS, _MOVES_GOODS, PURCHASE_STEPS)


class OrderRow(NamedTuple):
    """One order as it stands."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    order_id: Annotated[str, "the order's id"]
    status: Annotated[
        str,
        "placed, confirmed, dispatched (in part at least), delivered (all of it), cancelled (all of it), or "
        "unplaced: only what came of it was told",
    ]
    placed_at: Annotated[int | None, "when it was placed, microseconds since 1970 UTC; null where that was never told"]
    placed_day: Annotated[str | None, "the same as a day, in the company's zone"]
    placed_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    quote: Annotated[str | None, "the quote that it rests on"]
    channel: Annotated[str | None, "the channel that it came through"]
    campaign: Annotated[str | None, "the campaign that it was said to come from"]
    owner: Annotated[str | None, "who took it: the actor of its placing"]
    self_service: Annotated[int | None, "1 where the customer ordered without a salesperson, 0 where not; null: untold"]
    payment_method: Annotated[str | None, "how the customer chose to pay"]
    coupon: Annotated[str | None, "the voucher code used"]
    lines: Annotated[int, "number of lines, as last amended"]
    configuration: Annotated[str | None, "the variants and options chosen in its lines, joined by ;"]
    currency: Annotated[str | None, "the ISO 4217 currency of the amounts; null where it was never placed"]
    total_micros: Annotated[int | None, "what the customer is to pay as last agreed, tax and shipping included"]
    gross_micros: Annotated[int, "value ordered, without tax and shipping, in millionths (see purchases)"]
    discount_micros: Annotated[int, "what was let off afterwards by rules or promotions, in millionths"]
    cancelled_micros: Annotated[int, "of the gross, what was cancelled, in millionths"]
    returned_micros: Annotated[int, "value of the goods that came back, in millionths"]
    refunded_micros: Annotated[int, "money given back, tax included, in millionths"]
    net_micros: Annotated[int, "gross less what was cancelled or came back (see purchases), in millionths"]
    cancelled_day: Annotated[str | None, "day of the last cancellation, in the company's zone"]
    cancel_reason: Annotated[str | None, "why, as stated with the last cancellation"]
    confirmed_day: Annotated[str | None, "day it was first confirmed, in the company's zone"]
    requirements: Annotated[str | None, "what the customer asked of the delivery, as last stated"]
    promised_for: Annotated[str | None, "the day of delivery that was promised first; null without a promise"]
    promised_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    promised_last_for: Annotated[str | None, "the day of delivery that was promised last"]
    promised_last_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    promises: Annotated[int, "how often a day was promised"]
    warnings: Annotated[int, "how often we told the customer that it would be late"]
    warned_day: Annotated[str | None, "day of the first warning, in the company's zone"]
    warned_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    warned_delay_days: Annotated[int | None, "by how many days it would be late, as last told"]
    delay_reason: Annotated[str | None, "why, as last told with a warning, or with a delivery that failed"]
    shipments: Annotated[int, "number of shipments dispatched"]
    failed_deliveries: Annotated[int, "how often a shipment could not be handed over"]
    dispatched_day: Annotated[str | None, "day of the first dispatch, in the company's zone"]
    delivered_at: Annotated[int | None, "when all of it was delivered, microseconds since 1970 UTC; null until then"]
    delivered_day: Annotated[str | None, "the same as a day, in the company's zone"]
    delivered_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    days_to_deliver: Annotated[int | None, "calendar days from placing to delivery of all of it"]
    days_late: Annotated[int | None, "calendar days from the first promised day to delivery; below zero when early"]


_UNTOLD: Mapping[str, Any] = MappingProxyType({})


class Shipment:
    """One shipment: which order it is of, as soon as that is told, and what became of it."""

    __slots__ = ("delivered", "failed", "goods", "order")

    def __init__(self) -> None:
        self.order: str | None = None
        self.goods: Any = ()
        self.delivered: Fact | None = None
        self.failed: list[Fact] = []


class Agreement:
    """One order: its value, the facts that moved its goods, and those that tell of its delivery."""

    __slots__ = ("cancelled", "confirmed", "discounts", "moved", "placed", "promises", "shipments", "value", "warnings")

    def __init__(self, value: Order) -> None:
        self.value = value
        self.placed: Fact | None = None
        self.confirmed: Fact | None = None
        self.cancelled: Fact | None = None
        self.discounts: list[dict[str, Any]] = []
        self.moved: list[Fact] = []
        self.promises: list[Fact] = []
        self.warnings: list[Fact] = []
        self.shipments: list[str] = []

    def take(self, fact: Fact) -> None:
        """Take a fact that names the order."""
        if fact.kind in _MOVES_GOODS:
            self.moved.append(fact)
        match fact.kind:
            case "OrderPlaced":
                self.placed = self.placed or fact
            case "OrderConfirmed":
                self.confirmed = self.confirmed or fact
            case "OrderCancelled":
                self.cancelled = fact
            case "DiscountApplied":
                self.discounts.append(fact.data["amount"])
            case "DeliveryPromised":
                self.promises.append(fact)
            case "DeliveryWarningIssued":
                self.warnings.append(fact)
            case "ShipmentDispatched" if fact.data["shipment"] not in self.shipments:
                self.shipments.append(fact.data["shipment"])
            case _:
                pass

    def book(self) -> Book:
        """What it remembers of its goods; what was told before its placing counts after it."""
        book = Book().placed(self.placed.data.get("lines", ()) if self.placed else ())
        for fact in self.moved:
            items = fact.data.get("lines", ())
            match fact.kind:
                case "OrderAmended":
                    book = book.amended(items)
                case "OrderCancelled":
                    book = book.called_off(items)
                case _:
                    book = book.dispatched(items)
        return book


class Orderbook:
    """The orders and shipments of one subject by their ids."""

    __slots__ = ("orders", "shipments", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.orders: dict[Hashable, Agreement] = {}
        self.shipments: dict[str, Shipment] = {}


class Orders(View[Orderbook]):
    """The orders of every customer."""

    name = "orders"
    comment = "Orders: configuration, value, payment, promise against delivery, warnings, one row each, as they stand."
    row_type = OrderRow
    key = ("subject", "order_id")
    kinds = _OF_ORDERS
    questions = (
        Question(
            name="delivery_promises",
            comment="Promises of delivery kept, by the month promised first, whether the customer was warned before "
            "that day, and the reason told. Orders that were wholly cancelled do not count.",
            columns={
                "period": "month of the day promised first, 2026-03",
                "warned": "1: a warning was given on that day at the latest; 0: none was, or too late",
                "reason": "why it was to be late, as last told; null where nothing was told",
                "promises": "number of orders whose promised day has come, or that were delivered before",
                "kept": "of these delivered on the promised day or before",
                "late": "of these delivered after it",
                "overdue": "of these not delivered at the moment",
                "rate": "share of promises kept, 0 to 1",
                "mean_days_late": "mean calendar days late, of those late or overdue, as of the moment",
                "moved": "of the promises, those for which another day was promised later",
            },
            sql="""
                WITH due AS (
                    SELECT substr(promised_for, 1, 7) AS period,
                           CASE WHEN warned_dayno <= promised_dayno THEN 1 ELSE 0 END AS warned, delay_reason AS reason,
                           CASE WHEN promised_for <> promised_last_for THEN 1 ELSE 0 END AS moved,
                           delivered_dayno IS NULL AS overdue,
                           CAST(COALESCE(delivered_dayno, moment.dayno) - promised_dayno AS DOUBLE PRECISION) AS days
                    FROM orders
                    CROSS JOIN moment
                    WHERE status <> 'cancelled' AND promised_dayno IS NOT NULL
                          AND (promised_dayno < moment.dayno OR delivered_dayno IS NOT NULL)
                )
                SELECT period, warned, reason, COUNT(*) AS promises,
                       COUNT(*) FILTER (WHERE NOT overdue AND days <= 0) AS kept,
                       COUNT(*) FILTER (WHERE NOT overdue AND days > 0) AS late,
                       COUNT(*) FILTER (WHERE overdue) AS overdue,
                       CAST(COUNT(*) FILTER (WHERE NOT overdue AND days <= 0) AS DOUBLE PRECISION) / COUNT(*) AS rate,
                       AVG(days) FILTER (WHERE days > 0) AS mean_days_late,
                       COUNT(*) FILTER (WHERE moved = 1) AS moved
                FROM due
                GROUP BY period, warned, reason
                ORDER BY period, warned, reason NULLS LAST
            """,
        ),
        Question(
            name="promises_at_risk",
            comment="Orders with a promised day that are not delivered: what is to be done first stands first.",
            columns={
                "subject": "the customer",
                "order_id": "the order",
                "promised_for": "the day promised last",
                "days_left": "calendar days from the moment to that day; below zero when it has passed",
                "status": "placed, confirmed or dispatched",
                "promises": "how often a day was promised",
                "warnings": "how often we told the customer that it would be late",
                "failed_deliveries": "how often a shipment could not be handed over",
                "owner": "who took the order; null where nobody is known",
                "currency": "the ISO 4217 currency of the amount",
                "net_micros": "what the order is worth, in millionths of the currency",
            },
            sql="""
                SELECT subject, order_id, promised_last_for AS promised_for,
                       promised_last_dayno - moment.dayno AS days_left,
                       status, promises, warnings, failed_deliveries, owner, currency, net_micros
                FROM orders
                CROSS JOIN moment
                WHERE status IN ('placed', 'confirmed', 'dispatched') AND promised_last_for IS NOT NULL
                ORDER BY days_left, subject, order_id
            """,
        ),
        Question(
            name="orders_by_month",
            comment="Orders by the month placed, the channel and how they were paid; currencies are kept apart.",
            columns={
                "period": "month of placing, 2026-03",
                "channel": "the channel; null where none was stated",
                "payment_method": "how the customer chose to pay; null where that was not stated",
                "self_service": "1: ordered without a salesperson; 0: with one; null: not told",
                "currency": "the ISO 4217 currency of the amounts",
                "orders": "number of orders placed",
                "cancelled": "of these wholly cancelled",
                "net_micros": "their value less what was cancelled or came back, in millionths of the currency",
                "reported_micros": "the same in the company's currency, each order at the rate of its day; null where "
                "for one of them there is no rate",
                "mean_days_to_deliver": "mean calendar days from placing to delivery",
            },
            sql="""
                SELECT substr(placed_day, 1, 7) AS period, channel, payment_method, self_service, currency,
                       COUNT(*) AS orders, COUNT(*) FILTER (WHERE status = 'cancelled') AS cancelled,
                       CAST(SUM(net_micros) AS BIGINT) AS net_micros,
                       CASE WHEN COUNT(fx.rate_micros) = COUNT(*) THEN CAST(SUM(
                           net_micros / 1000000 * fx.rate_micros + net_micros % 1000000 * fx.rate_micros / 1000000
                       ) AS BIGINT) END AS reported_micros,
                       AVG(CAST(days_to_deliver AS DOUBLE PRECISION)) AS mean_days_to_deliver
                FROM orders
                LEFT JOIN fx_in_force AS fx ON fx.from_currency = orders.currency
                     AND fx.since_day <= orders.placed_day AND orders.placed_day < fx.until_day
                WHERE placed_day IS NOT NULL
                GROUP BY substr(placed_day, 1, 7), channel, payment_method, self_service, currency
                ORDER BY period, orders DESC
            """,
        ),
    )

    def initial(self, subject: str) -> Orderbook:
        """A customer who ordered nothing."""
        return Orderbook(subject)

    def evolve(self, state: Orderbook, fact: Fact) -> tuple[Orderbook, Iterable[Hashable]]:
        """Take an order, or what became of it and its shipments."""
        if fact.kind not in _OF_ORDERS:
            return state, ()
        name = fact.data.get("order")
        if "shipment" in fact.data:
            shipment = state.shipments.setdefault(fact.data["shipment"], Shipment())
            if fact.kind in _OF_SHIPMENTS:
                if fact.kind == "DeliveryFailed":
                    shipment.failed.append(fact)
                else:
                    shipment.delivered = shipment.delivered or fact
                return state, (shipment.order,) if shipment.order else ()
            shipment.order, shipment.goods = shipment.order or name, fact.data.get("lines", ())
        if name is None:
            return state, ()
        order = state.orders.get(name)
        if order is None:
            order = state.orders[name] = Agreement(Order(fact, self.company))
        if step := PURCHASE_STEPS.get(fact.kind):
            step(order.value, fact, self.company)
        order.take(fact)
        return state, (name,)

    def row(self, state: Orderbook, key: Hashable) -> Row | None:
        """The order of this id."""
        order = state.orders.get(key)
        if order is None:
            return None
        subject, order_id, day, value, placed = state.subject, str(key), self.company.day, order.value, order.placed
        shipped = [state.shipments[name] for name in order.shipments if state.shipments[name].order == key]
        delivered = _delivered(order, shipped) if shipped else None
        dispatched = [fact for fact in order.moved if fact.kind == "ShipmentDispatched"] if order.moved else []
        figures = value.reckoned().get(value.currency) or NOTHING
        status = _status(order, figures, delivered, bool(dispatched))
        told, given = (placed.data, placed.envelope) if placed else (_UNTOLD, _UNTOLD)
        placed_at = placed_day = placed_dayno = total_micros = None
        ordered = told.get("lines", ())
        if placed:
            placed_at, placed_day, placed_dayno = placed.at, value.day, day_number(value.day)
            total_micros = told["total"]["micros"]
            if value.amended:
                amended, total_micros, _ = value.as_amended()
                ordered = [line.told for line in amended.values()]
        quote, channel, campaign, owner = (
            told.get("quote"),
            given.get("channel"),
            given.get("campaign"),
            given.get("actor"),
        )
        self_service = int(told["self_service"]) if "self_service" in told else None
        payment_method, coupon, lines = told.get("payment_method"), told.get("coupon"), len(ordered)
        configuration = _joined([line["configuration"] for line in ordered if "configuration" in line])
        currency, discount_micros = value.currency or None, 0
        if order.discounts:
            let_off = [amount["micros"] for amount in order.discounts if amount["currency"] == value.currency]
            discount_micros = bounded(sum(let_off))
        _, _, gross_micros, cancelled_micros, returned_micros, refunded_micros, net_micros = all_bounded(figures)
        cancelled_day = cancel_reason = None
        if order.cancelled:
            cancelled_day, cancel_reason = day(order.cancelled), order.cancelled.data.get("reason")
        confirmed_day = day(order.confirmed) if order.confirmed else None
        delivery = _UNTOLD_DELIVERY
        if order.promises or order.warnings or shipped or dispatched:
            delivery = self._delivery(order, shipped, dispatched, delivered)
        return (
            subject, order_id, status, placed_at, placed_day, placed_dayno, quote, channel, campaign, owner,
            self_service, payment_method, coupon, lines, configuration, currency, total_micros, gross_micros,
            discount_micros, cancelled_micros, returned_micros, refunded_micros, net_micros, cancelled_day,
            cancel_reason, confirmed_day, *delivery,
        )  # fmt: skip

    def _delivery(
        self, order: Agreement, shipped: list[Shipment], dispatched: list[Fact], delivered: Fact | None
    ) -> tuple[Any, ...]:
        """The cells from what was asked of the delivery to how late it was."""
        day = self.company.day
        failed = sorted(fact for shipment in shipped for fact in shipment.failed)
        reasons = sorted(fact for fact in (*order.warnings, *failed) if "reason" in fact.data)
        days = [fact.data["promised_for"] for fact in order.promises] or [None]
        warned_day = day(order.warnings[0]) if order.warnings else None
        delivered_day = day(delivered) if delivered else None
        placed_no, delivered_no = _dayno(order.value.day if order.placed else None), _dayno(delivered_day)
        promised_no = _dayno(days[0])
        return (
            next((fact.data["requirements"] for fact in reversed(order.promises) if "requirements" in fact.data), None),
            *(days[0], promised_no, days[-1], _dayno(days[-1])),
            *(len(order.promises), len(order.warnings), warned_day, _dayno(warned_day)),
            order.warnings[-1].data["expected_delay"] if order.warnings else None,
            reasons[-1].data["reason"] if reasons else None,
            *(len(shipped), len(failed), day(dispatched[0]) if dispatched else None),
            *(delivered.at if delivered else None, delivered_day, delivered_no),
            delivered_no - placed_no if delivered_no is not None and placed_no is not None else None,
            delivered_no - promised_no if delivered_no is not None and promised_no is not None else None,
        )


_UNTOLD_DELIVERY = (*[None] * 5, 0, 0, *[None] * 4, 0, 0, *[None] * 6)
"""The cells of an order of whose delivery nothing was told."""


def _dayno(day: str | None) -> int | None:
    return day_number(day) if day else None


def _joined(words: list[str]) -> str | None:
    if not words:
        return None
    joined = "; ".join(dict.fromkeys(word for word in words if word))
    return (joined if len(joined) <= TOLD_CHARS_MAX else joined[: TOLD_CHARS_MAX - 1] + "…") or None


def _delivered(order: Agreement, shipped: Iterable[Shipment]) -> Fact | None:
    """The delivery after which nothing that the order stands for was missing."""
    book, arrived = order.book(), list[dict[str, int]]()
    for fact, goods in sorted((each.delivered, each.goods) for each in shipped if each.delivered):
        arrived.append(book.goods(goods))
        if book.fulfilled_by(arrived):
            return fact
    return None


def _status(order: Agreement, figures: Figures, delivered: Fact | None, dispatched: bool) -> str:  # noqa: FBT001
    if order.value.called_off or (order.placed and not figures.orders):
        return "cancelled"
    if delivered:
        return "delivered"
    if dispatched:
        return "dispatched"
    if not order.placed:
        return "unplaced"
    return "confirmed" if order.confirmed else "placed"
