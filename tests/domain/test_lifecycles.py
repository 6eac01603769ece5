"""A scenario for each rule of opportunities, quotes, orders, shipments and returns."""

import pytest

from domain.company import Company
from tests.scenario import (
    accepted,
    amended,
    cancelled,
    confirmed,
    corrected,
    declined,
    delivered,
    given,
    merged,
    moved,
    opportunity,
    order,
    quote,
    returned,
    said,
    shipment,
)

# Opportunities


def test_a_whole_sale_breaks_nothing() -> None:
    given(
        opportunity("Opened"), moved("new", "visited"), moved("visited", "offered"), quote("2026-12-31"), accepted(),
        opportunity("Won"), order("1", quote="q", A=2, B=1), confirmed(), amended(A=3), shipment("s1", "1", A=3),
        shipment("s2", "1", B=1), delivered("s1"), delivered("s2"), returned("1", A=1), returned(B=1),
    ).breaches_nothing()  # fmt: skip


def test_a_stage_change_leaves_the_current_stage() -> None:
    given(opportunity("Opened"), moved("new", "visited")).when(moved("new", "offered")).breaches(
        "opportunity", "not its stage"
    ).when(moved("offered", "agreed")).breaches("opportunity", "not its stage")


def test_a_stage_stated_at_the_opening_counts() -> None:
    given(opportunity("Opened", stage="new")).when(moved("visited", "offered")).breaches("opportunity", "not its stage")


def test_won_twice_is_a_breach_and_stays_won() -> None:
    given(opportunity("Opened"), opportunity("Won")).when(opportunity("Won")).breaches("opportunity", "already won")


def test_what_really_happened_counts_even_when_it_was_a_breach() -> None:
    won_after_lost = given(opportunity("Opened"), opportunity("Lost"), opportunity("Won"))
    won_after_lost.breaches("opportunity", "already lost")
    rules = [breach.rule for breach in won_after_lost.when(opportunity("Lost")).standing()]
    assert rules == ["opportunity/already lost", "opportunity/already won"]


def test_two_opportunities_do_not_disturb_each_other() -> None:
    given(opportunity("Opened", "a"), opportunity("Opened", "b"), opportunity("Won", "a")).when(
        opportunity("Lost", "b")
    ).breaches_nothing()


def test_a_won_before_its_opening_is_won_all_the_same() -> None:
    early = given(opportunity("Opened").on("2026-03-05T10:00"), opportunity("Won").on("2026-03-04T10:00"))
    early.breaches("opportunity", "before its opening")
    rules = [breach.rule for breach in early.when(opportunity("Lost").on("2026-03-06T10:00")).standing()]
    assert rules == ["opportunity/before its opening", "opportunity/already won"]


@pytest.mark.parametrize("dated", ["step", "opening", "both"])
def test_date_precision_on_either_side_compares_dates(dated: str) -> None:
    opened = "2026-03-05" if dated != "step" else "2026-03-05T16:00"
    won = "2026-03-05" if dated != "opening" else "2026-03-05T00:00"
    given(opportunity("Won").on(won)).when(opportunity("Opened").on(opened)).breaches_nothing()
    before = "2026-03-04" if dated != "opening" else "2026-03-04T23:59"
    given(opportunity("Won").on(before)).when(opportunity("Opened").on(opened)).breaches(
        "opportunity", "before its opening"
    )


def test_dates_are_those_of_the_company() -> None:
    # 23:30 UTC on the 4th is the 5th in Berlin.
    berlin = Company(zone="Europe/Berlin")
    orphan = given(opportunity("Won").on("2026-03-04T23:30"), company=berlin)
    orphan.when(opportunity("Opened").on("2026-03-05")).breaches_nothing()


# Quotes


def test_an_order_on_an_expired_quote_is_a_breach() -> None:
    given(quote("2026-03-01").on("2026-02-01")).when(order("1", quote="q").on("2026-03-05")).breaches(
        "quote", "expired"
    )


def test_a_quote_holds_through_its_last_day_in_the_company_zone() -> None:
    issued = quote("2026-03-01").on("2026-02-01")
    last_minute = order("1", quote="q").on("2026-03-01T23:30")
    given(issued, last_minute).breaches_nothing()
    given(issued, last_minute, company=Company(zone="Europe/Berlin")).breaches("quote", "expired")


def test_an_order_on_a_declined_quote_is_a_breach() -> None:
    given(quote("2026-12-31"), declined()).when(order("1", quote="q")).breaches("quote", "declined")


def test_an_order_on_a_quote_unknown_to_this_customer_is_a_breach() -> None:
    given(quote("2026-12-31").of("ben")).when(order("1", quote="q")).breaches("quote", "never issued")


# Orders and shipments


def test_a_shipment_that_arrives_before_its_order_is_a_breach_until_the_order_arrives() -> None:
    early = given(shipment("s", "1", A=1).on("2026-03-10T10:00")).breaches("order", "never placed")
    early.when(order("1", A=1).on("2026-03-09T10:00")).breaches_nothing()


def test_shipping_more_than_ordered_is_a_breach() -> None:
    given(order("1", A=2), shipment("s1", "1", A=1)).when(shipment("s2", "1", A=2)).breaches(
        "order", "more than ordered"
    )


def test_shipping_what_was_not_ordered_is_a_breach() -> None:
    given(order("1", A=2)).when(shipment("s", "1", B=1)).breaches("order", "more than ordered")


def test_shipping_what_was_cancelled_is_a_breach() -> None:
    given(order("1", A=2, B=1), cancelled("1", A=1)).when(shipment("s", "1", A=2)).breaches(
        "order", "more than ordered"
    )


def test_the_tolerance_is_the_companys() -> None:
    company = Company(over_delivery_tolerance=0.1)
    ten = given(order("1", A=10), company=company)
    ten.when(shipment("s", "1", A=11)).breaches_nothing()
    ten.when(shipment("s", "1", A=12)).breaches("order", "more than ordered")


def test_goods_without_a_name_are_compared_in_sum() -> None:
    unnamed = said("OrderPlaced", order="1", total="9 EUR", lines=[{"quantity": 3, "net": "9 EUR"}])
    given(unnamed).when(shipment("s", "1", A=3)).breaches_nothing()
    given(unnamed).when(shipment("s", "1", A=2, B=2)).breaches("order", "more than ordered")


def test_an_order_without_lines_sets_no_limit() -> None:
    given(order("1")).when(shipment("s", "1", A=3), amended("1", A=5), shipment("s2", "1", A=2)).breaches_nothing()


def test_goods_may_be_named_by_their_order_line() -> None:
    by_line = said("ShipmentDispatched", shipment="s", order="1", lines=[{"line": "2", "quantity": 2}])
    given(order("1", A=2, B=1)).when(by_line).breaches("order", "more than ordered")
    given(order("1", A=1, B=2)).when(by_line).breaches_nothing()


def test_quantities_may_be_fractions() -> None:
    half = said("ShipmentDispatched", shipment="s", order="1", lines=[{"sku": "A", "quantity": "1.5"}])
    given(order("1", A=2)).when(half).breaches_nothing()
    given(order("1", A=1)).when(half).breaches("order", "more than ordered")


def test_amending_below_what_was_dispatched_is_a_breach() -> None:
    shipped = given(order("1", A=3), shipment("s", "1", A=2))
    shipped.when(amended("1", A=1)).breaches("order", "below what was dispatched")
    shipped.when(amended("1", A=2)).breaches_nothing()


def test_an_amendment_moves_the_limit_of_its_lines_only() -> None:
    given(order("1", A=1, B=1), amended("1", A=5)).when(shipment("s", "1", A=5, B=1)).breaches_nothing()


def test_cancelling_after_delivery_is_a_breach() -> None:
    given(order("1", A=2), shipment("s", "1", A=2), delivered("s")).when(cancelled("1")).breaches(
        "order", "cancelled after delivery"
    )


def test_what_is_not_delivered_may_be_cancelled() -> None:
    half = given(order("1", A=2), shipment("s", "1", A=1), delivered("s"))
    half.when(cancelled("1", A=1)).breaches_nothing()
    half.when(cancelled("1", A=2)).breaches("order", "cancelled after delivery")


def test_an_order_whose_goods_are_all_cancelled_is_cancelled() -> None:
    given(order("1", A=2), cancelled("1", A=2)).when(confirmed("1")).breaches("order", "already cancelled")
    given(order("1", A=2, B=1), cancelled("1", A=2)).when(confirmed("1")).breaches_nothing()


def test_delivery_of_what_was_never_dispatched_is_a_breach() -> None:
    given(order("1", A=1)).when(delivered("s")).breaches("shipment", "never dispatched")


def test_an_order_placed_twice_is_a_breach() -> None:
    given(order("1", A=1)).when(order("1", A=1)).breaches("order", "placed twice")


# Returns


def test_a_return_of_what_was_never_bought_is_a_breach() -> None:
    given(order("1", A=1)).when(returned(B=1)).breaches("goods", "never bought")


def test_a_purchase_after_the_return_does_not_excuse_it() -> None:
    given(returned(A=1).on("2026-03-01T10:00")).when(order("1", A=1).on("2026-03-02T10:00")).breaches(
        "goods", "never bought"
    )


def test_a_return_on_the_day_of_the_purchase_is_none_when_only_dates_are_known() -> None:
    given(returned(A=1).on("2026-03-01T07:00"), order("1", A=1).on("2026-03-01T08:00")).breaches(
        "goods", "never bought"
    )
    given(returned(A=1).on("2026-03-01"), order("1", A=1).on("2026-03-01T08:00")).breaches_nothing()


def test_a_return_of_more_than_was_bought_is_a_breach() -> None:
    twice = given(order("1", A=2), order("2", A=1))
    twice.when(returned(A=3)).breaches_nothing()
    twice.when(returned(A=2), returned(A=2)).breaches("goods", "more than was bought")


def test_amendments_and_cancellations_count_as_bought_or_not() -> None:
    given(order("1", A=1), amended("1", A=4)).when(returned(A=4)).breaches_nothing()
    given(order("1", A=4), cancelled("1", A=3)).when(returned(A=2)).breaches("goods", "more than was bought")


def test_a_return_that_names_its_order_is_judged_by_that_order() -> None:
    two = given(order("1", A=1), order("2", A=5))
    two.when(returned("1", A=2)).breaches("order", "more than was bought")
    two.when(returned("2", A=5), returned(A=2)).breaches("goods", "more than was bought")
    two.when(returned("9", A=1)).breaches("order", "never placed")


# Merges and corrections


def test_an_order_of_both_halves_of_a_merge_is_a_breach() -> None:
    given(order("1", A=1), merged("anna", "ben")).when(order("1", A=1).of("ben")).breaches(
        "order", "in both halves of a merge"
    )


def test_steps_may_go_on_under_the_survivor() -> None:
    given(order("1", A=1).of("ben"), merged("anna", "ben")).when(
        confirmed("1"), shipment("s", "1", A=1)
    ).breaches_nothing()


def test_a_correction_whose_target_is_not_there_is_a_breach_until_it_arrives() -> None:
    lonely = given(corrected("t9", probability=0.5)).breaches("correction", "target not there")
    arrived = lonely.when(opportunity("Opened"), opportunity("Changed").named("t9"))
    arrived.breaches_nothing()


def test_a_correction_can_heal_a_breach() -> None:
    wrong = given(quote("2026-03-01").on("2026-02-01").named("q1"), order("1", quote="q").on("2026-03-05"))
    wrong.breaches("quote", "expired")
    wrong.when(corrected("q1", valid_until="2026-03-31")).breaches_nothing()
