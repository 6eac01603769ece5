"""The circle and the funnel: how far customers come, and where they are lost."""

from projections.report import Bars, Lines, Report, Section, Tiles

REPORT = Report(
    place=1,
    name="circle",
    title="Circle and funnel",
    says="How far customers come round the circle, which deals are won, and where they are lost.",
    sections=(
        Section(
            "Round the circle",
            "How many customers reached each phase of the circle.",
            "circle",
            "SELECT phase, subjects, share_of_all, subjects_from_before, share_of_before, median_days"
            " FROM circle ORDER BY place",
            Bars(("phase",), ("subjects",), "customers"),
        ),
        Section(
            "Customers by stage",
            "At which stage customers stand.",
            "customers_by_stage",
            "SELECT stage, CAST(SUM(customers) AS BIGINT) AS customers FROM customers_by_stage"
            " GROUP BY stage ORDER BY 2 DESC, 1",
            Bars(("stage",), ("customers",), "customers"),
        ),
        Section(
            "The funnel in figures",
            "All opportunities in one row.",
            "funnel_total",
            "SELECT leads, won, lost, open, rate, mean_days, median_days FROM funnel_total",
            Tiles(),
        ),
        Section(
            "Conversion by lead source",
            "Of the opportunities from each source, how many were won and lost, and how many are open.",
            "funnel",
            "SELECT lead_source, leads, won, lost, open, rate, mean_days, median_days FROM funnel"
            " ORDER BY leads DESC, lead_source IS NULL, lead_source",
            Bars(("lead_source",), ("won", "lost", "open"), "opportunities"),
        ),
        Section(
            "Conversion by month of opening",
            "Share of the opportunities opened in a month that were won since.",
            "funnel_by_month",
            "SELECT period, leads, won, lost, open, rate, mean_days FROM funnel_by_month"
            " WHERE period IS NOT NULL ORDER BY period",
            Lines("period", ("rate",), "share"),
        ),
        Section(
            "Time in each stage",
            "How many days an opportunity stays in a stage of the funnel, in the median.",
            "stage_times",
            "SELECT stage, opportunities, visits, there_now, mean_days, median_days FROM stage_times"
            " ORDER BY opportunities DESC, stage",
            Bars(("stage",), ("median_days",), "days"),
        ),
        Section(
            "Why deals are lost",
            "Reasons for which opportunities were lost, and who won them instead.",
            "funnel_losses",
            "SELECT reason, competitor, currency, CAST(SUM(lost) AS BIGINT) AS lost,"
            " CAST(SUM(amount_micros) AS BIGINT) AS amount_micros FROM funnel_losses"
            " GROUP BY reason, competitor, currency"
            " ORDER BY 4 DESC, reason IS NULL, reason, competitor IS NULL, competitor, currency",
            Bars(("reason", "competitor"), ("lost",), "opportunities"),
        ),
    ),
)
