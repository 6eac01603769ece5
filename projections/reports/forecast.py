"""Forecast: what open opportunities are likely to bring, and when."""

from projections.report import Bars, Lines, Report, Section

REPORT = Report(
    place=2,
    name="forecast",
    title="Forecast",
    says="What open opportunities are worth, weighted by their probability, and who could buy more.",
    sections=(
        Section(
            "The weighted pipeline by month",
            "Worth of open opportunities by the month in which the decision is expected, whole and weighted.",
            "forecast",
            "SELECT period, currency, CAST(SUM(deals) AS BIGINT) AS deals,"
            " CAST(SUM(overdue) AS BIGINT) AS overdue, CAST(SUM(unweighted) AS BIGINT) AS unweighted,"
            " CAST(SUM(amount_micros) AS BIGINT) AS amount_micros,"
            " CAST(SUM(weighted_micros) AS BIGINT) AS weighted_micros FROM forecast"
            " GROUP BY period, currency ORDER BY period IS NULL, period, currency",
            Bars(("period",), ("amount_micros", "weighted_micros")),
        ),
        Section(
            "The weighted pipeline by owner",
            "The same by the person who is responsible.",
            "forecast",
            "SELECT owner, currency, CAST(SUM(deals) AS BIGINT) AS deals,"
            " CAST(SUM(amount_micros) AS BIGINT) AS amount_micros,"
            " CAST(SUM(weighted_micros) AS BIGINT) AS weighted_micros FROM forecast"
            " GROUP BY owner, currency ORDER BY deals DESC, owner IS NULL, owner, currency",
            Bars(("owner",), ("amount_micros", "weighted_micros")),
        ),
        Section(
            "What was sold so far",
            "Value of orders by month, net of what was cancelled or came back.",
            "purchases_by_month",
            "SELECT period, currency, customers, orders, gross_micros, net_micros FROM purchases_by_month"
            " ORDER BY period, currency",
            Lines("period", ("gross_micros", "net_micros"), absent="zero"),
        ),
        Section(
            "Who could buy more",
            "The twenty customers who are furthest below the mean of their segment.",
            "sales_potential",
            "SELECT subject, segment, currency, net_micros, peers_mean_micros, potential_micros, weighted_micros"
            " FROM sales_potential WHERE potential_micros > 0"
            " ORDER BY potential_micros DESC, subject, currency LIMIT 20",
        ),
    ),
)
