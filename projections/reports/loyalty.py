"""Loyalty and cohorts: who comes back, and what they are worth."""

from projections.report import Bars, Grid, Report, Section

REPORT = Report(
    place=6,
    name="loyalty",
    title="Loyalty and cohorts",
    says="Who comes back, in which segments customers stand, and what marks the best of them.",
    sections=(
        Section(
            "Segments",
            "Customers by recency, frequency and value of what they bought.",
            "rfm_segments",
            "SELECT segment, currency, customers, mean_recency_days, mean_frequency, net_micros FROM rfm_segments"
            " ORDER BY customers DESC, segment, currency",
            Bars(("segment",), ("customers",), "customers"),
        ),
        Section(
            "What segments are worth",
            "Net value of all orders of the customers of each segment.",
            "rfm_segments",
            "SELECT segment, currency, customers, net_micros FROM rfm_segments"
            " ORDER BY net_micros DESC, segment, currency",
            Bars(("segment",), ("net_micros",)),
        ),
        Section(
            "Retention by cohort",
            "Of the customers who first bought in a month, the share that bought again so many months later.",
            "cohorts",
            "SELECT cohort, months_since, customers, cohort_size, retention FROM cohorts WHERE months_since > 0"
            " ORDER BY cohort, months_since",
            Grid("cohort", "months_since", "retention", "share"),
        ),
        Section(
            "Repeat purchases",
            "Customers by the number of days on which they bought again.",
            "repeat_purchases",
            "SELECT repeat_purchases, customers, share FROM repeat_purchases ORDER BY repeat_purchases",
            Bars(("repeat_purchases",), ("customers",), "customers"),
        ),
        Section(
            "What marks the best customers",
            "Characteristics that the fifth of greatest net value has more often than all, at least five of them.",
            "best_customers",
            "SELECT currency, characteristic, band, customers, best, share_of_all, share_of_best, times_as_often"
            " FROM best_customers WHERE best >= 5 AND times_as_often > 1"
            " ORDER BY times_as_often DESC, characteristic, band, currency LIMIT 20",
        ),
        Section(
            "What customers bring",
            "The twenty customers of greatest net value; a profit stands only where all unit costs are known.",
            "profit_by_customer",
            "SELECT subject, currency, net_micros, lines_without_cost, goods_micros, touches_micros,"
            " profit_micros, margin FROM profit_by_customer ORDER BY net_micros DESC, subject, currency LIMIT 20",
        ),
        Section(
            "Silent beyond their rhythm",
            "Regular customers whose silence is longest by their own measure; at most twenty.",
            "buying_rhythm",
            "SELECT subject, purchase_days, last_day, days_since, mean_interval_days, silence FROM buying_rhythm"
            " WHERE repeat_purchases >= 2 AND silence > 1 ORDER BY silence DESC, subject LIMIT 20",
        ),
        Section(
            "Who is still a customer",
            "Customers by P(alive), the chance that they have not left unseen, as two models of purchases tell it.",
            "purchases",
            chart=Bars(("alive",), ("bgnbd_customers", "paretonbd_customers"), "customers"),
            model="outlook.chances",
        ),
        Section(
            "What is to be expected",
            "Purchase days within a year, and their net value today, of customers who bought again as often.",
            "purchases",
            chart=Bars(("repeat_purchases",), ("expected_purchases",), "purchase days"),
            model="outlook.expected",
        ),
        Section(
            "Customers of greatest lifetime value",
            "The twenty of each currency of whom most is to be expected within a year; see lifecircle loyalty show.",
            "purchases",
            model="outlook.best",
        ),
        Section(
            "The models",
            "What was fitted to all purchases as of this page, by maximum likelihood; see lifecircle loyalty fit.",
            "purchases",
            model="outlook.fits",
        ),
    ),
)
