"""What persons asked of their data, until when it must be answered, and whether it was."""

from domain.touchpoint import Envelope
from projections.subject_requests import SubjectRequests
from tests.projections.report import Report
from tests.projections.story import corrected, happened, merged, row, rows


def received(when: str = "2026-03-01", request: str = "1", **more: str) -> Envelope:
    return happened(when, "SubjectRequestReceived", request=request, kind="access", **more)


def answered(when: str, request: str = "1", outcome: str = "granted") -> Envelope:
    return happened(when, "SubjectRequestAnswered", request=request, outcome=outcome)


def test_a_request_is_due_when_it_says_or_when_the_company_must() -> None:
    assert row(SubjectRequests, received()).due_day == "2026-03-31"
    named = row(SubjectRequests, received(due="2026-03-10"), answered("2026-03-10"))
    assert (named.due_day, named.status, named.outcome, named.in_time) == ("2026-03-10", "answered", "granted", 1)
    assert row(SubjectRequests, received(), answered("2026-04-01")).in_time == 0
    assert row(SubjectRequests, received("9999-12-30")).due_day is None


def test_an_answer_whose_request_arrives_late_or_never() -> None:
    alone = row(SubjectRequests, answered("2026-03-05"))
    assert (alone.asked_for, alone.status, alone.due_day, alone.in_time) == (None, "answered", None, None)
    assert row(SubjectRequests, answered("2026-03-05"), received()).in_time == 1


def test_a_second_receipt_or_answer_changes_nothing_and_a_mistake_opens_it_again() -> None:
    story = [received(), received("2026-03-20"), first := answered("2026-03-05"), answered("2026-05-01")]
    assert row(SubjectRequests, *story)[4:9] == ("2026-03-01", "2026-03-31", 739706, "2026-03-05", "granted")
    assert row(SubjectRequests, *story, corrected(first, "2026-05-02", retraction=True)).answered_day == "2026-05-01"


def test_open_requests_are_the_survivors_and_the_next_to_fall_due_stands_first(report: Report) -> None:
    story = [received(), received(request="2", due="2026-03-05"), received(request="3"), answered("2026-03-02", "3")]
    report.fill("subject_requests", rows(SubjectRequests, *story, *merged("2026-03-03", "bert", "anna")))
    report.at(1_773_144_000_000_000, "2026-03-10")
    found = report.ask("SELECT subject, request, days_left FROM open_requests")
    assert [tuple(each.values()) for each in found] == [("bert", "2", -5), ("bert", "1", 21)]
