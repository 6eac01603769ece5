"""Orders: what we promised and what we did, in whatever order it is told."""

from typing import Any

from domain.company import Company
from domain.history import effective_histories
from domain.touchpoint import Envelope
from projections.fx_rates import FxRates
from projections.orders import Orders
from projections.view import fold
from tests.projections.report import Report
from tests.projections.story import corrected, eur, facts_of, happened, line, merged, order, row, rows

MARCH_1_UTC = 1_772_323_200_000_000


def promised(when: str, day: str, number: str = "1", **more: Any) -> Envelope:
    return happened(when, "DeliveryPromised", order=number, promised_for=day, **more)


def warned(when: str, days: int, number: str = "1", **more: Any) -> Envelope:
    return happened(when, "DeliveryWarningIssued", order=number, expected_delay=days, **more)


def shipped(when: str, shipment: str = "s", number: str = "1", *lines: Any) -> Envelope:
    return happened(when, "ShipmentDispatched", shipment=shipment, order=number, lines=lines)


def delivered(when: str, shipment: str = "s") -> Envelope:
    return happened(when, "ShipmentDelivered", shipment=shipment)


def test_an_order_tells_how_it_was_taken_paid_and_configured() -> None:
    taken = happened(
        "2026-03-01T23:30:00+00:00",
        "OrderPlaced",
        order="1",
        lines=[line("bike", 1, "900", configuration="red; 54 cm"), line("lock", 1, "40")],
        total=eur("1130"),
        tax=eur("190"),
        payment_method="card",
        self_service=True,
        touch_channel="web",
        touch_actor="eve",
    )
    found = row(Orders, taken, zone="Europe/Berlin")
    assert (found.status, found.placed_day, found.channel, found.owner) == ("placed", "2026-03-02", "web", "eve")
    assert (found.payment_method, found.self_service, found.lines, found.configuration) == ("card", 1, 2, "red; 54 cm")
    assert (found.total_micros, found.gross_micros, found.net_micros) == (1_130_000_000, 940_000_000, 940_000_000)


def test_a_delivery_on_the_promised_day_keeps_the_promise_and_one_a_day_later_does_not() -> None:
    story = [order("2026-03-01", "1", "5"), promised("2026-03-01", "2026-03-05"), shipped("2026-03-03")]
    in_time, late = row(Orders, *story, delivered("2026-03-05")), row(Orders, *story, delivered("2026-03-06"))
    assert (in_time.status, in_time.days_to_deliver, in_time.days_late) == ("delivered", 4, 0)
    assert (late.delivered_day, late.days_late) == ("2026-03-06", 1)
    assert row(Orders, *story).status == "dispatched"


def test_days_are_counted_by_the_calendar_over_the_night_on_which_the_clocks_change() -> None:
    placed = order("2026-03-28T22:30:00+00:00", "1", "5")
    arrived = delivered("2026-03-29T21:30:00+00:00")
    found = row(
        Orders,
        placed,
        promised("2026-03-28T22:45:00+00:00", "2026-03-29"),
        shipped("2026-03-29"),
        arrived,
        zone="Europe/Berlin",
    )
    assert (found.placed_day, found.delivered_day) == ("2026-03-28", "2026-03-29")
    assert (found.days_to_deliver, found.days_late) == (1, 0)
    assert (
        row(
            Orders, placed, shipped("2026-03-29"), delivered("2026-03-29T22:30:00Z"), zone="Europe/Berlin"
        ).delivered_day
        == "2026-03-30"
    )


def test_a_promise_that_is_moved_is_measured_against_the_first_day() -> None:
    story = [order("2026-03-01", "1", "5"), promised("2026-03-01", "2026-03-05"), promised("2026-03-04", "2026-03-09")]
    found = row(Orders, *story, shipped("2026-03-06"), delivered("2026-03-08"))
    assert (found.promised_for, found.promised_last_for, found.promises, found.days_late) == (
        "2026-03-05",
        "2026-03-09",
        2,
        3,
    )


def test_an_order_shipped_in_parts_is_delivered_with_the_last_of_them() -> None:
    two = happened(
        "2026-03-01", "OrderPlaced", order="1", lines=[line("mug", 2, "30"), line("pot", 1, "10")], total=eur("40")
    )
    parts = [shipped("2026-03-02", "s", "1", line("mug", 2)), shipped("2026-03-03", "t", "1", line("pot", 1))]
    assert row(Orders, two, *parts, delivered("2026-03-04")).status == "dispatched"
    found = row(Orders, two, *parts, delivered("2026-03-04"), delivered("2026-03-07", "t"))
    assert (found.status, found.delivered_day, found.shipments, found.dispatched_day) == (
        "delivered",
        "2026-03-07",
        2,
        "2026-03-02",
    )
    off = happened("2026-03-05", "OrderCancelled", order="1", lines=[line("pot", 1)])
    assert row(Orders, two, parts[0], delivered("2026-03-04"), off).delivered_day == "2026-03-04"


def test_a_warning_a_failed_delivery_and_their_reasons_are_shown() -> None:
    story = [
        order("2026-03-01", "1", "5"),
        promised("2026-03-01", "2026-03-05", requirements="ring twice"),
        warned("2026-03-03", 2, reason="strike"),
        shipped("2026-03-05"),
        happened("2026-03-06", "DeliveryFailed", shipment="s", reason="nobody there"),
    ]
    found = row(Orders, *story)
    assert (found.warnings, found.warned_day, found.warned_delay_days, found.failed_deliveries) == (
        1,
        "2026-03-03",
        2,
        1,
    )
    assert (found.delay_reason, found.requirements) == ("nobody there", "ring twice")


def test_a_delivery_told_before_its_dispatch_waits_for_it() -> None:
    late = delivered("2026-03-02")
    assert rows(Orders, late) == []
    found = row(Orders, late, shipped("2026-03-03"))
    assert (found.status, found.placed_day, found.delivered_day) == ("delivered", None, "2026-03-02")
    assert row(Orders, late, shipped("2026-03-03"), order("2026-03-04", "1", "5")).days_to_deliver == -2


def test_a_corrected_promise_counts_as_corrected_and_a_retracted_warning_not_at_all() -> None:
    promise, warning = promised("2026-03-01", "2026-03-05"), warned("2026-03-04", 3)
    found = row(
        Orders,
        order("2026-03-01", "1", "5"),
        promise,
        warning,
        corrected(promise, "2026-03-20", replacement={"promised_for": "2026-03-08"}),
        corrected(warning, "2026-03-20", retraction=True),
    )
    assert (found.promised_for, found.warnings, found.warned_day) == ("2026-03-08", 0, None)


def test_a_cancelled_order_and_one_that_came_back() -> None:
    off = happened("2026-03-05", "OrderCancelled", order="1", reason="too dear", by="customer")
    found = row(Orders, order("2026-03-01", "1", "5"), off)
    assert (found.status, found.cancelled_day, found.cancel_reason, found.net_micros) == (
        "cancelled",
        "2026-03-05",
        "too dear",
        0,
    )
    back = happened("2026-03-09", "ReturnReceived", order="1", lines=[line("mug", 1)])
    assert row(Orders, order("2026-03-01", "1", "5"), back).returned_micros == 5_000_000


def test_after_a_merge_a_shipment_of_the_absorbed_delivers_the_order_of_the_survivor() -> None:
    theirs = happened("2026-03-02", "ShipmentDelivered", "a.smith", shipment="s")
    story = [order("2026-03-01", "1", "5"), shipped("2026-03-01"), theirs]
    assert row(Orders, *story, *merged("2026-03-09", "anna", "a.smith")).delivered_day == "2026-03-02"


def test_promises_kept_by_month_warning_and_reason(report: Report) -> None:
    def promise(number: str, day: str, arrived: str | None, *more: Envelope) -> list[Envelope]:
        end = [shipped("2026-03-02", f"s{number}", number)] + ([delivered(arrived, f"s{number}")] if arrived else [])
        return [order("2026-03-01", number, "5"), promised("2026-03-01", day, number), *more, *end]

    story = [
        *promise("1", "2026-03-05", "2026-03-05"),
        *promise("2", "2026-03-05", "2026-03-09"),
        *promise("3", "2026-03-05", None),
        *promise("4", "2026-03-05", "2026-03-07", warned("2026-03-04", 2, "4", reason="strike")),
        *promise("5", "2026-03-15", None),
    ]
    report.fill("orders", rows(Orders, *story))
    report.at(MARCH_1_UTC, "2026-03-11")
    unwarned, told = report.ask("SELECT * FROM delivery_promises")
    assert (unwarned["promises"], unwarned["kept"], unwarned["late"], unwarned["overdue"]) == (3, 1, 1, 1)
    assert (unwarned["warned"], unwarned["mean_days_late"]) == (0, 5)
    assert (told["warned"], told["reason"], told["promises"], told["rate"]) == (1, "strike", 1, 0)
    at_risk = report.ask("SELECT order_id, days_left FROM promises_at_risk")
    assert at_risk == [{"order_id": "3", "days_left": -6}, {"order_id": "5", "days_left": 4}]


def test_another_currency_is_converted_at_the_rate_of_the_orders_day_or_not_at_all(report: Report) -> None:
    def rate(day: str, rate: str) -> Envelope:
        return happened("2026-04-01", "FxRateSet", "company", **{"from": "USD", "to": "EUR", "rate": rate, "day": day})

    lens = FxRates(Company(currency="EUR"))
    board = fold(lens, "company", facts_of([rate("2026-03-01", "0.9"), rate("2026-03-10", "0.8")]))
    report.fill("fx_rates", board.values())
    dollars = [happened(day, "OrderPlaced", order=day, total="10 USD") for day in ("2026-03-09", "2026-03-10")]
    before, kroner = (
        happened("2026-02-27", "OrderPlaced", order="0", total="10 USD"),
        happened("2026-03-09", "OrderPlaced", order="k", total="5 DKK"),
    )
    report.fill("orders", rows(Orders, *dollars, before, kroner, order("2026-03-09", "e", "7")))
    found = report.ask(
        "SELECT period, currency, net_micros, reported_micros FROM orders_by_month ORDER BY period, currency"
    )
    assert [tuple(each.values()) for each in found] == [
        ("2026-02", "USD", 10_000_000, None),
        ("2026-03", "DKK", 5_000_000, None),
        ("2026-03", "EUR", 7_000_000, 7_000_000),
        ("2026-03", "USD", 20_000_000, 17_000_000),
    ]


def test_of_two_rates_set_for_one_day_the_one_set_last_holds_whoever_set_it(report: Report) -> None:
    def rate(when: str, subject: str, rate: str, to: str = "EUR") -> Envelope:
        return happened(when, "FxRateSet", subject, **{"from": "USD", "to": to, "rate": rate, "day": "2026-03-01"})

    told = [
        rate("2026-03-03", "bank", "0.91"),
        rate("2026-03-02", "company", "0.9"),
        rate("2026-03-02", "company", "0.7", "GBP"),
    ]
    lens = FxRates(Company(currency="EUR"))
    for subject, history in effective_histories(facts_of(told)).items():
        report.fill("fx_rates", fold(lens, subject, history).values())
    in_force = report.ask("SELECT rate_micros FROM fx_in_force WHERE from_currency = 'USD'")
    assert in_force == [{"rate_micros": 910_000}]
