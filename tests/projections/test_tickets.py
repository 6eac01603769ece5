"""What customers asked of our service: how soon they were answered and helped, and how often it came back."""

import pytest

from domain.touchpoint import Envelope
from projections.ticket_steps import TicketSteps
from projections.tickets import PATH_STEPS_MAX, Tickets
from tests.projections.report import Report
from tests.projections.story import happened, merged, row, rows


def step(when: str, what: str, ticket: str = "1", **fields: str) -> Envelope:
    return happened(f"2026-03-{when}Z", f"Ticket{what}", ticket=ticket, **fields)


def test_a_ticket_is_answered_resolved_and_closed() -> None:
    ticket = row(
        Tickets,
        step("01T08:00", "Opened", severity="low", sla="gold", product="press", due="2026-03-02T08:00:00Z"),
        step("01T08:10", "Assigned", agent="eve", queue="first line"),
        happened("2026-03-01T09:00Z", "FirstResponseGiven", ticket="1"),
        step("01T09:30", "Classified", severity="high", category="fault"),
        step("01T12:00", "Resolved"),
        step("02T12:00", "Closed", how="resolved"),
    )
    assert (ticket.status, ticket.closed_how, ticket.closed_day) == ("closed", "resolved", "2026-03-02")
    assert (ticket.severity, ticket.category, ticket.sla, ticket.product) == ("high", "fault", "gold", "press")
    assert (ticket.agent, ticket.queue) == ("eve", "first line")
    seconds = (ticket.assignment_seconds, ticket.response_seconds, ticket.resolution_seconds)
    assert seconds == (600, 3_600, 4 * 3_600)
    assert ticket.due_at - ticket.opened_at == 86_400 * 1_000_000
    assert (ticket.steps, ticket.assignments, ticket.resolutions, ticket.reopenings) == (5, 1, 1, 0)
    assert ticket.path == "TicketOpened > TicketAssigned > TicketClassified > TicketResolved > TicketClosed"


def test_a_reopened_ticket_is_unresolved_until_it_is_resolved_again() -> None:
    story = [
        step("01T08:00", "Opened"),
        step("01T09:00", "Resolved"),
        step("01T10:00", "Closed", how="resolved"),
        step("02T08:00", "Reopened", reason="came back"),
    ]
    ticket = row(Tickets, *story)
    assert (ticket.status, ticket.resolved_at, ticket.closed_at, ticket.reopenings) == ("open", None, None, 1)
    again = row(Tickets, *story, step("03T08:00", "Resolved"))
    assert (again.status, again.resolution_seconds, again.resolutions) == ("resolved", 2 * 86_400, 2)


def test_working_on_a_resolved_ticket_does_not_open_it() -> None:
    ticket = row(Tickets, step("01T08:00", "Opened"), step("01T09:00", "Resolved"), step("01T10:00", "Assigned"))
    assert ticket.status == "resolved"


@pytest.mark.parametrize("ends", ["Resumed", "Assigned", "Resolved"])
def test_time_that_a_ticket_waits_is_counted_until_it_goes_on(ends: str) -> None:
    waiting = [step("01T08:00", "Opened"), step("01T09:00", "Pended", awaiting="a part"), step("01T09:30", "Pended")]
    assert (row(Tickets, *waiting).status, row(Tickets, *waiting).pending_seconds) == ("pending", 0)
    on = row(Tickets, *waiting, step("01T10:00", "Progressed", activity="call"), step("01T11:00", ends))
    assert on.pending_seconds == 2 * 3_600
    assert on.status != "pending"


def test_complaints_visits_and_downtime_are_told_with_their_ticket() -> None:
    ticket = row(
        Tickets,
        step("01T08:00", "Opened"),
        happened("2026-03-01T08:00Z", "DowntimeReported", asset="press-7", ticket="1"),
        happened("2026-03-01T09:00Z", "ComplaintReceived", complaint="c", about="silence", ticket="1"),
        happened("2026-03-01T09:00Z", "ComplaintReceived", complaint="d", about="price"),
        happened("2026-03-01T10:00Z", "FieldVisitPerformed", site="hall 2", ticket="1"),
        happened("2026-03-01T10:30Z", "DowntimeEnded", asset="press-7"),
        happened("2026-03-01T11:30Z", "DowntimeEnded", asset="press-7"),
    )
    assert (ticket.complaints, ticket.field_visits, ticket.downtime_seconds, ticket.steps) == (1, 1, 9_000, 1)


def test_steps_of_an_unknown_opening_make_a_ticket_without_its_times() -> None:
    ticket = row(Tickets, step("01T09:00", "Resolved"))
    assert (ticket.status, ticket.opened_at, ticket.resolution_seconds) == ("resolved", None, None)


def test_a_path_names_activities_and_stays_within_its_length() -> None:
    story = [step("01T08:00", "Opened", activity="Insert")]
    story += [step(f"01T09:{minute:02}", "Progressed", activity="call") for minute in range(59)] * 2
    path = row(Tickets, *story).path.split(" > ")
    assert path[:2] == ["Insert", "call"]
    assert (len(path), path[-1]) == (PATH_STEPS_MAX + 1, "…")


def test_a_ticket_goes_on_under_the_survivor_of_a_merge() -> None:
    told = [step("01T08:00", "Opened"), *merged("2026-03-02T08:00Z", "bert", "anna")]
    resolved = happened("2026-03-03T08:00Z", "TicketResolved", "bert", ticket="1")
    ticket = row(Tickets, *told, resolved)
    assert (ticket.subject, ticket.resolution_seconds) == ("bert", 2 * 86_400)


def test_service_levels(report: Report) -> None:
    due = {"due": "2026-03-02T08:00:00Z", "sla": "gold"}
    story = [
        step("01T08:00", "Opened", "1", **due),
        step("01T10:00", "Resolved", "1"),
        step("01T08:00", "Opened", "2", **due),
        step("03T08:00", "Resolved", "2"),
        step("01T08:00", "Opened", "3", **due),
        step("01T08:00", "Opened", "4", sla="gold", due="2026-04-01T08:00:00Z"),
        step("01T08:00", "Opened", "5"),
    ]
    report.fill("tickets", rows(Tickets, *story))
    report.at(1_772_791_200_000_000, "2026-03-06")
    gold, other = report.ask("SELECT * FROM service_levels")
    assert (gold["tickets"], gold["unresolved"], gold["due"], gold["in_time"]) == (4, 2, 3, 1)
    assert gold["mean_resolution_hours"] == gold["median_resolution_hours"] == 25.0
    assert (other["sla"], other["tickets"], other["due"]) == (None, 1, 0)


def test_variants_and_flows(report: Report) -> None:
    story = [
        step("01T08:00", "Opened", "1"),
        step("01T10:00", "Resolved", "1"),
        step("01T11:00", "Closed", "1", how="resolved"),
        step("01T12:00", "Closed", "1", how="resolved"),
        step("01T08:00", "Opened", "2"),
        step("01T09:00", "Resolved", "2"),
        step("01T08:00", "Opened", "3"),
        step("01T09:00", "Resolved", "3"),
    ]
    report.fill("tickets", rows(Tickets, *story))
    report.fill("ticket_steps", rows(TicketSteps, *story))
    variants = report.ask("SELECT * FROM ticket_variants")
    assert [(each["steps"], each["tickets"], each["share"]) for each in variants] == [
        (2, 2, pytest.approx(2 / 3)),
        (4, 1, pytest.approx(1 / 3)),
    ]
    (flow,) = report.ask("SELECT * FROM ticket_flows WHERE previous = 'TicketOpened'")
    assert (flow["activity"], flow["times"], flow["tickets"]) == ("TicketResolved", 3, 3)
    assert flow["mean_hours"] == pytest.approx(4 / 3)
    late = report.ask("SELECT step FROM ticket_steps WHERE after_closing = 1")
    assert [each["step"] for each in late] == [4]
