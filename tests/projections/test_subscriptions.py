"""Recurring revenue: what a subscription brings in a month, and how that moved."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from domain.touchpoint import Envelope
from projections.subscription_movements import SubscriptionMovements
from projections.subscriptions import Subscriptions
from tests.projections.report import Report
from tests.projections.story import corrected, eur, happened, merged, row, rows


def started(when: str, amount: str = "12", name: str = "s", interval: str = "month", **more: Any) -> Envelope:
    money = amount if " " in amount else eur(amount)
    fields = {"subscription": name, "plan": "single", "recurring_amount": money, "interval": interval}
    return happened(when, "SubscriptionStarted", **fields | more)


def step(when: str, what: str, name: str = "s", **more: Any) -> Envelope:
    return happened(when, f"Subscription{what}", subscription=name, **more)


def changed(when: str, amount: str, plan: str = "family") -> Envelope:
    return step(when, "Changed", plan=plan, recurring_amount=amount if " " in amount else eur(amount))


def moved(*story: Envelope) -> list[tuple[str, str, int]]:
    """Day, cause and what it brings in a month from then on, in euros."""
    found = sorted(rows(SubscriptionMovements, *story), key=lambda each: each.number)
    return [(each.day, each.cause, each.after_micros // 1_000_000) for each in found]


@pytest.mark.parametrize(
    ("amount", "interval", "count", "month_micros"),
    [
        ("12", "month", 1, 12_000_000),
        ("12", "month", 2, 6_000_000),
        ("36", "quarter", 1, 12_000_000),
        ("100", "year", 1, 8_333_333),
        ("1", "week", 1, 4_348_214),
        ("1", "day", 1, 30_437_500),
        ("12", "month", 0, 12_000_000),
    ],
)
def test_what_is_paid_each_interval_comes_to_so_much_in_a_month(
    amount: str, interval: str, count: int, month_micros: int
) -> None:
    found = row(Subscriptions, started("2026-03-01", amount, interval=interval, interval_count=count))
    assert (found.status, found.amount_micros, found.month_micros) == ("active", int(amount) * 1_000_000, month_micros)


def test_a_change_a_pause_a_renewal_and_the_end_each_move_the_revenue() -> None:
    story = [
        started("2026-01-10"),
        changed("2026-02-10", "20"),
        step("2026-03-10", "Paused"),
        step("2026-04-10", "Renewed", until="2027-04-09"),
        step("2026-05-10", "Ended", reason="too dear"),
    ]
    assert moved(*story) == [
        ("2026-01-10", "started", 12),
        ("2026-02-10", "changed", 20),
        ("2026-03-10", "paused", 0),
        ("2026-04-10", "renewed", 20),
        ("2026-05-10", "ended", 0),
    ]
    found = row(Subscriptions, *story)
    assert (found.status, found.plan, found.end_reason, found.days) == ("ended", "family", "too dear", 120)
    assert (found.changes, found.pauses, found.renewals, found.until) == (1, 1, 1, "2027-04-09")


def test_a_trial_brings_nothing_until_the_day_after_it() -> None:
    trial = started("2026-01-10", trial_until="2026-01-31")
    assert moved(trial) == [("2026-02-01", "trial over", 12)]
    assert moved(trial, changed("2026-01-20", "20")) == [("2026-02-01", "trial over", 20)]
    assert moved(trial, step("2026-01-31", "Ended")) == []
    assert moved(trial, step("2026-02-01", "Ended")) == [("2026-02-01", "trial over", 12), ("2026-02-01", "ended", 0)]


def test_a_pause_with_a_last_day_is_over_by_itself_unless_something_comes_before() -> None:
    story = [started("2026-01-10"), step("2026-02-01", "Paused", until="2026-03-28")]
    assert moved(*story)[-1] == ("2026-03-29", "pause over", 12)
    assert row(Subscriptions, *story).resumes_day == "2026-03-29"
    assert moved(*story, step("2026-03-01", "Ended"))[-1] == ("2026-02-01", "paused", 0)


def test_what_is_told_before_the_start_counts_once_the_start_is_told() -> None:
    end = step("2026-02-01", "Ended")
    assert row(Subscriptions, end).status == "unstarted"
    assert moved(end) == []
    assert moved(end, started("2026-03-01")) == [("2026-03-01", "started", 12), ("2026-03-01", "ended", 0)]


def test_an_end_that_never_happened_and_a_start_that_was_earlier() -> None:
    begin, end = started("2026-03-01"), step("2026-04-01", "Ended")
    fixes = [
        corrected(end, "2026-05-01", retraction=True),
        corrected(begin, "2026-05-01", occurred="2026-02-01T12:00:00+00:00"),
    ]
    assert moved(begin, end, *fixes) == [("2026-02-01", "started", 12)]


def test_a_change_to_another_currency_ends_one_and_begins_the_other() -> None:
    found = sorted(
        rows(SubscriptionMovements, started("2026-01-10"), changed("2026-02-10", "15 USD")),
        key=lambda each: each.number,
    )
    assert [(each.currency, each.change_micros) for each in found] == [
        ("EUR", 12_000_000),
        ("EUR", -12_000_000),
        ("USD", 15_000_000),
    ]


def test_the_calendar_day_is_the_company_s_on_the_night_when_the_clocks_change() -> None:
    found = row(
        Subscriptions, started("2026-03-28T23:30:00Z"), step("2026-10-25T22:30:00Z", "Ended"), zone="Europe/Berlin"
    )
    assert (found.started_day, found.ended_day, found.days) == ("2026-03-29", "2026-10-25", 210)


def test_recurring_revenue_and_its_movements_by_month(report: Report) -> None:
    anna = [
        started("2026-01-10"),
        changed("2026-02-10", "20"),
        step("2026-03-10", "Ended"),
        started("2026-05-02", "6", "s2"),
    ]
    switch = [
        step("2026-02-05", "Ended", "b", touch_subject="bert"),
        started("2026-02-05", "10", "b2", touch_subject="bert"),
    ]
    bert = [started("2026-01-20", "15", "b", touch_subject="bert"), *switch]
    report.fill("subscription_movements", rows(SubscriptionMovements, *anna, *bert))
    report.at(0, "2026-04-30")
    january, february, march = report.ask("SELECT * FROM recurring_revenue ORDER BY period")
    assert (january["start_micros"], january["new_micros"], january["end_micros"]) == (0, 27_000_000, 27_000_000)
    assert (january["churn_rate"], january["customers_end"]) == (None, 2)
    assert (february["expansion_micros"], february["contraction_micros"]) == (8_000_000, -5_000_000)
    assert (february["churn_micros"], february["end_micros"], february["customers_end"]) == (0, 30_000_000, 2)
    assert (march["churn_micros"], march["end_micros"], march["customers_churned"]) == (-20_000_000, 10_000_000, 1)
    assert march["churn_rate"] == pytest.approx(2 / 3)
    report.ask("UPDATE moment SET day = '2026-05-31' RETURNING day")
    may = report.ask("SELECT * FROM recurring_revenue ORDER BY period")[-1]
    assert (may["period"], may["new_micros"], may["reactivation_micros"], may["end_micros"]) == (
        "2026-05",
        0,
        6_000_000,
        16_000_000,
    )


def test_two_customers_who_are_one_have_one_revenue(report: Report) -> None:
    other = started("2026-02-01", "5", "t", touch_subject="a.smith")
    report.fill(
        "subscription_movements",
        rows(SubscriptionMovements, started("2026-01-10"), other, *merged("2026-04-01", "anna", "a.smith")),
    )
    report.at(0, "2026-04-30")
    _, february = report.ask("SELECT * FROM recurring_revenue ORDER BY period")
    assert (february["new_micros"], february["expansion_micros"], february["customers_end"]) == (0, 5_000_000, 1)


def test_plans_as_they_are_held_at_the_moment(report: Report) -> None:
    story = [
        started("2026-01-10", name="1"),
        started("2026-01-10", name="2", trial_until="2026-02-28"),
        started("2026-01-10", name="3"),
        step("2026-02-01", "Paused", "3", until="2026-02-20"),
        started("2026-01-10", name="4"),
        step("2026-02-01", "Ended", "4", reason="moved"),
    ]
    report.fill("subscriptions", rows(Subscriptions, *story))
    report.at(0, "2026-02-10")
    (plan,) = report.ask("SELECT * FROM subscriptions_by_plan")
    assert (plan["subscriptions"], plan["active"], plan["in_trial"], plan["paused"], plan["ended"]) == (4, 1, 1, 1, 1)
    assert plan["month_micros"] == 12_000_000
    report.ask("UPDATE moment SET day = '2026-03-01' RETURNING day")
    assert report.ask("SELECT active FROM subscriptions_by_plan") == [{"active": 3}]
    (end,) = report.ask("SELECT * FROM subscription_ends")
    assert (end["period"], end["reason"], end["mean_days"]) == ("2026-02", "moved", 22)


def a_subscription(name: str, customer: str, chance: Random) -> tuple[list[Envelope], list[tuple[str, int]]]:
    """A made-up course, and the truth that it tells: from which day on it brings how many micros in a month."""
    day, price, truth, paused = (
        date(2026, 1, 1) + timedelta(days=chance.randrange(120)),
        chance.randrange(5, 60),
        [],
        False,
    )
    who = {"touch_subject": customer}
    story = [started(day.isoformat(), str(price), name, **who)]
    truth.append((day.isoformat(), price * 1_000_000))
    for _ in range(chance.randrange(6)):
        day += timedelta(days=chance.randrange(1, 50))
        match chance.choice(["change", "pause", "renew", "end"]):
            case "change":
                price = chance.randrange(5, 60)
                amount = {"plan": "other", "recurring_amount": eur(str(price))}
                story.append(step(day.isoformat(), "Changed", name, **amount, **who))
            case "pause":
                paused = True
                story.append(step(day.isoformat(), "Paused", name, **who))
            case "renew":
                paused = False
                story.append(step(day.isoformat(), "Renewed", name, until="2027-01-01", **who))
            case _:
                story.append(step(day.isoformat(), "Ended", name, **who))
                return story, [*truth, (day.isoformat(), 0)]
        truth.append((day.isoformat(), 0 if paused else price * 1_000_000))
    return story, truth


def test_the_movements_of_many_customers_come_to_the_revenue_that_made_them(report: Report) -> None:
    chance = Random(11)  # noqa: S311 - one fixed world, no secret
    courses = [a_subscription(f"s{place}", f"customer-{place % 40}", chance) for place in range(120)]
    report.fill(
        "subscription_movements", rows(SubscriptionMovements, *[each for story, _ in courses for each in story])
    )
    report.at(0, "2026-12-31")
    found = report.ask("SELECT * FROM recurring_revenue ORDER BY period")
    assert len(found) > 6
    for month in found:
        told = [[micros for day, micros in truth if day <= f"{month['period']}-31"] for _, truth in courses]
        assert month["end_micros"] == sum(each[-1] for each in told if each), month["period"]
        kinds = ("start", "new", "reactivation", "expansion", "contraction", "churn")
        assert sum(month[f"{kind}_micros"] for kind in kinds) == month["end_micros"]
        paying = {place % 40 for place, each in enumerate(told) if each and each[-1]}
        assert month["customers_end"] == len(paying)
