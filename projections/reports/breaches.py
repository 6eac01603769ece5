"""Breaches: what stands in the log against its rules."""

from projections.report import Bars, Report, Section

REPORT = Report(
    place=14,
    name="breaches",
    title="Breaches",
    says="Which rules stand broken, how often, and how soon things are recorded.",
    sections=(
        Section(
            "Broken rules",
            "How often each rule stands broken; a breach heals when what was missing arrives late.",
            "breaches_by_rule",
            "SELECT rule, breaches, subjects, first_day, last_day FROM breaches_by_rule ORDER BY breaches DESC, rule",
            Bars(("rule",), ("breaches",), "breaches"),
        ),
        Section(
            "The latest breaches",
            "The twenty latest touchpoints that broke a rule.",
            "breaches",
            "SELECT day, subject, kind, rule, entity, detail FROM breaches"
            " ORDER BY at DESC, subject, stream, version, rule, entity LIMIT 20",
        ),
        Section(
            "How soon things are recorded",
            "Share of touchpoints that were recorded on the day they occurred, by actor and month.",
            "adoption",
            "SELECT actor, period, entries, customers, same_day_share, mean_hours FROM adoption"
            " ORDER BY period DESC, entries DESC, actor LIMIT 20",
        ),
    ),
)
