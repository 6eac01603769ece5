"""What was resolved, by when, and how it stands by the numbers."""

from typing import Any

import pytest

from domain.touchpoint import Envelope
from projections import views
from projections.goals import Assessment, GoalRow, Goals, Measured, assess, unmeasurable
from tests.projections.report import Report
from tests.projections.story import corrected, happened, merged, row, rows

FIRM = {"indicator": "funnel_total.rate", "baseline": "0.2", "target": "0.4", "due": "2026-03-31"}


def resolved(when: str = "2026-03-01", goal: str = "wins", subject: str = "company", **fields: Any) -> Envelope:
    return happened(when, "GoalSet", subject=subject, goal=goal, **fields)


def test_a_goal_is_what_was_last_resolved_and_begins_when_it_was_first() -> None:
    goal = row(Goals, resolved(**FIRM, owner="eve"), resolved("2026-03-10", **FIRM | {"target": "0.5"}, owner="bob"))
    assert (goal.owner, goal.target_micros, goal.baseline_micros) == ("bob", 500_000, 200_000)
    assert (goal.since_day, goal.set_day, goal.due_day, goal.settings) == ("2026-03-01", "2026-03-10", "2026-03-31", 2)
    assert (goal.measurable, goal.missing) == (1, None)


def test_a_goal_may_be_a_change_and_begin_on_a_day_of_its_own() -> None:
    quarter_less: dict[str, Any] = {
        "indicator": "a.b",
        "baseline": 80,
        "change": "-0.25",
        "due": "2026-06-30",
        "since": "2025-12-31",
    }
    goal = row(Goals, resolved(**quarter_less))
    assert (goal.target_micros, goal.change_micros, goal.since_day) == (60_000_000, -250_000, "2025-12-31")


def test_a_vague_goal_is_shown_as_not_measurable() -> None:
    vague = row(Goals, resolved(indicator="happier customers"))
    assert (vague.measurable, vague.missing) == (0, "indicator, target, due day")


def test_a_goal_is_corrected_retracted_and_goes_over_to_a_survivor() -> None:
    goal = resolved(**FIRM)
    mended = row(Goals, goal, corrected(goal, "2026-03-02", replacement={"target": "0.3", "owner": "eve"}))
    assert (mended.target_micros, mended.owner, mended.settings) == (300_000, "eve", 1)
    assert rows(Goals, goal, corrected(goal, "2026-03-02", retraction=True)) == []
    assert row(Goals, goal, *merged("2026-03-02", "holding", "company")).subject == "holding"


def test_the_pace_of_goals(report: Report) -> None:
    told = rows(
        Goals, resolved(**FIRM), resolved("2026-03-20", "soon", **FIRM | {"due": "2026-03-10"}), resolved(goal="?")
    )
    report.fill("goals", told)
    report.at(1_773_662_400_000_000, "2026-03-16")
    soon, wins, vague = report.ask("SELECT * FROM goal_pace")
    assert (wins["goal"], wins["days_left"], wins["time_share"], wins["target_micros"]) == ("wins", 15, 0.5, 400_000)
    assert (soon["days_left"], soon["time_share"]) == (-6, None)
    assert (vague["missing"], vague["days_left"]) == ("indicator, target, due day", None)


def standing(now: int | None, today: str, began: int | None = 200_000, **fields: Any) -> Assessment:
    goal: GoalRow = row(Goals, resolved(**FIRM | fields))
    return assess(goal, Measured(began), Measured(now), today)


@pytest.mark.parametrize(
    ("now", "today", "status", "alarm", "forecast"),
    [
        (310_000, "2026-03-16", "on track", 0, 420_000),
        (290_000, "2026-03-16", "behind", 1, 380_000),
        (100_000, "2026-03-11", "behind", 1, -100_000),
        (450_000, "2026-03-16", "reached", 0, 700_000),
        (200_000, "2026-03-01", "not begun", 0, None),
        (390_000, "2026-03-31", "behind", 1, 390_000),
        (390_000, "2026-04-01", "missed", 1, None),
        (400_000, "2026-04-01", "reached", 0, None),
    ],
)
def test_a_goal_against_its_baseline_at_the_pace_so_far(
    now: int, today: str, status: str, alarm: int, forecast: int | None
) -> None:
    found = standing(now, today)
    assert (found.status, found.alarm, found.forecast_micros) == (status, alarm, forecast)
    assert found.progress == pytest.approx((now - 200_000) / 200_000)


def test_less_can_be_the_goal_and_a_change_is_of_what_was_measured() -> None:
    fewer = {"baseline": None, "target": None, "change": "-0.25"}
    less = {name: value for name, value in (FIRM | fewer).items() if value is not None}
    goal = row(Goals, resolved(**less))
    found = assess(goal, Measured(80_000_000), Measured(70_000_000), "2026-03-16")
    assert (found.target_micros, found.progress, found.forecast_micros) == (60_000_000, 0.5, 60_000_000)
    assert (found.status, found.time_share) == ("on track", 0.5)


def test_what_cannot_be_measured_says_why() -> None:
    nowhere = standing(200_000, "2026-03-16", 400_000)
    assert (nowhere.status, nowhere.remark) == ("not measurable", "its target is where it began")
    goal = row(Goals, resolved(**FIRM))
    blind = assess(goal, Measured(1), Measured(None, "no row answers to its indicator"), "2026-03-16")
    assert (blind.status, blind.alarm, blind.remark) == ("not measurable", 0, "no row answers to its indicator")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, []),
        ({"indicator": "rfm_segments.customers where segment=champion"}, []),
        ({"indicator": "sum purchases.net_micros where currency=EUR"}, []),
        ({"indicator": "sum purchases.net_micros"}, ["amounts of different currencies", "where currency=CODE"]),
        ({"indicator": "funnel_totl.rate"}, ["no view or question", "did you mean funnel_total"]),
        ({"indicator": "moment.day"}, ["no view or question"]),
        ({"indicator": "funnel_total.rates"}, ["no column", "lifecircle columns funnel_total"]),
        ({"indicator": "funnel_total.rate where owner=eve"}, ["no column"]),
        ({"indicator": "more wins"}, ["lacks its indicator", "written as VIEW.COLUMN"]),
        ({"target": None, "due": None}, ["lacks its target, due day"]),
    ],
)
def test_what_a_goal_must_be_to_be_measured(fields: dict[str, Any], why: list[str]) -> None:
    data = {name: value for name, value in (FIRM | fields).items() if value is not None}
    told = "; ".join(unmeasurable(data, views().values()))
    assert all(part in told for part in why)
    assert bool(told) == bool(why)
