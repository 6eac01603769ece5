"""Goals: where each began, where it is, and where its pace leads."""

from projections.report import Bars, Report, Section

REPORT = Report(
    place=13,
    name="goals",
    title="Goals",
    says="What we resolved to reach, how far we are, and where the pace so far leads.",
    sections=(
        Section(
            "Progress",
            "How much of the way from baseline to target is done, and how much of the time is over.",
            "goals",
            "",
            Bars(("goal",), ("progress", "time_share"), "share"),
        ),
        Section(
            "Time that is left",
            "How much of each goal's time is over, by due day.",
            "goal_pace",
            "SELECT goal, owner, indicator, missing, since_day, due_day, days_left, time_share FROM goal_pace"
            " ORDER BY due_day IS NULL, due_day, goal",
        ),
    ),
)
