"""Who comes back, how often, for how much, and who left."""

from typing import Any

import pytest

from domain.company import Company
from domain.errors import SettingsInvalid
from domain.touchpoint import Envelope
from projections.loyalty import Loyalty
from projections.purchases import Purchases
from tests.projections.report import Report
from tests.projections.story import eur, happened, merged, order, row, rows


def bought(subject: str, *days: str, amount: str = "10") -> list[Envelope]:
    """Orders of one customer, each on a day of its own or not."""
    return [order(day, f"{subject}-{place}", amount, touch_subject=subject) for place, day in enumerate(days)]


def test_purchases_of_one_day_are_one_transaction() -> None:
    loyal = row(Loyalty, *bought("anna", "2026-03-01", "2026-03-01", "2026-03-09"))
    assert (loyal.orders, loyal.purchase_days, loyal.repeat_purchases) == (3, 2, 1)
    assert (loyal.first_day, loyal.last_day) == ("2026-03-01", "2026-03-09")
    assert loyal.last_dayno - loyal.first_dayno == 8
    assert (loyal.gross_micros, loyal.net_micros, loyal.currency) == (30_000_000, 30_000_000, "EUR")


def test_a_cancelled_order_is_no_purchase() -> None:
    off = happened("2026-03-10", "OrderCancelled", order="anna-1")
    loyal = row(Loyalty, *bought("anna", "2026-03-01", "2026-03-09"), off)
    assert (loyal.orders, loyal.purchase_days, loyal.last_day, loyal.net_micros) == (1, 1, "2026-03-01", 10_000_000)


def test_referrals_and_points_count_without_a_purchase_and_move_to_the_purchases_row() -> None:
    story = [
        happened("2026-03-01", "ReferralMade", referred="bert"),
        happened("2026-03-02", "ReferralMade", referred="bert"),
        happened("2026-03-01", "LoyaltyPointsPosted", delta=50, reason="earn"),
        happened("2026-03-02", "LoyaltyPointsPosted", delta=-20, reason="redeem"),
    ]
    loyal = row(Loyalty, *story)
    assert (loyal.currency, loyal.orders, loyal.referrals, loyal.points, loyal.last_day) == ("", 0, 1, 30, None)
    loyal = row(Loyalty, *story, *bought("anna", "2026-03-05"))
    assert (loyal.currency, loyal.orders, loyal.referrals, loyal.points) == ("EUR", 1, 1, 30)


def test_a_tier_is_kept_when_points_are_spent_and_lost_when_what_was_earned_is_taken_back() -> None:
    tiers = {"silver": 100, "gold": 500}
    story = [happened("2026-03-01", "LoyaltyPointsPosted", delta=delta, reason="earn") for delta in (99, 1, 400)]
    reached = [rows(Loyalty, *story[:count], loyalty_tiers=tiers)[0].tier for count in (1, 2, 3)]
    assert reached == [None, "silver", "gold"]
    story.append(happened("2026-03-02", "LoyaltyPointsPosted", delta=-450, reason="redeem"))
    (loyal,) = rows(Loyalty, *story, loyalty_tiers=tiers)
    assert (loyal.points, loyal.tier) == (50, "gold")
    story.append(happened("2026-03-03", "LoyaltyPointsPosted", delta=-1, reason="reverse"))
    assert rows(Loyalty, *story, loyalty_tiers=tiers)[0].tier == "silver"
    assert row(Loyalty, *story).tier is None


def test_satisfaction_is_where_the_last_answer_lies_in_its_scale() -> None:
    story = [
        happened("2026-03-01", "SurveyAnswered", question="q", metric="nps", score=10),
        happened("2026-03-02", "SurveyAnswered", question="q", metric="csat", score=2),
        happened("2026-03-03", "SurveyAnswered", question="why", text="slow"),
    ]
    assert [row(Loyalty, *story[:count]).satisfaction_share for count in (1, 2, 3)] == [1.0, 0.25, 0.25]


def test_a_customer_who_buys_in_two_currencies_has_a_row_in_each() -> None:
    dollars = happened("2026-03-02", "OrderPlaced", order="d", total="7 USD")
    points = happened("2026-03-03", "LoyaltyPointsPosted", delta=5, reason="earn")
    loyal = rows(Loyalty, *bought("anna", "2026-03-01"), dollars, points)
    assert [(each.currency, each.gross_micros, each.points) for each in loyal] == [
        ("EUR", 10_000_000, 5),
        ("USD", 7_000_000, 5),
    ]


def test_leaving_and_coming_back() -> None:
    story = bought("anna", "2026-03-01")
    assert row(Loyalty, *story).status == "active"
    story.append(happened("2026-03-05", "CustomerChurned", why="price"))
    assert row(Loyalty, *story).status == "churned"
    story.append(happened("2026-03-09", "CustomerWonBack"))
    assert row(Loyalty, *story).status == "won back"


def test_a_late_order_becomes_the_first() -> None:
    loyal = row(Loyalty, *bought("anna", "2026-03-01", "2026-01-15"))
    assert (loyal.first_day, loyal.repeat_purchases) == ("2026-01-15", 1)


def test_a_merge_joins_what_both_bought() -> None:
    story = [*bought("anna", "2026-03-01"), *bought("a.smith", "2026-03-01", "2026-03-04")]
    loyal = row(Loyalty, *story, *merged("2026-03-09", "anna", "a.smith"))
    assert (loyal.subject, loyal.orders, loyal.purchase_days) == ("anna", 3, 2)


def test_rfm_counts_elapsed_days_and_scores_in_fifths(report: Report) -> None:
    story = [
        *bought("anna", "2026-01-01", "2026-01-09", "2026-03-30T10:00:00Z", amount="50"),
        *bought("bert", "2026-01-02", "2026-03-20", amount="20"),
        *bought("cleo", "2026-02-01", "2026-03-01", amount="5"),
        *bought("dora", "2026-01-20", amount="4"),
        *bought("emil", "2026-01-10", amount="3"),
        happened("2026-03-01", "ReferralMade", "fritz", referred="anna"),
    ]
    report.fill("loyalty", rows(Loyalty, *story))
    report.at(1_775_001_600_000_000, "2026-04-01")  # 2026-04-01T00:00:00Z
    found = {each["subject"]: each for each in report.ask("SELECT * FROM rfm")}
    assert set(found) == {"anna", "bert", "cleo", "dora", "emil"}, "who never bought has no score"
    anna = found["anna"]
    assert (anna["recency_days"], anna["frequency"], anna["gross_micros"]) == (1, 3, 150_000_000)
    assert [anna[f"{name}_score"] for name in ("recency", "frequency", "monetary")] == [5, 5, 5]
    assert [found[name]["recency_score"] for name in ("bert", "cleo", "dora", "emil")] == [4, 3, 2, 1]
    assert found["bert"]["frequency_score"] == found["cleo"]["frequency_score"], "equal values, equal scores"
    assert (anna["segment"], found["emil"]["segment"]) == ("champion", "lost")
    segments = report.ask("SELECT segment, customers FROM rfm_segments")
    assert sum(segment["customers"] for segment in segments) == 5


def test_a_company_scores_by_limits_of_its_own(report: Report) -> None:
    limits: dict[str, Any] = {
        "rfm_recency_days": [1, 7, 30, 90],
        "rfm_orders": [2, 3, 5, 9],
        "rfm_net": {"EUR": ["9.5", 10, 100, 1000]},
    }
    story = [
        *bought("anna", "2026-01-01", "2026-01-09", "2026-03-30T10:00:00Z", amount="50"),
        *bought("bert", "2026-03-24T00:00:01Z", amount="9.5"),
        *bought("cleo", "2026-03-24T00:00:00Z", amount="9.4"),
        happened("2025-01-01", "OrderPlaced", "dora", order="d", total="70 USD"),
    ]
    report.fill("loyalty", rows(Loyalty, *story, **limits))
    report.at(1_775_001_600_000_000, "2026-04-01")  # 2026-04-01T00:00:00Z, a day and 14 hours after anna's last
    scored = {
        each["subject"]: (each["recency_score"], each["frequency_score"], each["monetary_score"], each["segment"])
        for each in report.ask("SELECT * FROM rfm")
    }
    assert scored == {
        "anna": (5, 3, 4, "promising"),
        "bert": (4, 1, 2, "new"),
        "cleo": (3, 1, 1, "needs attention"),
        "dora": (1, 1, 1, "lost"),
    }, "what has no limit of its own, as money in dollars, is scored by fifths"


@pytest.mark.parametrize(
    "limits",
    [
        {"rfm_recency_days": [30, 7, 90, 365]},
        {"rfm_recency_days": [7, 30, 90]},
        {"rfm_orders": [2, 2, 3, 4]},
        {"rfm_net": {"EUR": ["1", "2", "3", "2.99"]}},
        {"rfm_net": {"EURO": [1, 2, 3, 4]}},
    ],
)
def test_limits_of_scores_must_rise(limits: dict[str, Any]) -> None:
    with pytest.raises(SettingsInvalid):
        Company().changed(limits)


def test_cohorts_are_months_of_the_company_s_calendar_through_daylight_saving(report: Report) -> None:
    story = bought("anna", "2026-03-31T22:30:00Z", "2026-10-31T22:30:00Z", "2026-10-31T23:30:00Z")
    report.fill("purchases", rows(Purchases, *story, zone="Europe/Berlin"))
    # In Berlin half past midnight of 1 April in summer; half past eleven, and half past midnight, in winter again.
    answer = [(each["cohort"], each["months_since"]) for each in report.ask("SELECT * FROM cohorts")]
    assert answer == [("2026-04", 0), ("2026-04", 6), ("2026-04", 7)]


def test_cohorts_show_who_came_back_so_many_months_later(report: Report) -> None:
    story = [
        *bought("anna", "2025-12-03", "2025-12-20", "2026-02-01"),
        *bought("bert", "2025-12-24"),
        *bought("cleo", "2026-01-01", "2026-02-01"),
    ]
    report.fill("purchases", rows(Purchases, *story))
    assert [tuple(each.values()) for each in report.ask("SELECT * FROM cohorts")] == [
        ("2025-12", 0, 2, 2, 1.0),
        ("2025-12", 2, 1, 2, 0.5),
        ("2026-01", 0, 1, 1, 1.0),
        ("2026-01", 1, 1, 1, 1.0),
    ]


def test_repeat_purchases_by_how_often_and_up_to_a_day(report: Report) -> None:
    free = happened("2026-03-02", "OrderPlaced", "bert", order="gift", total=eur("0"))
    story = [
        *bought("anna", "2026-03-01", "2026-03-01", "2026-03-05", "2026-04-01"),
        *bought("bert", "2026-03-01"),
        *bought("cleo", "2026-03-01"),
        free,
    ]
    report.fill("purchases", rows(Purchases, *story))
    answer = [(each["repeat_purchases"], each["customers"]) for each in report.ask("SELECT * FROM repeat_purchases")]
    assert answer == [(0, 1), (1, 1), (2, 1)]
    until = """
        SELECT CAST(SUM(days - 1) AS BIGINT) AS repeats FROM (
            SELECT subject, COUNT(DISTINCT day) AS days FROM purchases
            WHERE orders > 0 AND day <= '2026-03-31' GROUP BY subject
        ) AS counted
    """
    assert report.ask(until) == [{"repeats": 2}]
