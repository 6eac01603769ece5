"""Who records what and how soon, and all that one of us does in one row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from domain.company import Company
from domain.touchpoint import Envelope, microseconds
from projections.contacts import Contacts
from projections.entries import Entries
from projections.opportunities import Opportunities
from projections.surveys import Surveys
from projections.tasks import Tasks
from projections.tickets import Tickets
from projections.touches import Touches
from projections.view import fold
from tests.projections.report import Report
from tests.projections.story import facts_of, happened, rows


def recorded(*told: tuple[str, Envelope], zone: str = "UTC") -> Sequence[Any]:
    """The rows of entries of anna, each touchpoint with the time at which it was recorded."""
    times = [microseconds(datetime.fromisoformat(time)) for time, _ in told]
    facts = facts_of([envelope for _, envelope in told])
    history = [fact._replace(recorded=time) for fact, time in zip(facts, times, strict=True)]
    return sorted(fold(Entries(Company(zone=zone)), "anna", sorted(history)).values())


def called(when: str, actor: str | None = "eve") -> Envelope:
    return happened(when, "ContactMade", mode="call", **({"touch_actor": actor} if actor else {}))


def test_what_is_entered_is_counted_in_the_month_of_entering_with_its_delay(report: Report) -> None:
    found = recorded(
        ("2026-03-30T11:00:00+00:00", called("2026-03-30T10:00Z")),
        ("2026-03-31T10:00:00+00:00", called("2026-03-30T07:00Z")),
        ("2026-04-02T12:00:00+00:00", called("2026-04-02")),
        ("2026-04-02T12:00:00+00:00", called("2026-04-02", actor=None)),
        ("2026-04-02T12:00:00+00:00", called("2026-04-02T12:00:01Z", actor="bob")),
    )
    bob, march, april = found
    assert (march.actor, march.period, march.entries, march.same_day) == ("eve", "2026-03", 2, 1)
    assert (march.delay_seconds, march.delay_max_seconds) == (28 * 3_600, 27 * 3_600)
    assert (april.entries, april.same_day, april.delay_seconds) == (1, 1, 12 * 3_600)
    assert (bob.entries, bob.delay_seconds) == (1, 0)
    report.fill("entries", found)
    _, then, now = report.ask("SELECT * FROM adoption")
    assert (then["mean_hours"], then["longest_hours"], then["same_day_share"]) == (14, 27, 0.5)
    assert (then["change"], now["change"], now["customers"]) == (None, -1, 1)


def test_a_month_begins_where_the_company_is() -> None:
    entered = ("2026-03-31T23:30:00+00:00", called("2026-03-31T23:00Z"))
    assert [each.period for each in recorded(entered, zone="Europe/Berlin")] == ["2026-04"]


def test_each_of_us_in_one_row(report: Report) -> None:
    story = [
        called("2026-03-01"),
        called("2026-03-02"),
        happened("2026-03-01T08:00Z", "TicketOpened", ticket="t"),
        happened("2026-03-01T08:30Z", "TicketAssigned", ticket="t", agent="eve"),
        happened("2026-03-01T10:00Z", "FirstResponseGiven", ticket="t"),
        happened("2026-03-01T08:00Z", "InquiryReceived", inquiry="i"),
        happened("2026-03-01T11:00Z", "FirstResponseGiven", inquiry="i", by="eve"),
        happened("2026-03-01", "TaskAssigned", task="1", concerns="call", executor="eve", due="2026-03-03"),
        happened("2026-03-01", "TaskAssigned", task="2", concerns="call", executor="eve", due="2026-03-03"),
        happened("2026-03-02", "TaskClosed", task="2", outcome="done"),
        happened("2026-03-01", "OpportunityOpened", opportunity="1", owner="eve"),
        happened("2026-03-04", "OpportunityWon", opportunity="1"),
        happened("2026-03-01", "OpportunityOpened", opportunity="2", owner="kim"),
        happened("2026-03-05", "SurveyAnswered", question="q", metric="csat", score=4.0, manager="eve"),
    ]
    for view in (Contacts, Tickets, Touches, Tasks, Opportunities, Surveys):
        report.fill(view.name, rows(view, *story))
    report.fill("entries", recorded(("2026-03-01T12:00:00+00:00", called("2026-03-01"))))
    report.at(1_773_144_000_000_000, "2026-03-10")
    eve, kim = report.ask("SELECT * FROM agents")
    assert (eve["agent"], eve["touches"], eve["customers"], eve["last_day"]) == ("eve", 2, 1, "2026-03-02")
    assert (eve["tickets"], eve["open_tickets"], eve["mean_response_hours"]) == (1, 1, 2)
    assert (eve["inquiries"], eve["mean_inquiry_hours"]) == (1, 3)
    assert (eve["open_tasks"], eve["overdue_tasks"], eve["on_time_share"]) == (1, 1, 0.5)
    assert (eve["open_deals"], eve["won"], eve["lost"], eve["win_rate"]) == (0, 1, 0, 1)
    assert (eve["answers"], eve["mean_share"]) == (1, pytest.approx(0.75))
    assert (eve["entries"], eve["mean_entry_hours"]) == (1, 12)
    assert (kim["agent"], kim["open_deals"], kim["win_rate"], kim["touches"]) == ("kim", 1, None, 0)
