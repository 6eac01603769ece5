"""Order lines: what each customer bought of which product, what was kept of it, and what it cost us."""

from collections.abc import Hashable, Iterable
from functools import partial
from typing import Annotated, Any, NamedTuple

from domain.company import day_number
from domain.money import MICROS, quantity_micros
from domain.order_value import PURCHASE_STEPS, Order, OrderedLine, line_named, value_of
from domain.touchpoint import Fact
from projections.view import Question, Row, View, all_bounded, bounded


class LineRow(NamedTuple):
    """One line of an order, or goods that came back without one."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    entry: Annotated[str, "the order's id; of goods that came back without one their return, as stream/version"]
    line: Annotated[str, "the line's number in it; empty for an order without lines"]
    order_id: Annotated[str | None, "the order; null for goods that came back without one"]
    day: Annotated[str, "day the order was placed, in the company's zone; where that was never told, of what was"]
    dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    sku: Annotated[str | None, "the stock keeping unit"]
    category: Annotated[str | None, "the product's category"]
    unit: Annotated[str | None, "the unit of the quantity; pieces where null"]
    configuration: Annotated[str | None, "the variant or options chosen"]
    purpose: Annotated[str | None, "what the customer wants it for"]
    currency: Annotated[str | None, "the ISO 4217 currency of the amounts; null where none was told"]
    quantity_micros: Annotated[int, "quantity ordered, as last amended, in millionths of the unit"]
    cancelled_quantity_micros: Annotated[int, "of it cancelled, in millionths of the unit"]
    returned_quantity_micros: Annotated[int, "quantity that came back, in millionths of the unit"]
    net_micros: Annotated[
        int, "value ordered, as last amended, after discount, without tax and shipping, in millionths"
    ]
    kept_micros: Annotated[
        int, "the net less what was cancelled or came back, in millionths; below zero for goods without their order"
    ]
    unit_cost_micros: Annotated[int | None, "what one unit cost us, in millionths; null where that was not told"]
    cost_micros: Annotated[
        int | None,
        "what the quantity kept cost us, in millionths; null where something was kept and its unit cost is not known",
    ]
    profit_micros: Annotated[int | None, "kept value less its cost, in millionths; null where that is"]


class _Came(NamedTuple):
    """What came of one line: quantities and values in millionths; `ordered` is false of goods that only came back."""

    line: OrderedLine
    currency: str
    ordered: bool = True
    off_quantity: int = 0
    off: int = 0
    back_quantity: int = 0
    back: int = 0


_came = partial(tuple.__new__, _Came)


class _Entry:
    """An order that was named, or a return that names none, and what came of its lines."""

    __slots__ = ("came", "named", "order")

    def __init__(self, order: Order, *, named: bool) -> None:
        self.order, self.named = order, named
        self.came: dict[str, _Came] = {}


class Lines:
    """The entries of one subject, and the last unit cost of each sku that was ordered, in its currency."""

    __slots__ = ("costs", "entries", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.entries: dict[str, _Entry] = {}
        self.costs: dict[str, dict[str, Any]] = {}


class OrderLines(View[Lines]):
    """The order lines of every customer."""

    name = "order_lines"
    comment = "Order lines: what was bought of which product, what was kept of it and what it cost, one row per line."
    row_type = LineRow
    key = ("subject", "entry", "line")
    kinds = frozenset(PURCHASE_STEPS)
    questions = (
        Question(
            name="profit_by_product",
            comment="What each product brought: value kept, and its cost, by month of ordering. Without the cost of "
            "each line there is no profit figure. Money given back without goods is of no product.",
            columns={
                "period": "month in which the order was placed, 2026-03",
                "sku": "the stock keeping unit; null where none was told",
                "category": "the product's category; null where none was told",
                "currency": "the ISO 4217 currency of the amounts",
                "customers": "customers who ordered it",
                "orders": "orders that hold it",
                "quantity_micros": "quantity kept, in millionths of the unit",
                "kept_micros": "value kept, without tax and shipping, in millionths of the currency",
                "reported_micros": "the same in the company's currency, each at the rate of its day; null without one",
                "lines_without_cost": "lines that were kept and of which no unit cost is known",
                "cost_micros": "what the quantity kept cost us, in millionths; null where a unit cost is missing",
                "profit_micros": "value kept less its cost, in millionths; null where a unit cost is missing",
                "margin": "profit by value kept; null where a unit cost is missing, or nothing was kept",
            },
            sql="""
                WITH told AS (
                    SELECT substr(day, 1, 7) AS period, sku, category, order_lines.currency,
                           COUNT(DISTINCT subject) AS customers,
                           COUNT(DISTINCT order_id) AS orders,
                           CAST(SUM(quantity_micros - cancelled_quantity_micros - returned_quantity_micros) AS BIGINT)
                               AS quantity_micros,
                           CAST(SUM(kept_micros) AS BIGINT) AS kept_micros,
                           CASE WHEN COUNT(fx.rate_micros) = COUNT(*) THEN CAST(SUM(
                               kept_micros / 1000000 * fx.rate_micros
                               + kept_micros % 1000000 * fx.rate_micros / 1000000
                           ) AS BIGINT) END AS reported_micros,
                           COUNT(*) - COUNT(cost_micros) AS lines_without_cost,
                           CASE WHEN COUNT(cost_micros) = COUNT(*) THEN CAST(SUM(cost_micros) AS BIGINT) END
                               AS cost_micros
                    FROM order_lines
                    LEFT JOIN fx_in_force AS fx ON fx.from_currency = order_lines.currency
                         AND fx.since_day <= day AND day < fx.until_day
                    GROUP BY substr(day, 1, 7), sku, category, order_lines.currency
                )
                SELECT told.*, kept_micros - cost_micros AS profit_micros,
                       CAST(kept_micros - cost_micros AS DOUBLE PRECISION) / NULLIF(kept_micros, 0) AS margin
                FROM told
                ORDER BY period, kept_micros DESC, sku
            """,
        ),
        Question(
            name="profit_by_category",
            comment="What each category brought: value kept, and its cost. Without the cost of each line that was kept "
            "there is no profit figure.",
            columns={
                "category": "the products' category; null where none was told",
                "currency": "the ISO 4217 currency of the amounts",
                "products": "number of products",
                "customers": "customers who ordered them",
                "kept_micros": "value kept, without tax and shipping, in millionths of the currency",
                "lines_without_cost": "lines that were kept and of which no unit cost is known",
                "cost_micros": "what the quantity kept cost us, in millionths; null where a unit cost is missing",
                "profit_micros": "value kept less its cost, in millionths; null where a unit cost is missing",
            },
            sql="""
                SELECT category, currency, COUNT(DISTINCT sku) AS products, COUNT(DISTINCT subject) AS customers,
                       CAST(SUM(kept_micros) AS BIGINT) AS kept_micros,
                       COUNT(*) - COUNT(cost_micros) AS lines_without_cost,
                       CASE WHEN COUNT(cost_micros) = COUNT(*) THEN CAST(SUM(cost_micros) AS BIGINT) END AS cost_micros,
                       CASE WHEN COUNT(cost_micros) = COUNT(*)
                            THEN CAST(SUM(kept_micros) - SUM(cost_micros) AS BIGINT) END AS profit_micros
                FROM order_lines
                GROUP BY category, currency
                ORDER BY kept_micros DESC, category
            """,
        ),
        Question(
            name="product_affinity",
            comment="Which products the same customers buy: for cross-selling another product, for up-selling a dearer "
            "one of the same category. Of the 200 products that most customers bought.",
            columns={
                "sku": "the product bought",
                "other_sku": "the product that is bought as well",
                "same_category": "1 where both are of one category, 0 where not; null where a category is not told",
                "dearer": "mean value of a unit of the other, by that of the first; null unless in one currency",
                "customers": "customers who bought the first",
                "customers_both": "of these who bought the other too",
                "later": "of these who first bought the other on a later day",
                "support": "customers of both, by all customers who bought anything, 0 to 1",
                "confidence": "customers of both, by the customers of the first, 0 to 1",
                "lift": "confidence, by the share of all who bought the other: above 1 they go together",
            },
            sql="""
                WITH bought AS (
                    SELECT subject, sku, MIN(category) AS category, MIN(dayno) AS first_dayno,
                           MIN(currency) AS currency, MAX(currency) AS last_currency,
                           SUM(CAST(net_micros AS DOUBLE PRECISION)) AS net,
                           SUM(CAST(quantity_micros AS DOUBLE PRECISION)) AS quantity
                    FROM order_lines
                    WHERE sku IS NOT NULL AND quantity_micros > cancelled_quantity_micros
                    GROUP BY subject, sku
                ),
                buyers AS (
                    SELECT COUNT(*) AS customers FROM (SELECT subject FROM bought GROUP BY subject) AS each_once
                ),
                products AS MATERIALIZED (
                    SELECT sku, MIN(category) AS category, COUNT(*) AS customers,
                           CASE WHEN MIN(currency) = MAX(last_currency) THEN MIN(currency) END AS currency,
                           SUM(net) / SUM(quantity) AS price,
                           ROW_NUMBER() OVER (ORDER BY COUNT(*) DESC, sku) AS number
                    FROM bought
                    GROUP BY sku
                    ORDER BY customers DESC, sku
                    LIMIT 200
                ),
                frequent AS MATERIALIZED (
                    SELECT bought.subject, products.number, bought.first_dayno
                    FROM bought
                    JOIN products ON products.sku = bought.sku
                ),
                once AS MATERIALIZED (
                    SELECT this.number * 1000 + other.number AS pair, COUNT(*) AS customers_both,
                           SUM(CASE WHEN other.first_dayno > this.first_dayno THEN 1 ELSE 0 END) AS later,
                           SUM(CASE WHEN other.first_dayno < this.first_dayno THEN 1 ELSE 0 END) AS earlier
                    FROM frequent AS this
                    JOIN frequent AS other ON other.subject = this.subject AND other.number > this.number
                    GROUP BY this.number * 1000 + other.number
                ),
                pairs AS (
                    SELECT pair / 1000 AS number, pair % 1000 AS other_number, customers_both, later FROM once
                    UNION ALL
                    SELECT pair % 1000, pair / 1000, customers_both, earlier FROM once
                )
                SELECT this.sku, other.sku AS other_sku,
                       CASE WHEN this.category = other.category THEN 1 WHEN this.category <> other.category THEN 0 END
                           AS same_category,
                       CASE WHEN this.currency = other.currency AND this.price > 0 THEN other.price / this.price END
                           AS dearer,
                       this.customers, customers_both, later,
                       CAST(customers_both AS DOUBLE PRECISION) / buyers.customers AS support,
                       CAST(customers_both AS DOUBLE PRECISION) / this.customers AS confidence,
                       CAST(customers_both AS DOUBLE PRECISION) * buyers.customers / this.customers / other.customers
                           AS lift
                FROM pairs
                JOIN products AS this ON this.number = pairs.number
                JOIN products AS other ON other.number = pairs.other_number
                CROSS JOIN buyers
                ORDER BY lift DESC, customers_both DESC, this.sku, other.sku
            """,
        ),
        Question(
            name="assortment",
            comment="Who buys what: categories against the segment of the customer and the band of their income.",
            columns={
                "segment": "the group the customers were last assigned to; null where none was",
                "income": "the band of their trait income; null where none is known",
                "category": "the products' category; null where none was told",
                "currency": "the ISO 4217 currency of the amounts",
                "customers": "customers who ordered it",
                "orders": "orders that hold it",
                "kept_micros": "value kept, in millionths of the currency",
                "share": "its share of what these customers bought in this currency; null where they kept nothing",
            },
            sql="""
                WITH sold AS (
                    SELECT segment, traits.band AS income, category, currency,
                           COUNT(DISTINCT order_lines.subject) AS customers, COUNT(DISTINCT entry) AS orders,
                           SUM(kept_micros) AS kept
                    FROM order_lines
                    LEFT JOIN customers ON customers.subject = order_lines.subject
                    LEFT JOIN traits ON traits.subject = order_lines.subject AND traits.trait = 'income'
                         AND traits.band NOT LIKE 'sealed:%' AND traits.band <> '[erased]'
                    WHERE order_id IS NOT NULL
                    GROUP BY segment, traits.band, category, currency
                )
                SELECT segment, income, category, currency, customers, orders, CAST(kept AS BIGINT) AS kept_micros,
                       CAST(kept AS DOUBLE PRECISION) / NULLIF(
                           CAST(SUM(kept) OVER (PARTITION BY segment, income, currency) AS DOUBLE PRECISION), 0
                       ) AS share
                FROM sold
                ORDER BY segment NULLS LAST, income NULLS LAST, kept_micros DESC, category
            """,
        ),
    )

    def initial(self, subject: str) -> Lines:
        """A customer who bought nothing."""
        return Lines(subject)

    def evolve(self, state: Lines, fact: Fact) -> tuple[Lines, Iterable[Hashable]]:
        """Take an order, or what became of it."""
        step = PURCHASE_STEPS.get(fact.kind)
        if step is None or fact.kind == "RefundIssued":  # money given back is of no line
            return state, ()
        name: str = fact.data.get("order") or f"{fact.source}/{fact.id}"
        entry = state.entries.get(name)
        if entry is None:
            order = Order(fact, self.company)
            entry = state.entries[name] = _Entry(order, named="order" in fact.data)
        step(entry.order, fact, self.company)
        if fact.kind == "OrderPlaced":
            for line in fact.data.get("lines", ()):
                if "sku" in line and "unit_cost" in line:
                    state.costs[line["sku"]] = line["unit_cost"]
        elif "order" not in fact.data:
            _cost_as_bought(fact, entry.order, state.costs)
        before, entry.came = entry.came, _came_of(entry.order)
        lines = (*entry.came, *(before.keys() - entry.came.keys())) if before else entry.came
        return state, [(name, line) for line in lines]

    def row(self, state: Lines, key: Hashable) -> Row | None:
        """The line of this (entry, line)."""
        if not isinstance(key, tuple):
            return None
        name, line = key
        entry = state.entries.get(name)
        came = entry.came.get(line) if entry else None
        return _row(state.subject, name, line, entry, came) if entry and came else None


def _cost_as_bought(fact: Fact, order: Order, costs: dict[str, dict[str, Any]]) -> None:
    """What comes back without an order cost us what the customer's last order of it did."""
    items = [
        {**item, "unit_cost": costs[item["sku"]]} if item.get("sku") in costs else item for item in fact.data["lines"]
    ]
    order.returned = (*order.returned[:-1], {**fact.data, "lines": items})


def _came_of(order: Order) -> dict[str, _Came]:
    lines, _, gross = order.as_amended()
    if not lines and order.placed is not None:
        lines = {"": OrderedLine(None, 0, gross, {})}
    currency = order.currency
    came = {name: _came((line, currency, True, 0, 0, 0, 0)) for name, line in lines.items()}
    if not (order.cancelled or order.called_off or order.returned):
        return came
    for item in order.cancelled:
        name = line_named(item, lines)
        if name in came:
            was = came[name]
            quantity, value = was.off_quantity + quantity_micros(item["quantity"]), was.off + value_of(item, lines)
            came[name] = was._replace(off_quantity=quantity, off=value)
    ordered = sum(line.quantity for line in lines.values())
    if order.called_off or 0 < ordered <= sum(each.off_quantity for each in came.values()):
        for name, was in came.items():
            came[name] = was._replace(off_quantity=was.line.quantity, off=was.line.net)
    for data in order.returned:
        for item in data["lines"]:
            _take_back(item, data.get("value") if len(data["lines"]) == 1 else None, order, lines, came)
    return came


def _take_back(
    item: dict[str, Any],
    stated: dict[str, Any] | None,
    order: Order,
    lines: dict[str, OrderedLine],
    came: dict[str, _Came],
) -> None:
    money = stated or item.get("net")
    currency = money["currency"] if money else order.currency
    name = line_named(item, lines) or f"returned/{item.get('sku', '')}"
    if name in came and came[name].currency != currency:
        name = f"{name}/{currency}"  # another currency is never mixed in
    was = came.get(name) or _Came(OrderedLine(item.get("sku"), 0, 0, item), currency, ordered=False)
    came[name] = was._replace(
        back_quantity=was.back_quantity + quantity_micros(item["quantity"]),
        back=was.back + (money["micros"] if money else value_of(item, lines)),
    )


def _row(subject: str, entry: str, line: str, found: _Entry, came: _Came) -> Row:
    ordered, told, day = came.line, came.line.told, found.order.day
    kept, left = ordered.net - came.off - came.back, ordered.quantity - came.off_quantity - came.back_quantity
    if came.ordered:
        # What is taken from a line never turns it round; goods without their order have none to take from.
        kept, left = (kept if (kept < 0) == (ordered.net < 0) else 0), max(left, 0)
    order_id, sku, dayno, currency = entry if found.named else None, ordered.sku, day_number(day), came.currency or None
    category, unit, configuration, purpose = map(told.get, ("category", "unit", "configuration", "purpose"))
    quantity_micros, cancelled_quantity_micros, returned_quantity_micros, net_micros, kept_micros = all_bounded(
        (ordered.quantity, came.off_quantity, came.back_quantity, ordered.net, kept)
    )
    unit_cost_micros = cost_micros = profit_micros = cost = None
    if (money := told.get("unit_cost")) and money["currency"] == came.currency:
        unit_cost_micros = money["micros"]
        cost = unit_cost_micros * left // MICROS
    if ordered.quantity and not left:
        cost = 0  # what was not kept cost nothing, whatever a unit does
    if cost is not None:
        cost_micros, profit_micros = bounded(cost), bounded(kept - cost)
    return (
        subject, entry, line, order_id, day, dayno, sku, category, unit, configuration, purpose, currency,
        quantity_micros, cancelled_quantity_micros, returned_quantity_micros, net_micros, kept_micros, unit_cost_micros,
        cost_micros, profit_micros,
    )  # fmt: skip
