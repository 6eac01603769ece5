"""Recurring revenue: what subscriptions bring in a month, and how that moves."""

from projections.report import Bars, Lines, Report, Section

REPORT = Report(
    place=7,
    name="recurring",
    title="Recurring revenue",
    says="What subscriptions bring in a month, what is won and lost of it, and why they end.",
    sections=(
        Section(
            "Recurring revenue of a month",
            "What subscriptions brought in a month as each month ended.",
            "recurring_revenue",
            "SELECT period, currency, start_micros, new_micros, reactivation_micros, expansion_micros,"
            " contraction_micros, churn_micros, end_micros, customers_end, churn_rate, net_retention"
            " FROM recurring_revenue ORDER BY period, currency",
            Lines("period", ("end_micros",), absent="same"),
        ),
        Section(
            "Movements",
            "What each month won and lost.",
            "recurring_revenue",
            "SELECT period, currency, new_micros, reactivation_micros, expansion_micros, contraction_micros,"
            " churn_micros FROM recurring_revenue ORDER BY period, currency",
            Lines("period", ("new_micros", "expansion_micros", "contraction_micros", "churn_micros"), absent="zero"),
        ),
        Section(
            "Plans",
            "What the active subscriptions of each plan bring in a month.",
            "subscriptions_by_plan",
            "SELECT plan, currency, subscriptions, active, in_trial, paused, ended, month_micros"
            " FROM subscriptions_by_plan ORDER BY month_micros DESC, plan IS NULL, plan, currency",
            Bars(("plan",), ("month_micros",)),
        ),
        Section(
            "Why subscriptions end",
            "Subscriptions that ended, by plan and reason.",
            "subscription_ends",
            "SELECT plan, reason, currency, CAST(SUM(ended) AS BIGINT) AS ended,"
            " CAST(SUM(month_micros) AS BIGINT) AS month_micros FROM subscription_ends"
            " GROUP BY plan, reason, currency ORDER BY 4 DESC, plan, reason IS NULL, reason, currency",
            Bars(("plan", "reason"), ("ended",), "subscriptions"),
        ),
    ),
)
