"""How long deals stay in each stage."""

import pytest

from domain.touchpoint import Envelope
from projections.stages import Stages
from tests.projections.report import Report
from tests.projections.story import happened, rows


def moved(when: str, before: str, after: str, opportunity: str = "1") -> Envelope:
    fields = {"from": before, "to": after}
    return happened(when, "OpportunityStageChanged", opportunity=opportunity, **fields)


def test_a_deal_walks_through_the_stages_until_it_is_won() -> None:
    visits = rows(
        Stages,
        happened("2026-03-01T10:00:00Z", "OpportunityOpened", opportunity="1", stage="lead"),
        moved("2026-03-02T10:00:00Z", "lead", "offer"),
        happened("2026-03-02T10:01:30Z", "OpportunityWon", opportunity="1"),
    )
    assert [(visit.visit, visit.stage, visit.seconds) for visit in visits] == [(1, "lead", 86_400), (2, "offer", 90)]
    assert (visits[0].entered_day, visits[0].left_day) == ("2026-03-01", "2026-03-02")


def test_an_opening_without_a_stage_began_in_the_one_left_first() -> None:
    lead, offer = rows(
        Stages,
        happened("2026-03-01T10:00:00Z", "OpportunityOpened", opportunity="1"),
        moved("2026-03-01T10:00:05Z", "lead", "offer"),
    )
    assert (lead.stage, lead.seconds) == ("lead", 5)
    assert (offer.stage, offer.left_at, offer.left_day, offer.seconds) == ("offer", None, None, None)


def test_a_reopened_deal_comes_back_into_its_last_stage() -> None:
    visits = rows(
        Stages,
        happened("2026-03-01", "OpportunityOpened", opportunity="1", stage="lead"),
        happened("2026-03-02", "OpportunityLost", opportunity="1"),
        happened("2026-03-05", "OpportunityReopened", opportunity="1"),
    )
    assert [(visit.stage, visit.entered_day, visit.left_day) for visit in visits] == [
        ("lead", "2026-03-01", "2026-03-02"),
        ("lead", "2026-03-05", None),
    ]


def test_stage_times(report: Report) -> None:
    story = [
        happened("2026-03-01", "OpportunityOpened", opportunity="1", stage="lead"),
        moved("2026-03-03", "lead", "offer", "1"),
        moved("2026-03-04", "offer", "lead", "1"),
        moved("2026-03-08", "lead", "offer", "1"),
        happened("2026-03-01", "OpportunityOpened", opportunity="2", stage="lead"),
        moved("2026-03-10", "lead", "offer", "2"),
        happened("2026-03-01", "OpportunityOpened", opportunity="3", stage="lead"),
    ]
    report.fill("stages", rows(Stages, *story))
    lead, offer = report.ask("SELECT * FROM stage_times")
    assert (lead["stage"], lead["opportunities"], lead["visits"], lead["there_now"]) == ("lead", 3, 4, 1)
    assert lead["mean_days"] == pytest.approx((2 + 4 + 9) / 3)
    assert lead["median_days"] == 4.0
    assert (offer["visits"], offer["there_now"], offer["mean_days"]) == (3, 2, 1.0)
