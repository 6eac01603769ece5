"""What competitors do, what it costs there, and what we lose to them."""

from typing import Any

import pytest

from domain.touchpoint import Envelope
from projections.assets import Assets
from projections.market import Market
from projections.opportunities import Opportunities
from tests.projections.report import Report
from tests.projections.story import corrected, eur, happened, row, rows


def seen(when: str, vendor: str = "Cups & Co", **more: Any) -> Envelope:
    return happened(when, "MarketObservationReported", subject="company", vendor=vendor, **more)


def test_an_observation_and_its_correction() -> None:
    observed = seen("2026-03-01", product="cup", price=eur("3.50"), weaknesses="breaks", touch_actor="eve")
    told = row(Market, observed)
    assert (told.observer, told.vendor, told.product, told.weaknesses) == ("eve", "Cups & Co", "cup", "breaks")
    assert (told.price_micros, told.currency) == (3_500_000, "EUR")
    mended = row(Market, observed, corrected(observed, "2026-03-02", replacement={"weaknesses": None}))
    assert (mended.weaknesses, mended.price_micros) == (None, 3_500_000)


def test_prices_then_and_now_and_what_to_do(report: Report) -> None:
    story = [
        seen("2026-03-01", product="cup", price=eur("4")),
        seen("2026-03-05", product="cup", price=eur("3"), strategy="price war", countermeasure="bundle"),
        seen("2026-03-03", product="cup", price=eur("5")),
        seen("2026-03-03", product="cup", price="9 USD"),
        seen("2026-03-04", strengths="large"),
    ]
    report.fill("market", rows(Market, *story))
    euros, dollars = report.ask("SELECT * FROM market_prices")
    prices = [euros[f"{name}_price_micros"] for name in ("first", "last", "lowest", "highest")]
    assert prices == [4_000_000, 3_000_000, 3_000_000, 5_000_000]
    assert (euros["change"], euros["observations"], euros["first_day"]) == (-0.25, 3, "2026-03-01")
    assert (dollars["currency"], dollars["change"]) == ("USD", 0)
    (war,) = report.ask("SELECT * FROM countermeasures")
    assert (war["strategy"], war["countermeasure"], war["day"]) == ("price war", "bundle", "2026-03-05")


def test_competitors_from_all_sides(report: Report) -> None:
    lost = [
        happened("2026-03-01", "OpportunityLost", opportunity=name, competitor=vendor)
        for name, vendor in (("1", "Cups & Co"), ("2", "Cups & Co"), ("3", "Mugs Ltd"))
    ]
    used = [
        happened("2026-03-01", "AssetRegistered", asset="1", product="cup", vendor="Cups & Co"),
        happened("2026-03-01", "AssetRegistered", asset="2", product="mug"),
    ]
    report.fill("market", rows(Market, seen("2026-03-02"), seen("2026-03-01", vendor="Pots AG")))
    report.fill("opportunities", rows(Opportunities, *lost))
    report.fill("assets", rows(Assets, *used))
    cups, mugs, pots = report.ask("SELECT * FROM competitors")
    assert (cups["vendor"], cups["observations"], cups["deals_lost"], cups["in_use"]) == ("Cups & Co", 1, 2, 1)
    assert cups["share_of_losses"] == pytest.approx(2 / 3)
    assert (mugs["vendor"], mugs["observations"], mugs["deals_lost"], mugs["last_day"]) == ("Mugs Ltd", 0, 1, None)
    assert (pots["vendor"], pots["deals_lost"], pots["share_of_losses"]) == ("Pots AG", 0, 0)
