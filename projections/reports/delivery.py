"""Delivery: promises kept, and those at risk."""

from projections.report import Bars, Lines, Report, Section

REPORT = Report(
    place=8,
    name="delivery",
    title="Orders and delivery",
    says="How many orders come in, whether they are delivered as promised, and which promises are at risk.",
    sections=(
        Section(
            "Orders by month",
            "Orders placed, and how many of them were wholly cancelled.",
            "orders_by_month",
            "SELECT period, CAST(SUM(orders) AS BIGINT) AS orders, CAST(SUM(cancelled) AS BIGINT) AS cancelled"
            " FROM orders_by_month WHERE period IS NOT NULL GROUP BY period ORDER BY period",
            Lines("period", ("orders", "cancelled"), "orders", absent="zero"),
        ),
        Section(
            "Promises kept",
            "Promises of delivery by the month promised first: kept, late, and not delivered yet.",
            "delivery_promises",
            "SELECT period, CAST(SUM(promises) AS BIGINT) AS promises, CAST(SUM(kept) AS BIGINT) AS kept,"
            " CAST(SUM(late) AS BIGINT) AS late, CAST(SUM(overdue) AS BIGINT) AS overdue,"
            " CAST(SUM(moved) AS BIGINT) AS moved FROM delivery_promises GROUP BY period ORDER BY period",
            Bars(("period",), ("kept", "late", "overdue"), "promises"),
        ),
        Section(
            "Why deliveries are late",
            "Late and overdue promises by the reason told, and whether the customer was warned before.",
            "delivery_promises",
            "SELECT reason, CASE warned WHEN 1 THEN 'warned' ELSE 'not warned' END AS customer,"
            " CAST(SUM(late) AS BIGINT) AS late, CAST(SUM(overdue) AS BIGINT) AS overdue"
            " FROM delivery_promises WHERE late + overdue > 0 GROUP BY reason, warned"
            " ORDER BY 3 DESC, 4 DESC, reason IS NULL, reason, warned",
            Bars(("reason", "customer"), ("late", "overdue"), "promises"),
        ),
        Section(
            "Promises at risk",
            "Orders with a promised day that are not delivered, the most urgent first; at most twenty.",
            "promises_at_risk",
            "SELECT subject, order_id, promised_for, days_left, status, warnings, owner, currency, net_micros"
            " FROM promises_at_risk ORDER BY days_left, subject, order_id LIMIT 20",
        ),
    ),
)
