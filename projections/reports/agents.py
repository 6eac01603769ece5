"""Agents: our own people, their work and its punctuality."""

from projections.report import Bars, Report, Section

REPORT = Report(
    place=5,
    name="agents",
    title="Our own people",
    says="Who has contact with customers, who wins deals, who answers and works in time.",
    sections=(
        Section(
            "Contacts and deals",
            "Contacts with customers by each person or system.",
            "agents",
            "SELECT agent, touches, customers, tickets, open_tickets, won, lost, win_rate, mean_share, entries,"
            " mean_entry_hours FROM agents ORDER BY touches DESC, agent",
            Bars(("agent",), ("touches",), "contacts"),
        ),
        Section(
            "Tasks done in time",
            "Tasks of each person, how many were done by their day and how many are overdue.",
            "task_punctuality",
            "SELECT executor, tasks, open, overdue, done, failed, on_time, on_time_share, mean_days_late"
            " FROM task_punctuality ORDER BY tasks DESC, executor IS NULL, executor",
            Bars(("executor",), ("on_time", "overdue", "open"), "tasks"),
        ),
        Section(
            "First answers to inquiries",
            "Median hours until the person in charge first answered.",
            "first_responses",
            "SELECT person, inquiries, mean_hours, median_hours, longest_hours FROM first_responses"
            " ORDER BY inquiries DESC, person IS NULL, person",
            Bars(("person",), ("median_hours",), "hours"),
        ),
        Section(
            "What is overdue now",
            "Tasks whose day is over, the longest overdue first; at most twenty.",
            "open_tasks",
            "SELECT subject, task, concerns, executor, due_day, days_overdue FROM open_tasks WHERE overdue = 1"
            " ORDER BY days_overdue DESC, subject, task LIMIT 20",
        ),
    ),
)
