"""What was bought of each product, what was kept of it, and what it brought."""

from domain.touchpoint import Envelope
from projections.order_lines import OrderLines
from projections.purchases import Purchases
from tests.projections.report import Report
from tests.projections.story import corrected, eur, happened, line, merged, order, row, rows


def mugs_and_a_pot(when: str = "2026-03-01", number: str = "1") -> Envelope:
    lines = [line("mug", 2, "30", category="cup", unit_cost=eur("6")), line("pot", 1, "10", category="pot")]
    return happened(when, "OrderPlaced", order=number, lines=lines, total=eur("40"))


def test_a_line_with_a_unit_cost_has_a_profit_and_one_without_has_none() -> None:
    mug, pot = rows(OrderLines, mugs_and_a_pot("2026-03-01T23:30:00Z"), zone="Europe/Berlin")
    assert (mug.line, mug.sku, mug.category, mug.day) == ("1", "mug", "cup", "2026-03-02")
    assert (mug.quantity_micros, mug.kept_micros, mug.cost_micros, mug.profit_micros) == (
        2_000_000,
        30_000_000,
        12_000_000,
        18_000_000,
    )
    assert (pot.kept_micros, pot.unit_cost_micros, pot.cost_micros, pot.profit_micros) == (10_000_000, None, None, None)


def test_a_piece_that_comes_back_takes_its_share_of_value_and_cost() -> None:
    back = happened("2026-03-08", "ReturnReceived", order="1", lines=[line("mug", 1)])
    mug = rows(OrderLines, mugs_and_a_pot(), back)[0]
    assert (mug.returned_quantity_micros, mug.kept_micros, mug.cost_micros, mug.profit_micros) == (
        1_000_000,
        15_000_000,
        6_000_000,
        9_000_000,
    )


def test_a_cancelled_order_keeps_nothing_and_costs_nothing() -> None:
    off = happened("2026-03-05", "OrderCancelled", order="1")
    for each in rows(OrderLines, mugs_and_a_pot(), off):
        assert (each.kept_micros, each.cost_micros or 0) == (0, 0)


def test_an_amended_line_keeps_its_cost_and_category_and_a_new_one_is_a_line() -> None:
    more = happened("2026-03-02", "OrderAmended", order="1", lines=[line("mug", 4), line("lid", 1, "3")])
    by_sku = {each.sku: each for each in rows(OrderLines, mugs_and_a_pot(), more)}
    mug = by_sku["mug"]
    assert (mug.quantity_micros, mug.kept_micros, mug.cost_micros, mug.category) == (
        4_000_000,
        60_000_000,
        24_000_000,
        "cup",
    )
    assert by_sku["lid"].kept_micros == 3_000_000


def test_goods_back_without_their_order_count_against_the_product_at_the_cost_last_paid() -> None:
    back = happened("2026-03-08", "ReturnReceived", lines=[line("mug", 1, "15")])
    *_, alone = rows(OrderLines, mugs_and_a_pot(), back)
    assert (alone.order_id, alone.sku, alone.day, alone.quantity_micros) == (None, "mug", "2026-03-08", 0)
    assert (alone.kept_micros, alone.cost_micros, alone.profit_micros) == (-15_000_000, -6_000_000, -9_000_000)


def test_an_order_without_lines_is_one_nameless_line_until_its_lines_are_told() -> None:
    bare = happened("2026-03-01", "OrderPlaced", order="1", total=eur("12"), tax=eur("2"))
    found = row(OrderLines, bare)
    assert (found.line, found.sku, found.kept_micros, found.profit_micros) == ("", None, 10_000_000, None)
    told = happened("2026-03-02", "OrderAmended", order="1", lines=[line("mug", 1, "10")])
    assert row(OrderLines, bare, told).sku == "mug"


def test_the_lines_together_are_worth_what_the_purchases_are() -> None:
    story = [
        mugs_and_a_pot(),
        happened("2026-03-02", "OrderCancelled", order="1", lines=[line("pot", 1)]),
        order("2026-03-04", "2", "5"),
        happened("2026-03-08", "ReturnReceived", lines=[line("mug", 1, "15")]),
        order("2026-03-04", "3", "7", touch_subject="a.smith"),
        *merged("2026-03-09", "anna", "a.smith"),
    ]
    assert sum(each.kept_micros for each in rows(OrderLines, *story)) == sum(
        each.net_micros for each in rows(Purchases, *story)
    )
    assert {each.subject for each in rows(OrderLines, *story)} == {"anna"}


def test_profit_by_product_has_no_figure_where_a_cost_is_missing(report: Report) -> None:
    dear = happened(
        "2026-03-03",
        "OrderPlaced",
        "bert",
        order="2",
        lines=[line("mug", 1, "20", category="cup", unit_cost=eur("6"))],
        total=eur("20"),
    )
    report.fill("order_lines", rows(OrderLines, mugs_and_a_pot(), dear))
    mug, pot = report.ask("SELECT * FROM profit_by_product")
    assert (mug["sku"], mug["customers"], mug["orders"], mug["quantity_micros"]) == ("mug", 2, 2, 3_000_000)
    assert (mug["kept_micros"], mug["cost_micros"], mug["profit_micros"], mug["margin"]) == (
        50_000_000,
        18_000_000,
        32_000_000,
        0.64,
    )
    assert (pot["lines_without_cost"], pot["cost_micros"], pot["profit_micros"], pot["margin"]) == (1, None, None, None)


def test_a_corrected_line_counts_as_corrected_and_an_order_that_never_was_has_none() -> None:
    placed = mugs_and_a_pot()
    lines = [{"line": "1", "sku": "mug", "quantity": 3, "net": {"micros": 45_000_000, "currency": "EUR"}}]
    fix = corrected(placed, "2026-03-20", replacement={"lines": lines})
    assert (row(OrderLines, placed, fix).kept_micros, row(OrderLines, placed, fix).quantity_micros) == (
        45_000_000,
        3_000_000,
    )
    assert rows(OrderLines, placed, corrected(placed, "2026-03-20", retraction=True)) == []


def test_a_return_told_before_its_order_is_of_it_once_that_is_told() -> None:
    back = happened("2026-02-27", "ReturnReceived", order="1", lines=[line("mug", 1, "15")])
    early = row(OrderLines, back)
    assert (early.order_id, early.sku, early.kept_micros) == ("1", "mug", -15_000_000)
    mug, _ = rows(OrderLines, back, mugs_and_a_pot())
    assert (mug.line, mug.returned_quantity_micros, mug.kept_micros) == ("1", 1_000_000, 15_000_000)
