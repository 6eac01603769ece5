"""What customers and products are worth: forecast, cost, profit, affinity, potential, and what marks the best."""

from typing import Any

import pytest

from domain.company import Company
from domain.history import effective_histories
from domain.touchpoint import Envelope
from projections import view_named
from projections.view import fold
from tests.projections.report import Report
from tests.projections.story import PSEUDONYMS, corrected, eur, facts_of, happened, line, merged, order

EUROS = Company(currency="EUR")


def told(report: Report, today: str, *story: Envelope, company: Company = EUROS) -> None:
    """Fill the tables that these questions rest on with what happened, and set today."""
    histories = effective_histories(facts_of(story))
    for name in (
        "fx_rates",
        "opportunities",
        "orders",
        "order_lines",
        "purchases",
        "loyalty",
        "costs",
        "tickets",
        "customers",
        "traits",
    ):
        lens = view_named(name)(company)
        for root, history in histories.items():
            report.fill(name, fold(lens, root, PSEUDONYMS.put_into(history)).values())
    report.at(0, today)


def deal(
    when: str, name: str, amount: str = "100 EUR", probability: float | None = None, **more: Any
) -> list[Envelope]:
    opened = happened(when, "OpportunityOpened", **{"opportunity": name, "amount": amount, "owner": "eve"} | more)
    likely = (
        [] if probability is None else [happened(when, "OpportunityChanged", opportunity=name, probability=probability)]
    )
    return [opened, *likely]


def bought(
    subject: str, when: str, *goods: tuple[str, str], cost: str | None = "2", number: str | None = None
) -> Envelope:
    """An order of one piece each, by sku and price in euros."""
    costs = {"unit_cost": eur(cost)} if cost else {}
    lines = [line(sku, 1, price, category=sku[0], **costs) for sku, price in goods]
    return happened(when, "OrderPlaced", subject, order=number or f"{subject}-{when}", lines=lines, total=eur("99"))


def rate(day: str, rate: str) -> Envelope:
    return happened("2026-01-01", "FxRateSet", "company", **{"from": "USD", "to": "EUR", "rate": rate, "day": day})


def test_the_forecast_weighs_each_deal_and_says_what_cannot_be_weighed(report: Report) -> None:
    story = [
        rate("2026-03-01", "0.9"),
        *deal("2026-03-01", "1", "1000.10 EUR", 0.3, expected_close="2026-04-10"),
        *deal("2026-03-01", "2", "200 EUR", expected_close="2026-04-20"),
        *deal("2026-03-01", "3", "100 USD", 0.5, expected_close="2026-03-05"),
        *deal("2026-03-01", "4", "70 EUR", 0.5, expected_close="2026-04-20"),
        happened("2026-03-20", "OpportunityWon", opportunity="4"),
    ]
    told(report, "2026-03-31", *story)
    march, april = report.ask("SELECT * FROM forecast")
    assert (march["period"], march["currency"], march["overdue"], march["weighted_micros"]) == (
        "2026-03",
        "USD",
        1,
        50_000_000,
    )
    assert march["reported_micros"] == 45_000_000
    assert (april["deals"], april["unweighted"], april["amount_micros"]) == (2, 1, 1_200_100_000)
    assert (april["weighted_micros"], april["reported_micros"]) == (300_030_000, 300_030_000)


def test_the_funnel_by_product_and_by_channel(report: Report) -> None:
    story = [
        *deal("2026-03-01", "1", product="pot", touch_channel="web"),
        *deal("2026-03-01", "2", product="pot", touch_channel="fair"),
        *deal("2026-03-01", "3", product="mug", touch_channel="web"),
        happened("2026-03-09", "OpportunityWon", opportunity="1"),
    ]
    told(report, "2026-03-31", *story)
    pot, mug = report.ask("SELECT * FROM funnel_by_product")
    assert (pot["product"], pot["leads"], pot["won"], pot["rate"], pot["mean_days"]) == ("pot", 2, 1, 0.5, 8)
    assert (mug["product"], mug["open"], mug["mean_days"]) == ("mug", 1, None)
    assert [
        (each["channel"], each["leads"], each["won"]) for each in report.ask("SELECT * FROM funnel_by_channel")
    ] == [
        ("web", 2, 1),
        ("fair", 1, 0),
    ]


def touch(when: str, kind: str, cost: str, subject: str = "anna", **fields: Any) -> Envelope:
    return happened(when, kind, subject, touch_cost=cost, **fields)


def test_the_cost_of_winning_and_of_serving_a_customer(report: Report) -> None:
    call = touch("2026-03-01", "ContactMade", "5 EUR", mode="call")
    visit = touch("2026-03-31T22:30:00Z", "FieldVisitPerformed", "80 EUR", site="here", ticket="t")
    story = [
        rate("2026-03-01", "0.5"),
        call,
        touch("2026-03-02", "AdClicked", "0.25 EUR", ad="a"),
        happened("2026-03-03", "TicketOpened", ticket="t"),
        visit,
        touch("2026-04-02", "PreferenceStated", "1 USD"),
        happened("2026-04-02", "TicketOpened", "bert", ticket="u"),
        corrected(call, "2026-04-03", occurred="2026-02-01T10:00:00+00:00"),
    ]
    told(report, "2026-04-30", *story, company=Company(currency="EUR", zone="Europe/Berlin"))
    months = report.ask(
        "SELECT period, phase, cost_micros FROM costs WHERE phase IN ('presentation', 'service') ORDER BY period"
    )
    assert [tuple(each.values()) for each in months] == [
        ("2026-02", "presentation", 5_000_000),
        ("2026-04", "service", 80_000_000),
    ]
    euros, dollars, bert = report.ask("SELECT * FROM serving_costs")
    assert (euros["winning_micros"], euros["service_micros"], euros["keeping_micros"]) == (5_250_000, 80_000_000, 0)
    assert (euros["tickets"], euros["field_visits"], euros["reported_micros"]) == (1, 1, 85_250_000)
    assert (dollars["currency"], dollars["keeping_micros"], dollars["reported_micros"]) == ("USD", 1_000_000, 500_000)
    assert (bert["subject"], bert["currency"], bert["cost_micros"], bert["tickets"]) == ("bert", None, 0, 1)


def test_profit_by_customer_needs_the_cost_of_all_that_was_kept(report: Report) -> None:
    back = happened("2026-03-09", "ReturnReceived", "cleo", order="x", lines=[line("pot", 1)])
    story = [
        bought("anna", "2026-03-01", ("mug", "10"), ("pot", "20")),
        touch("2026-03-02", "ContactMade", "3 EUR", mode="call"),
        bought("bert", "2026-03-01", ("mug", "10")),
        bought("bert", "2026-03-02", ("pot", "30"), cost=None),
        bought("cleo", "2026-03-01", ("pot", "5"), cost=None, number="x"),
        back,
        touch("2026-03-02", "ContactMade", "7 USD", "dora", mode="call"),
    ]
    told(report, "2026-03-31", *story)
    found = {each["subject"]: each for each in report.ask("SELECT * FROM profit_by_customer")}
    anna = found["anna"]
    assert (anna["net_micros"], anna["goods_micros"], anna["touches_micros"]) == (30_000_000, 4_000_000, 3_000_000)
    assert (anna["profit_micros"], anna["margin"]) == (23_000_000, pytest.approx(23 / 30))
    assert (found["bert"]["lines_without_cost"], found["bert"]["goods_micros"], found["bert"]["profit_micros"]) == (
        1,
        None,
        None,
    )
    assert (found["cleo"]["net_micros"], found["cleo"]["profit_micros"], found["cleo"]["margin"]) == (0, 0, None)
    assert (found["dora"]["currency"], found["dora"]["profit_micros"]) == ("USD", -7_000_000)


def test_profit_by_category(report: Report) -> None:
    told(
        report,
        "2026-03-31",
        bought("anna", "2026-03-01", ("mug", "10"), ("pot", "20")),
        bought("bert", "2026-03-01", ("pan", "5"), cost=None),
    )
    pots, mugs = report.ask("SELECT * FROM profit_by_category")
    assert (pots["category"], pots["products"], pots["customers"], pots["kept_micros"]) == ("p", 2, 2, 25_000_000)
    assert (pots["lines_without_cost"], pots["cost_micros"], pots["profit_micros"]) == (1, None, None)
    assert (mugs["cost_micros"], mugs["profit_micros"]) == (2_000_000, 8_000_000)


def test_products_that_go_together_with_support_confidence_and_lift(report: Report) -> None:
    story = [
        bought("anna", "2026-03-01", ("pot", "20")),
        bought("anna", "2026-03-09", ("pan", "40")),
        bought("bert", "2026-03-01", ("pot", "20"), ("pan", "40")),
        bought("cleo", "2026-03-01", ("pot", "20")),
        bought("dora", "2026-03-01", ("mug", "5")),
    ]
    told(report, "2026-03-31", *story)
    (pot,) = report.ask("SELECT * FROM product_affinity WHERE sku = 'pot'")
    assert (pot["other_sku"], pot["customers"], pot["customers_both"], pot["later"]) == ("pan", 3, 2, 1)
    assert (pot["same_category"], pot["dearer"]) == (1, 2)
    assert (pot["support"], pot["confidence"], pot["lift"]) == (0.5, pytest.approx(2 / 3), pytest.approx(4 / 3))


def test_two_customers_who_are_one_bought_both(report: Report) -> None:
    story = [bought("anna", "2026-03-01", ("pot", "20")), bought("a.smith", "2026-03-01", ("pan", "40"))]
    told(report, "2026-03-31", *story, *merged("2026-03-09", "anna", "a.smith"))
    assert [each["customers_both"] for each in report.ask("SELECT * FROM product_affinity")] == [1, 1]


def member(subject: str, segment: str, income: str | None = None) -> list[Envelope]:
    traits = {"attributes": {"income": income}} if income else {}
    registered = happened("2026-01-01", "CustomerRegistered", subject, party="person", **traits)
    return [registered, happened("2026-01-01", "SegmentAssigned", subject, segment=segment)]


def test_the_potential_is_what_is_missing_to_the_mean_of_the_segment(report: Report) -> None:
    story = [
        *member("anna", "gold"),
        *member("bert", "gold"),
        *member("cleo", "gold"),
        bought("anna", "2026-02-01", ("pot", "30")),
        bought("bert", "2026-02-01", ("pot", "10")),
        bought("bert", "2024-02-01", ("pot", "500")),
        happened("2026-02-01", "OpportunityOpened", "cleo", opportunity="1", amount="80 EUR"),
    ]
    told(report, "2026-03-31", *story)
    found = {each["subject"]: each for each in report.ask("SELECT * FROM sales_potential")}
    assert (found["cleo"]["peers"], found["cleo"]["peers_mean_micros"], found["cleo"]["potential_micros"]) == (
        2,
        20_000_000,
        20_000_000,
    )
    assert (found["cleo"]["open_micros"], found["cleo"]["weighted_micros"]) == (80_000_000, 0)
    assert (found["anna"]["potential_micros"], found["bert"]["potential_micros"]) == (0, 10_000_000)


def test_categories_against_segment_and_band_of_income(report: Report) -> None:
    story = [
        *member("anna", "gold", "B"),
        *member("bert", "gold", "B"),
        bought("anna", "2026-02-01", ("mug", "10"), ("pot", "20")),
        bought("bert", "2026-02-01", ("pot", "10")),
        bought("nobody", "2026-02-01", ("pot", "7")),
    ]
    told(report, "2026-03-31", *story)
    pots, mugs, untold = report.ask("SELECT * FROM assortment")
    assert (pots["segment"], pots["income"], pots["category"], pots["customers"], pots["orders"]) == (
        "gold",
        "B",
        "p",
        2,
        2,
    )
    assert (pots["share"], mugs["share"], untold["segment"], untold["share"]) == (0.75, 0.25, None, 1)


def test_what_marks_the_fifth_of_greatest_value(report: Report) -> None:
    best = [*member("c0", "gold"), order("2026-02-01", "0", "900", touch_subject="c0", touch_channel="fair")]
    rest = [
        each
        for place in range(1, 5)
        for each in [*member(f"c{place}", "silver"), order("2026-02-01", str(place), "10", touch_subject=f"c{place}")]
    ]
    told(report, "2026-03-31", *best, *rest)
    found = {(each["characteristic"], each["band"]): each for each in report.ask("SELECT * FROM best_customers")}
    gold, silver, person = found["segment", "gold"], found["segment", "silver"], found["party", "person"]
    assert (gold["customers"], gold["best"], gold["share_of_all"], gold["share_of_best"], gold["times_as_often"]) == (
        1,
        1,
        0.2,
        1,
        5,
    )
    assert (silver["best"], silver["times_as_often"], silver["mean_net_micros"]) == (0, 0, 10_000_000)
    assert (person["times_as_often"], found["channel", "fair"]["best"]) == (1, 1)
