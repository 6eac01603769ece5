"""The pipeline: won, lost, reopened, in whatever order it is told."""

from typing import Any

import pytest

from domain.touchpoint import Envelope
from projections.opportunities import Opportunities
from tests.projections.report import Report
from tests.projections.story import corrected, eur, happened, merged, row, rows


def opened(when: str, opportunity: str = "1", **fields: Any) -> Envelope:
    return happened(when, "OpportunityOpened", opportunity=opportunity, **fields)


def won(when: str, opportunity: str = "1", **fields: Any) -> Envelope:
    return happened(when, "OpportunityWon", opportunity=opportunity, **fields)


def lost(when: str, opportunity: str = "1", **fields: Any) -> Envelope:
    return happened(when, "OpportunityLost", opportunity=opportunity, **fields)


def test_an_opening_shows_what_is_hoped_for() -> None:
    deal = row(
        Opportunities,
        opened(
            "2026-03-01",
            product="CRM",
            amount=eur("1200.50"),
            lead_source="fair",
            origin="mined",
            expected_close="2026-05-01",
            stage="lead",
        ),
    )
    assert (deal.status, deal.opened_day, deal.closed_day, deal.days_to_close) == ("open", "2026-03-01", None, None)
    assert (deal.amount_micros, deal.currency) == (1_200_500_000, "EUR")
    assert (deal.product, deal.lead_source, deal.origin) == ("CRM", "fair", "mined")
    assert (deal.expected_close, deal.stage) == ("2026-05-01", "lead")


def test_a_win_is_dated_in_the_company_s_zone() -> None:
    deal = row(
        Opportunities,
        opened("2026-03-01"),
        won("2026-03-15T02:30:00+00:00", amount=eur("99")),
        zone="America/Sao_Paulo",
    )
    assert (deal.status, deal.closed_day, deal.days_to_close) == ("won", "2026-03-14", 13)
    assert deal.amount_micros == 99_000_000
    assert deal.closed_dayno - deal.opened_dayno == deal.days_to_close


def test_a_win_before_the_first_contact_counts_with_days_below_zero() -> None:
    deal = row(Opportunities, opened("2026-03-03", lead_source="web"), won("2026-03-01"))
    assert (deal.status, deal.lead_source, deal.days_to_close) == ("won", "web", -2)


def test_a_win_without_an_opening_counts_without_days() -> None:
    deal = row(Opportunities, won("2026-03-01"))
    assert (deal.status, deal.opened_day, deal.days_to_close) == ("won", None, None)


def test_a_loss_keeps_where_why_and_to_whom_until_it_is_reopened() -> None:
    story = [
        opened("2026-03-01", stage="lead"),
        happened("2026-03-02", "OpportunityStageChanged", opportunity="1", **{"from": "lead", "to": "offer"}),
        lost("2026-03-05", reason="price", competitor="Acme"),
    ]
    deal = row(Opportunities, *story)
    assert (deal.status, deal.lost_stage, deal.lost_reason, deal.lost_competitor) == ("lost", "offer", "price", "Acme")
    deal = row(Opportunities, *story, happened("2026-03-07", "OpportunityReopened", opportunity="1"))
    assert (deal.status, deal.closed_day, deal.lost_reason, deal.reopened) == ("open", None, None, 1)
    assert deal.stage == "offer"


def test_changes_replace_what_was_hoped_for() -> None:
    deal = row(
        Opportunities,
        opened("2026-03-01", amount=eur("10"), owner="eve"),
        happened("2026-03-02", "OpportunityChanged", opportunity="1", amount=eur("20"), probability=0.6, owner="bob"),
    )
    assert (deal.amount_micros, deal.probability, deal.owner) == (20_000_000, 0.6, "bob")


def test_without_an_owner_the_first_actor_is_responsible() -> None:
    assert row(Opportunities, opened("2026-03-01"), won("2026-03-02", touch_actor="sam")).owner == "sam"
    assert row(Opportunities, opened("2026-03-01", owner="eve", touch_actor="robot")).owner == "eve"


def test_a_late_correction_changes_the_outcome() -> None:
    loss = lost("2026-03-05", reason="price")
    deal = row(
        Opportunities, opened("2026-03-01"), loss, won("2026-03-06"), corrected(loss, "2026-03-20", retraction=True)
    )
    assert (deal.status, deal.closed_day) == ("won", "2026-03-06")


def test_the_opportunities_of_an_absorbed_customer_go_to_the_survivor() -> None:
    other = happened("2026-03-01", "OpportunityOpened", "a.smith", opportunity="7")
    deals = rows(Opportunities, opened("2026-03-01"), other, *merged("2026-03-02", "anna", "a.smith"))
    assert [(deal.subject, deal.opportunity) for deal in deals] == [("anna", "1"), ("anna", "7")]


def pipeline() -> list[Envelope]:
    return [
        opened("2026-01-01", "1", lead_source="web", owner="eve"),
        won("2026-01-11", "1"),
        opened("2026-01-02", "2", lead_source="web", owner="eve"),
        won("2026-01-06", "2"),
        opened("2026-01-05", "3", lead_source="web", owner="bob", amount=eur("7")),
        lost("2026-01-09", "3", stage="offer", reason="price", competitor="Acme"),
        opened("2026-02-05", "4", owner="bob"),
        won("2026-02-04", "4"),
        opened("2026-02-06", "5", lead_source="unknown", owner="bob"),
        opened("2026-02-07", "6", lead_source="web", owner="bob", amount=eur("5")),
        lost("2026-02-08", "6", stage="offer", reason="price", competitor="Acme"),
        opened("2026-02-07", "7", lead_source="web", amount="3 USD"),
        lost("2026-02-08", "7", stage="offer", reason="price", competitor="Acme"),
        won("2026-02-09", "8"),
    ]


def test_the_funnel_by_source_keeps_unknown_and_unstated_apart(report: Report) -> None:
    report.fill("opportunities", rows(Opportunities, *pipeline()))
    found = {source["lead_source"]: source for source in report.ask("SELECT * FROM funnel")}
    assert set(found) == {"web", "unknown", None}
    web = found["web"]
    assert [web[name] for name in ("leads", "won", "lost", "open")] == [5, 2, 3, 0]
    assert web["rate"] == pytest.approx(0.4)
    assert (web["mean_days"], web["median_days"]) == (7.0, 7.0)
    assert (found["unknown"]["leads"], found["unknown"]["won"], found["unknown"]["mean_days"]) == (1, 0, None)
    assert (found[None]["leads"], found[None]["won"], found[None]["median_days"]) == (2, 2, -1.0)


def test_the_whole_funnel_in_one_row(report: Report) -> None:
    assert report.ask("SELECT leads, won, rate, median_days FROM funnel_total") == [
        {"leads": 0, "won": 0, "rate": None, "median_days": None}
    ]
    report.fill("opportunities", rows(Opportunities, *pipeline()))
    (total,) = report.ask("SELECT * FROM funnel_total")
    assert [total[name] for name in ("leads", "won", "lost", "open")] == [8, 4, 3, 1]
    assert total["mean_days"] == pytest.approx((10 + 4 - 1) / 3)
    assert total["median_days"] == 4.0


def test_the_funnel_by_owner_and_by_month_of_opening(report: Report) -> None:
    report.fill("opportunities", rows(Opportunities, *pipeline()))
    owners = {row["owner"]: (row["leads"], row["won"]) for row in report.ask("SELECT * FROM funnel_by_owner")}
    assert owners == {"eve": (2, 2), "bob": (4, 1), None: (2, 1)}
    months = [(row["period"], row["leads"], row["won"]) for row in report.ask("SELECT * FROM funnel_by_month")]
    assert months == [("2026-01", 3, 2), ("2026-02", 4, 1), (None, 1, 1)]


def test_losses_never_add_up_two_currencies(report: Report) -> None:
    report.fill("opportunities", rows(Opportunities, *pipeline()))
    euros, dollars = report.ask("SELECT * FROM funnel_losses")
    assert (euros["stage"], euros["reason"], euros["competitor"]) == ("offer", "price", "Acme")
    assert (euros["currency"], euros["lost"], euros["amount_micros"]) == ("EUR", 2, 12_000_000)
    assert (dollars["currency"], dollars["lost"], dollars["amount_micros"]) == ("USD", 1, 3_000_000)
