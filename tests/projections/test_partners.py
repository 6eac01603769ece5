"""Whom partners bring, what is sold with their help, and what they earn."""

from typing import Any

from domain.touchpoint import Envelope
from projections.partners import Partners
from tests.projections.report import Report
from tests.projections.story import corrected, eur, happened, merged, order, rows


def by_currency(*story: Envelope, partner: str = "p") -> dict[tuple[str, str], Any]:
    return {(each.subject, each.currency): each for each in rows(Partners, *story) if each.partner == partner}


BROUGHT = [
    happened("2026-03-01", "InquiryReceived", inquiry="i", touch_partner="p"),
    happened("2026-03-02", "OpportunityOpened", opportunity="d", touch_partner="p"),
    happened("2026-03-05", "OpportunityWon", opportunity="d"),
    order("2026-03-05", "o", "100", touch_partner="p"),
    order("2026-03-09", "own", "50"),
]


def test_a_partner_brings_a_customer_who_buys() -> None:
    found = by_currency(*BROUGHT)
    told, euros = found["anna", ""], found["anna", "EUR"]
    assert (told.brought, told.touches, told.opportunities, told.won) == (1, 3, 1, 1)
    assert (told.first_day, told.last_day, told.orders) == ("2026-03-01", "2026-03-05", 0)
    assert (euros.orders, euros.gross_micros, euros.touches, euros.brought) == (1, 100_000_000, 0, 0)


def test_what_is_called_off_or_lost_after_all_is_no_contribution() -> None:
    off = happened("2026-03-10", "OrderCancelled", order="o")
    reopened = happened("2026-03-10", "OpportunityReopened", opportunity="d")
    found = by_currency(*BROUGHT, off, reopened)
    assert (found["anna", "EUR"].orders, found["anna", "EUR"].net_micros, found["anna", ""].won) == (0, 0, 0)


def test_a_customer_who_was_known_before_was_not_brought_even_if_that_arrives_late() -> None:
    late = happened("2026-02-01", "PageViewed", url="https://example.org")
    assert by_currency(*BROUGHT, late)["anna", ""].brought == 0
    assert by_currency(*BROUGHT, late, corrected(late, "2026-03-11", retraction=True))["anna", ""].brought == 1


def test_contacts_of_an_absorbed_customer_count_for_the_survivor() -> None:
    told = by_currency(*BROUGHT, *merged("2026-03-11", "bert", "anna"))
    assert (told["bert", ""].touches, told["bert", "EUR"].orders) == (3, 1)


def test_partners_reach_and_contribution(report: Report) -> None:
    told = rows(
        Partners,
        *BROUGHT,
        happened("2026-01-01", "PartnerRegistered", subject="p", partner="p", role="agent"),
        happened("2026-03-06", "CommissionBooked", subject="p", partner="p", amount=eur("15"), cause="o"),
        happened("2026-03-06", "CommissionBooked", subject="p", partner="p", amount="4 USD"),
        happened("2026-03-07", "ContactMade", subject="bert", mode="call"),
        happened("2026-03-08", "ContactMade", subject="bert", mode="call", touch_partner="p"),
    )
    report.fill("partners", told)
    (reach,) = report.ask("SELECT * FROM partners_reach")
    assert (reach["role"], reach["registered_day"], reach["customers"], reach["brought"]) == (
        "agent", "2026-01-01", 2, 1
    )  # fmt: skip
    assert (reach["touches"], reach["opportunities"], reach["won"]) == (4, 1, 1)
    euros, dollars = report.ask("SELECT * FROM partners_contribution")
    assert (euros["customers"], euros["orders"], euros["net_micros"]) == (1, 1, 100_000_000)
    assert (euros["commission_micros"], euros["contribution_micros"]) == (15_000_000, 85_000_000)
    assert euros["commission_share"] == 0.15
    assert (dollars["currency"], dollars["contribution_micros"], dollars["commission_share"]) == (
        "USD", -4_000_000, None
    )  # fmt: skip
