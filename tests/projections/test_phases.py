"""How far round the circle customers come."""

import pytest

from projections.phases import Phases
from tests.projections.report import Report
from tests.projections.story import happened, merged, order, rows


def test_a_phase_shows_its_first_and_last_day_and_its_touchpoints() -> None:
    attraction, sale = rows(
        Phases,
        happened("2026-03-01", "PageViewed", url="https://shop.example/"),
        happened("2026-03-04", "ProductViewed", sku="mug"),
        happened("2026-03-09", "OpportunityOpened", opportunity="1"),
    )
    assert (attraction.phase, attraction.place, attraction.touchpoints) == ("attraction", 2, 2)
    assert (attraction.first_day, attraction.last_day) == ("2026-03-01", "2026-03-04")
    assert (sale.phase, sale.first_day, sale.last_day) == ("sale", "2026-03-09", "2026-03-09")


def test_a_late_touchpoint_moves_the_first_day_back() -> None:
    late = happened("2026-02-01", "ProductViewed", sku="mug")
    (attraction,) = rows(Phases, happened("2026-03-01", "ProductViewed", sku="mug"), late)
    assert (attraction.first_day, attraction.last_day) == ("2026-02-01", "2026-03-01")


def test_kinds_across_the_circle_and_campaigns_of_our_own_reach_no_phase() -> None:
    profile = happened("2026-03-01", "ProfileFieldChanged", field="city", new="Bonn")
    campaign = happened("2026-03-01", "CampaignLaunched", "spring", campaign="spring", channel="web")
    assert rows(Phases, profile, campaign) == []


def test_a_merged_customer_has_the_phases_of_both() -> None:
    seen = happened("2026-03-01", "ProductViewed", "visitor-7", sku="mug")
    bought = order("2026-03-03", "1", "5")
    phases = rows(Phases, seen, bought, *merged("2026-03-04", "anna", "visitor-7"))
    assert [(phase.subject, phase.phase) for phase in phases] == [("anna", "attraction"), ("anna", "order")]


def test_circle_conversion_counts_who_came_on_from_the_phase_before_and_how_soon(report: Report) -> None:
    story = [
        happened("2026-03-01", "ProductViewed", "anna", sku="mug"),
        happened("2026-03-03", "ContactMade", "anna", mode="call"),
        happened("2026-03-01", "ProductViewed", "bert", sku="mug"),
        happened("2026-03-05", "ContactMade", "bert", mode="call"),
        happened("2026-03-01", "ProductViewed", "cleo", sku="mug"),
        happened("2026-03-10", "ContactMade", "cleo", mode="call"),
        happened("2026-03-01", "ProductViewed", "dora", sku="mug"),
        happened("2026-03-09", "ContactMade", "emil", mode="call"),
    ]
    report.fill("phases", rows(Phases, *story))
    attraction, presentation = report.ask("SELECT * FROM circle")
    assert (attraction["phase"], attraction["subjects"], attraction["share_of_all"]) == ("attraction", 4, 0.8)
    assert (attraction["subjects_before"], attraction["share_of_before"]) == (None, None)
    assert (presentation["subjects"], presentation["subjects_before"], presentation["subjects_from_before"]) == (
        4,
        4,
        3,
    )
    assert presentation["share_of_before"] == 0.75
    assert presentation["mean_days"] == pytest.approx(5.0)
    assert presentation["median_days"] == pytest.approx(4.0)
