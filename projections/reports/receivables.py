"""Receivables: what is owed, how old it is, and how it comes in."""

from projections.report import Bars, Lines, Report, Section

REPORT = Report(
    place=10,
    name="receivables",
    title="Receivables and payments",
    says="What customers owe and since when, who is to be reminded, and what came in.",
    sections=(
        Section(
            "What is owed, by age",
            "Open invoices and instalments by the time since their due day.",
            "receivables_due",
            "SELECT age, currency, receivables, customers, open_micros, oldest_due_day FROM receivables_due"
            " ORDER BY currency, place",
            Bars(("age",), ("open_micros",)),
        ),
        Section(
            "Who owes most",
            "The twenty customers who owe most, and how they pay.",
            "receivables_by_customer",
            "SELECT subject, currency, open_micros, overdue_micros, overdue_days, dunning_level, mean_days_late"
            " FROM receivables_by_customer WHERE open_micros > 0 ORDER BY open_micros DESC, subject, currency LIMIT 20",
        ),
        Section(
            "Reminders that are due",
            "Invoices for which a dunning notice is due, the longest overdue first; at most twenty.",
            "dunning_due",
            "SELECT subject, invoice, level, due_day, overdue_days, currency, open_micros FROM dunning_due"
            " ORDER BY overdue_days DESC, subject, invoice LIMIT 20",
        ),
        Section(
            "What came in",
            "Payments by month, less what was taken back.",
            "payments_by_month",
            "SELECT period, currency, CAST(SUM(payments) AS BIGINT) AS payments, CAST(SUM(failed) AS BIGINT) AS failed,"
            " CAST(SUM(kept_micros) AS BIGINT) AS kept_micros FROM payments_by_month WHERE period IS NOT NULL"
            " GROUP BY period, currency ORDER BY period, currency",
            Lines("period", ("kept_micros",), absent="zero"),
        ),
    ),
)
