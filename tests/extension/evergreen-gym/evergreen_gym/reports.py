"""Trials on a page: how many each club had, and what came of them."""

from projections.report import Bars, Report, Section

REPORT = Report(
    place=20,
    name="trials",
    title="Trials",
    says="How many trials each club had, and what came of them.",
    sections=(
        Section(
            "Trials by club",
            "Trials that began, that are over, and that ended with joining.",
            "trials_by_club",
            "SELECT club, trials, ended, joined FROM trials_by_club ORDER BY trials DESC, club",
            Bars(("club",), ("trials", "joined"), "trials"),
        ),
    ),
)
