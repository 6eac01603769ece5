"""Who was to do what until when, whether it was done in time, and who is responsible for which stage."""

import pytest

from domain.touchpoint import Envelope
from projections.responsibilities import Responsibilities
from projections.tasks import Tasks
from tests.projections.report import Report
from tests.projections.story import corrected, happened, merged, row, rows

MARCH_10 = (1_773_144_000_000_000, "2026-03-10")


def assigned(when: str, task: str = "1", executor: str | None = "eve", due: str | None = "2026-03-05") -> Envelope:
    given = {"executor": executor, "due": due}
    named = {name: value for name, value in given.items() if value}
    return happened(when, "TaskAssigned", task=task, concerns="call back", **named)


def closed(when: str, task: str = "1", outcome: str = "done") -> Envelope:
    return happened(when, "TaskClosed", task=task, outcome=outcome)


def test_a_task_is_given_rescheduled_and_done() -> None:
    moved = happened("2026-03-04", "TaskRescheduled", task="1", due="2026-03-08")
    task = row(Tasks, assigned("2026-03-01"), moved, closed("2026-03-07"))
    assert (task.executor, task.concerns, task.status) == ("eve", "call back", "done")
    assert (task.assigned_day, task.closed_day) == ("2026-03-01", "2026-03-07")
    assert (task.first_due_day, task.due_day, task.days_late) == ("2026-03-05", "2026-03-08", -1)
    assert (task.on_time, task.on_first_time, task.reschedules) == (1, 0, 1)


@pytest.mark.parametrize(
    ("outcome", "day", "in_time"),
    [("done", "05", 1), ("done", "06", 0), ("failed", "02", 0), ("cancelled", "02", None)],
)
def test_only_what_is_done_by_its_day_is_in_time(outcome: str, day: str, in_time: int | None) -> None:
    assert row(Tasks, assigned("2026-03-01"), closed(f"2026-03-{day}", outcome=outcome)).on_time == in_time


def test_a_day_ends_where_the_company_is() -> None:
    done = closed("2026-03-05T23:30:00Z")
    assert row(Tasks, assigned("2026-03-01"), done, zone="UTC").on_time == 1
    assert row(Tasks, assigned("2026-03-01"), done, zone="Europe/Berlin").on_time == 0


def test_a_task_closed_twice_ended_the_first_time_and_one_without_a_day_is_never_late() -> None:
    task = row(Tasks, assigned("2026-03-01", due=None), closed("2026-03-02"), closed("2026-03-09", outcome="failed"))
    assert (task.status, task.closed_day, task.on_time, task.days_late) == ("done", "2026-03-02", None, None)


def test_a_closing_whose_assignment_arrives_late_or_never() -> None:
    task = row(Tasks, closed("2026-03-02"))
    assert (task.status, task.executor, task.assigned_day, task.assignments) == ("done", None, None, 0)
    assert row(Tasks, closed("2026-03-02"), assigned("2026-03-01")).on_time == 1


def test_a_closing_that_was_a_mistake_leaves_the_task_open() -> None:
    mistake = closed("2026-03-02")
    story = [assigned("2026-03-01"), mistake]
    assert row(Tasks, *story, corrected(mistake, "2026-03-03", retraction=True)).status == "open"
    later = row(Tasks, *story, corrected(mistake, "2026-03-03", occurred="2026-03-07T00:00:00+00:00"))
    assert (later.closed_day, later.on_time) == ("2026-03-07", 0)


def test_tasks_of_an_absorbed_customer_are_the_survivors() -> None:
    story = [assigned("2026-03-01"), *merged("2026-03-02", "bert", "anna")]
    done = happened("2026-03-03", "TaskClosed", subject="bert", task="1", outcome="done")
    assert row(Tasks, *story, done)[:3] == ("bert", "1", "call back")


def test_open_tasks_and_punctuality(report: Report) -> None:
    story = [
        assigned("2026-03-01", "early"), closed("2026-03-04", "early"),
        assigned("2026-03-01", "late"), closed("2026-03-07", "late"),
        assigned("2026-03-01", "overdue"),
        assigned("2026-03-01", "to come", due="2026-03-12"),
        assigned("2026-03-01", "some day", due=None),
        assigned("2026-03-01", "on nobody", executor=None, due="2026-03-10"),
    ]  # fmt: skip
    report.fill("tasks", rows(Tasks, *story))
    report.at(*MARCH_10)
    open_tasks = report.ask("SELECT task, days_overdue, overdue FROM open_tasks")
    assert [tuple(task.values()) for task in open_tasks] == [
        ("overdue", 5, 1), ("on nobody", 0, 0), ("to come", -2, 0), ("some day", None, 0)
    ]  # fmt: skip
    eve, nobody = report.ask("SELECT * FROM task_punctuality")
    assert (eve["executor"], eve["tasks"], eve["open"], eve["overdue"], eve["done"]) == ("eve", 5, 3, 1, 2)
    assert (eve["on_time"], eve["on_time_share"], eve["mean_days_late"]) == (1, pytest.approx(1 / 3), 0.5)
    assert (nobody["executor"], nobody["on_time_share"]) == (None, None)


def settled(when: str, stage: str, subject: str = "anna", **who: str) -> Envelope:
    return happened(when, "StageResponsibilityAssigned", subject=subject, process="sale", stage=stage, **who)


def test_who_is_responsible_for_a_stage_and_who_was(report: Report) -> None:
    story = [
        settled("2026-03-01", "offer", executor="eve", controller="bob"),
        settled("2026-03-02", "offer", executor="eve", controller="bob"),
        settled("2026-03-05", "offer", executor="kim", controller="bob"),
        settled("2026-03-01", "visit", executor="eve"),
        settled("2026-03-06", "offer", subject="bert", executor="kim", controller="bob"),
    ]
    found = rows(Responsibilities, *story)
    offer = [(each.spell, each.executor, each.since_day, each.until_day) for each in found if each[:3] == OFFER]
    assert offer == [(1, "eve", "2026-03-01", "2026-03-05"), (2, "kim", "2026-03-05", None)]
    report.fill("responsibilities", found)
    now = report.ask("SELECT stage, executor, controller, subjects, since_day FROM responsible_now")
    assert [tuple(each.values()) for each in now] == [
        ("offer", "kim", "bob", 2, "2026-03-05"), ("visit", "eve", None, 1, "2026-03-01")
    ]  # fmt: skip


OFFER = ("anna", "sale", "offer")
