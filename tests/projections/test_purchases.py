"""What was bought, and what remains of it after cancelling, returning and refunding."""

from domain.company import Company
from domain.money import MICROS_MAX, decimal
from domain.touchpoint import Envelope
from projections.purchases import Purchases
from tests.projections.report import Report
from tests.projections.story import corrected, eur, facts_of, happened, line, merged, order, row, rows


def two_mugs_and_a_pot(when: str = "2026-03-01") -> Envelope:
    """Net 40, with tax and shipping 50."""
    lines = [line("mug", 2, "30"), line("pot", 1, "10")]
    return happened(when, "OrderPlaced", order="1", lines=lines, total=eur("50"), tax=eur("6"), shipping=eur("4"))


def test_an_order_counts_on_its_day_without_tax_and_shipping() -> None:
    day = row(Purchases, two_mugs_and_a_pot("2026-03-01T23:30:00+00:00"), zone="Europe/Berlin")
    assert (day.day, day.currency, day.orders) == ("2026-03-02", "EUR", 1)
    assert (day.quantity_micros, day.gross_micros, day.net_micros) == (3_000_000, 40_000_000, 40_000_000)


def test_an_order_without_lines_counts_its_total_less_tax_and_shipping() -> None:
    day = row(Purchases, happened("2026-03-01", "OrderPlaced", order="1", total=eur("12"), tax=eur("2")))
    assert (day.gross_micros, day.quantity_micros) == (10_000_000, 0)


def test_orders_of_one_day_share_a_row_and_an_order_of_zero_is_an_order() -> None:
    day = row(Purchases, order("2026-03-01T09:00:00Z", "1", "5"), order("2026-03-01T19:00:00Z", "2", "0"))
    assert (day.orders, day.gross_micros) == (2, 5_000_000)


def test_currencies_stand_apart() -> None:
    dollars = happened("2026-03-01", "OrderPlaced", order="2", total="7 USD")
    assert [(day.currency, day.gross_micros) for day in rows(Purchases, order("2026-03-01", "1", "5"), dollars)] == [
        ("EUR", 5_000_000),
        ("USD", 7_000_000),
    ]


def test_a_cancelled_order_is_no_order_but_its_value_is_shown_as_cancelled() -> None:
    day = row(Purchases, two_mugs_and_a_pot(), happened("2026-03-05", "OrderCancelled", order="1"))
    assert (day.day, day.orders, day.gross_micros) == ("2026-03-01", 0, 40_000_000)
    assert (day.cancelled_micros, day.net_micros) == (40_000_000, 0)


def test_cancelling_one_of_two_pieces_takes_half_the_line() -> None:
    off = happened("2026-03-05", "OrderCancelled", order="1", lines=[line("mug", 1)])
    day = row(Purchases, two_mugs_and_a_pot(), off)
    assert (day.orders, day.cancelled_micros, day.net_micros) == (1, 15_000_000, 25_000_000)


def test_cancelling_piece_by_piece_ends_as_a_cancelled_order() -> None:
    off = happened("2026-03-05", "OrderCancelled", order="1", lines=[line("mug", 2), line("pot", 1)])
    assert row(Purchases, two_mugs_and_a_pot(), off).orders == 0


def test_an_amended_order_has_the_new_quantities() -> None:
    more = happened("2026-03-02", "OrderAmended", order="1", lines=[line("mug", 4), line("lid", 1, "3")])
    day = row(Purchases, two_mugs_and_a_pot(), more)
    assert (day.day, day.quantity_micros, day.gross_micros) == ("2026-03-01", 6_000_000, 73_000_000)


def test_a_return_and_the_refund_for_it_count_once() -> None:
    back = happened("2026-03-08", "ReturnReceived", order="1", lines=[line("mug", 2)])
    refund = happened("2026-03-09", "RefundIssued", order="1", amount=eur("37.50"))
    returned = row(Purchases, two_mugs_and_a_pot(), back)
    assert (returned.day, returned.returned_micros, returned.net_micros) == ("2026-03-01", 30_000_000, 10_000_000)
    both = row(Purchases, two_mugs_and_a_pot(), back, refund)
    assert (both.returned_micros, both.refunded_micros, both.net_micros) == (30_000_000, 37_500_000, 10_000_000)


def test_the_refund_of_a_cancelled_order_counts_once_and_takes_tax_and_shipping_off() -> None:
    story = [two_mugs_and_a_pot(), happened("2026-03-05", "OrderCancelled", order="1")]
    refund = happened("2026-03-09", "RefundIssued", order="1", amount=eur("50"))
    assert row(Purchases, *story, refund).net_micros == 0
    assert row(Purchases, two_mugs_and_a_pot(), refund).net_micros == 0


def test_goods_that_come_back_without_an_order_count_on_their_own_day() -> None:
    back = happened("2026-03-08", "ReturnReceived", lines=[line("mug", 1, "15")])
    bought, returned = rows(Purchases, two_mugs_and_a_pot(), back)
    assert bought.net_micros == 40_000_000
    assert (returned.day, returned.orders, returned.gross_micros, returned.net_micros) == (
        "2026-03-08",
        0,
        0,
        -15_000_000,
    )


def test_a_refund_that_is_told_before_its_order_waits_for_it() -> None:
    refund = happened("2026-02-20", "RefundIssued", order="1", amount=eur("50"))
    early = row(Purchases, refund)
    assert (early.day, early.orders, early.net_micros) == ("2026-02-20", 0, -50_000_000)
    day = row(Purchases, refund, two_mugs_and_a_pot())
    assert (day.day, day.orders, day.refunded_micros, day.net_micros) == ("2026-03-01", 1, 50_000_000, 0)


def test_a_refund_in_another_currency_is_not_mixed_in() -> None:
    refund = happened("2026-03-09", "RefundIssued", order="1", amount="5 USD")
    euros, dollars = rows(Purchases, two_mugs_and_a_pot(), refund)
    assert (euros.currency, euros.orders, euros.net_micros) == ("EUR", 1, 40_000_000)
    assert (dollars.currency, dollars.orders, dollars.net_micros) == ("USD", 0, -5_000_000)


def test_a_corrected_order_moves_to_the_day_it_was_really_placed_on() -> None:
    placed = two_mugs_and_a_pot()
    fix = corrected(placed, "2026-03-20", occurred="2026-02-27T12:00:00+00:00")
    assert row(Purchases, placed, fix).day == "2026-02-27"


def test_after_a_merge_both_customers_orders_of_a_day_are_one_row() -> None:
    other = order("2026-03-01", "2", "5", touch_subject="a.smith")
    day = row(Purchases, two_mugs_and_a_pot(), other, *merged("2026-03-09", "anna", "a.smith"))
    assert (day.subject, day.orders, day.gross_micros) == ("anna", 2, 45_000_000)


def test_purchases_by_month(report: Report) -> None:
    other = order("2026-03-30", "2", "5", touch_subject="bert")
    report.fill("purchases", rows(Purchases, two_mugs_and_a_pot(), other, order("2026-04-01", "3", "1")))
    march, april = report.ask("SELECT * FROM purchases_by_month")
    assert (march["period"], march["currency"], march["customers"], march["orders"]) == ("2026-03", "EUR", 2, 2)
    assert (march["gross_micros"], april["net_micros"]) == (45_000_000, 1_000_000)


def test_an_order_told_after_its_refund_changes_the_rows_of_both_days() -> None:
    refund = happened("2026-02-20", "RefundIssued", order="1", amount=eur("50"))
    lens, (first, second) = Purchases(Company()), facts_of([refund, two_mugs_and_a_pot()])
    state, _ = lens.evolve(lens.initial("anna"), first)
    state, changed = lens.evolve(state, second)
    assert set(changed) == {("2026-02-20", "EUR"), ("2026-03-01", "EUR")}
    assert lens.row(state, ("2026-02-20", "EUR")) is None


def test_a_sum_beyond_64_bits_stands_at_the_limit() -> None:
    most = str(decimal(MICROS_MAX))
    assert row(Purchases, order("2026-03-01", "1", most), order("2026-03-01", "2", most)).gross_micros == MICROS_MAX
