"""Satisfaction: what customers say, in numbers and in words that can be counted."""

from projections.report import Bars, Report, Section

REPORT = Report(
    place=11,
    name="satisfaction",
    title="Satisfaction",
    says="How satisfied customers say they are, and what they praise and blame.",
    sections=(
        Section(
            "Satisfaction by month",
            "Where answers lie in their scale on average, from lowest to highest; the latest month first.",
            "satisfaction_by",
            "SELECT value AS period, metric, answers, customers, positive, negative, mean_share, satisfaction"
            " FROM satisfaction_by WHERE attribute = 'period' ORDER BY value DESC, metric",
            Bars(("period", "metric"), ("mean_share",), "share"),
        ),
        Section(
            "Satisfaction by product",
            "The same by the product that was asked about.",
            "satisfaction_by",
            "SELECT value AS product, metric, answers, customers, positive, negative, mean_share, satisfaction"
            " FROM satisfaction_by WHERE attribute = 'product' ORDER BY answers DESC, value IS NULL, value, metric",
            Bars(("product", "metric"), ("mean_share",), "share"),
        ),
        Section(
            "Satisfaction by the person in charge",
            "The same by who served the customer.",
            "satisfaction_by",
            "SELECT value AS manager, metric, answers, customers, positive, negative, mean_share, satisfaction"
            " FROM satisfaction_by WHERE attribute = 'manager' ORDER BY answers DESC, value IS NULL, value, metric",
            Bars(("manager", "metric"), ("mean_share",), "share"),
        ),
        Section(
            "Praise and blame",
            "Opinions by product and topic, meant well and ill.",
            "opinions",
            "SELECT product, topic, opinions, customers, positive, negative, complaints, lost_deals FROM opinions"
            " ORDER BY opinions DESC, product IS NULL, product, topic IS NULL, topic",
            Bars(("product", "topic"), ("positive", "negative"), "opinions"),
        ),
    ),
)
