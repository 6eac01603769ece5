"""Which products customers use, for how long, and how they fare."""

import pytest

from domain.touchpoint import Envelope
from projections.assets import Assets
from projections.feedback import Feedback
from projections.surveys import Surveys
from projections.tickets import Tickets
from tests.projections.report import Report
from tests.projections.story import corrected, happened, merged, row, rows


def registered(when: str, asset: str = "1", subject: str = "anna", product: str = "press", **more: str) -> Envelope:
    return happened(when, "AssetRegistered", subject=subject, asset=asset, product=product, **more)


def retired(when: str, asset: str = "1", subject: str = "anna", reason: str = "worn out") -> Envelope:
    return happened(when, "AssetRetired", subject=subject, asset=asset, reason=reason)


def test_a_product_from_its_first_day_to_its_last() -> None:
    asset = row(
        Assets,
        registered("2026-03-01", order="o-1"),
        happened("2026-03-02T08:00Z", "DowntimeReported", asset="1"),
        happened("2026-03-02T09:00Z", "DowntimeReported", asset="1"),
        happened("2026-03-02T10:00Z", "DowntimeEnded", asset="1"),
        happened("2026-03-03", "FieldVisitPerformed", site="hall 2", asset="1"),
        happened("2026-03-04", "FieldVisitPerformed", site="hall 2"),
        retired("2026-03-31"),
    )
    assert (asset.product, asset.ours, asset.order_id, asset.status) == ("press", 1, "o-1", "retired")
    assert (asset.registered_day, asset.retired_day, asset.retired_reason) == ("2026-03-01", "2026-03-31", "worn out")
    assert (asset.life_days, asset.in_use_since_day) == (30, None)
    assert (asset.downtimes, asset.downtime_seconds, asset.down_since_at) == (1, 7_200, None)
    assert (asset.visits, asset.last_visit_day) == (1, "2026-03-03")


def test_what_is_taken_into_use_again_lives_on() -> None:
    story = [registered("2026-03-01"), retired("2026-03-11"), registered("2026-03-21")]
    again = row(Assets, *story)
    assert (again.status, again.in_use_since_day, again.retired_reason) == ("in use", "2026-03-21", None)
    assert (again.registrations, again.life_days) == (2, 10)
    assert row(Assets, *story, retired("2026-03-26")).life_days == 15


def test_what_is_known_of_an_asset_before_its_registration_arrives() -> None:
    down = happened("2026-03-02T08:00Z", "DowntimeReported", asset="1")
    unknown = row(Assets, down)
    assert (unknown.status, unknown.product, unknown.ours, unknown.registered_day) == ("in use", None, None, None)
    assert unknown.down_since_at == 1_772_438_400_000_000
    assert row(Assets, down, registered("2026-03-01")).product == "press"


def test_a_retirement_that_did_not_happen() -> None:
    mistake = retired("2026-03-11")
    asset = row(Assets, registered("2026-03-01"), mistake, corrected(mistake, "2026-03-12", retraction=True))
    assert (asset.status, asset.life_days) == ("in use", 0)


def test_assets_of_an_absorbed_customer_are_the_survivors() -> None:
    ended = retired("2026-03-11", subject="bert")
    asset = row(Assets, registered("2026-03-01"), *merged("2026-03-02", "bert", "anna"), ended)
    assert (asset.subject, asset.status, asset.life_days) == ("bert", "retired", 10)


def test_the_life_cycle_of_products_and_what_development_should_know(report: Report) -> None:
    story = [
        registered("2026-03-01", "1"), retired("2026-03-11", "1"),
        registered("2026-03-01", "2"), retired("2026-03-21", "2"),
        registered("2026-03-01", "3", "bert"), retired("2026-03-31", "3", "bert", "too small"),
        registered("2026-03-21", "4", "bert"),
        registered("2026-03-01", "5", vendor="Presses & Co"),
        happened("2026-03-22T08:00Z", "DowntimeReported", subject="bert", asset="4"),
        happened("2026-03-23", "TicketOpened", subject="bert", ticket="t", product="press"),
        happened("2026-03-24", "FeedbackGiven", product="press", opinion="!", sentiment="positive"),
        happened("2026-03-24", "ComplaintReceived", complaint="c", about="noise", product="press"),
        happened("2026-03-25", "SurveyAnswered", question="q", metric="csat", score=3.0, product="press"),
    ]  # fmt: skip
    for view in (Assets, Feedback, Surveys, Tickets):
        report.fill(view.name, rows(view, *story))
    report.at(1_774_958_400_000_000, "2026-03-31")
    ours, theirs = report.ask("SELECT * FROM product_life_cycle")
    assert (ours["assets"], ours["customers"], ours["in_use"], ours["retired"], ours["down_now"]) == (4, 2, 1, 3, 1)
    assert (ours["mean_life_days"], ours["median_life_days"], ours["mean_days_in_use"]) == (20, 20, 10)
    assert (theirs["vendor"], theirs["in_use"], theirs["mean_life_days"]) == ("Presses & Co", 1, None)
    why = report.ask("SELECT reason, retired, mean_life_days FROM retirements")
    assert [tuple(each.values()) for each in why] == [("worn out", 2, 15), ("too small", 1, 30)]
    (press,) = report.ask("SELECT * FROM product_development")
    assert (press["in_use"], press["retired"], press["downtimes"], press["tickets"]) == (1, 3, 1, 1)
    assert (press["praise"], press["blame"], press["complaints"]) == (1, 1, 1)
    assert (press["answers"], press["mean_share"]) == (1, pytest.approx(0.5))
