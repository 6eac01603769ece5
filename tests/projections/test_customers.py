"""Who a customer is to us: stage, benefit, traits, preferences and what they allow."""

from typing import Any

from domain.fields import ERASED_TEXT, SEALED
from domain.touchpoint import Envelope
from projections.consents import Consents
from projections.customers import Customers
from projections.preferences import Preferences
from projections.traits import CustomerTraits
from tests.projections.report import Report
from tests.projections.story import corrected, happened, merged, order, row, rows


def seen(when: str) -> Envelope:
    return happened(when, "PageViewed", url="https://shop.example")


def registered(when: str = "2026-01-05", **more: Any) -> Envelope:
    return happened(when, "CustomerRegistered", party="person", **more)


def said(when: str, kind: str, /, **fields: Any) -> Envelope:
    return happened(when, kind, **fields)


def test_a_visitor_becomes_a_prospect_a_lead_an_opportunity_and_a_customer() -> None:
    steps = [
        ("visitor", seen("2026-01-01")),
        ("prospect", said("2026-01-05", "InquiryReceived", inquiry="1")),
        ("lead", said("2026-01-07", "LeadQualified")),
        ("opportunity", said("2026-01-09", "OpportunityOpened", opportunity="1")),
        ("customer", order("2026-01-12", "1", "5")),
    ]
    for place, (stage, touchpoint) in enumerate(steps, 1):
        found = row(Customers, *[each for _, each in steps[:place]])
        assert (found.stage, found.stage_day) == (stage, touchpoint.time.date().isoformat())


def test_a_customer_who_left_has_left_until_won_back() -> None:
    story = [
        order("2026-01-12", "1", "5"),
        said("2026-02-01", "CustomerChurned"),
        seen("2026-02-02"),
        order("2026-02-03", "2", "5"),
    ]
    assert row(Customers, *story).stage == "churned"
    found = row(Customers, *story, said("2026-03-01", "CustomerWonBack"))
    assert (found.stage, found.stage_day) == ("customer", "2026-03-01")


def test_a_lead_turned_down_may_come_again_and_a_customer_is_turned_down_no_more() -> None:
    down = [said("2026-01-07", "LeadQualified"), said("2026-01-08", "LeadDisqualified", reason="no budget")]
    assert row(Customers, *down, seen("2026-01-09")).stage == "disqualified"
    assert row(Customers, *down, said("2026-05-01", "LeadQualified")).stage == "lead"
    assert row(Customers, order("2026-01-01", "1", "5"), *down).stage == "customer"


def test_the_benefit_is_utility_brand_and_relation_less_what_it_costs_them() -> None:
    points = {"utility": "5.5", "brand": 2, "relation": "1.25", "product_cost": 3, "time_cost": "0.75"}
    found = row(Customers, said("2026-01-05", "CustomerValueAssessed", model="v1", **points))
    assert (found.value_model, found.utility, found.benefit) == ("v1", 5.5, 5.0)
    later = said("2026-02-05", "CustomerValueAssessed", model="v2", **points | {"time_cost": 9})
    assert row(Customers, said("2026-01-05", "CustomerValueAssessed", model="v1", **points), later).benefit == -3.25


def test_segment_risks_holds_and_restrictions_are_those_told_last() -> None:
    story = [
        registered(language="de-AT"),
        said("2026-01-06", "SegmentAssigned", segment="silver"),
        said("2026-01-07", "SegmentAssigned", segment="gold", rule_version="2"),
        said("2026-01-08", "RiskAssessed", kind="churn", score=0.7),
        said("2026-01-09", "RiskAssessed", kind="credit", score=0.1),
        said("2026-01-10", "ProcessingRestricted", why="dispute"),
        said("2026-01-11", "LegalHoldPlaced", hold="h", basis="case 7"),
    ]
    found = row(Customers, *story)
    assert (found.party, found.language, found.segment, found.segment_rule) == ("person", "de-AT", "gold", "2")
    assert (found.churn_risk, found.credit_risk, found.restricted, found.legal_holds) == (0.7, 0.1, 1, 1)
    lifted = [
        said("2026-02-01", "ProcessingRestrictionLifted", why="settled"),
        said("2026-02-01", "LegalHoldLifted", hold="h"),
    ]
    found = row(Customers, *story, *lifted)
    assert (found.restricted, found.legal_holds, found.touchpoints) == (0, 0, 9)


def test_the_company_s_own_affairs_make_no_customer() -> None:
    assert (
        rows(
            Customers,
            happened(
                "2026-01-05", "FxRateSet", "company", **{"from": "USD", "to": "EUR", "rate": 1, "day": "2026-01-05"}
            ),
        )
        == []
    )


def test_first_and_last_are_the_company_s_days_and_reach_over_merges() -> None:
    mine, theirs = (
        seen("2026-03-28T23:30:00Z"),
        happened("2026-01-01", "PageViewed", "a.smith", url="https://shop.example"),
    )
    found = row(Customers, mine, theirs, *merged("2026-04-01", "anna", "a.smith"), zone="Europe/Berlin")
    assert (found.first_day, found.last_day, found.touchpoints) == ("2026-01-01", "2026-03-29", 2)


def test_customers_by_stage(report: Report) -> None:
    report.fill(
        "customers",
        rows(Customers, registered(), happened("2026-01-11", "PageViewed", "bert", url="https://a.example")),
    )
    report.at(0, "2026-01-15")
    found = report.ask("SELECT stage, party, customers, mean_days_since FROM customers_by_stage ORDER BY stage")
    assert [tuple(each.values()) for each in found] == [("prospect", "person", 1, 10), ("visitor", None, 1, 4)]


def test_a_trait_is_what_was_told_last_and_a_correction_counts_as_corrected() -> None:
    move = said("2026-02-01", "ProfileFieldChanged", field="income", new="C", reason="life event")
    age, income = rows(CustomerTraits, registered(attributes={"income": "B", "age": "30-39"}), move)
    assert (age.trait, age.band, age.since_day, age.changes) == ("age", "30-39", "2026-01-05", 1)
    assert (income.band, income.since_day, income.reason, income.changes) == ("C", "2026-02-01", "life event", 2)
    assert row(CustomerTraits, move, corrected(move, "2026-03-01", replacement={"new": "D"})).band == "D"
    gone = said("2026-03-01", "ProfileFieldChanged", field="income")
    assert rows(CustomerTraits, move, gone)[0].band is None


def test_customers_by_trait(report: Report) -> None:
    told = [
        registered(attributes={"income": "B"}),
        happened("2026-01-05", "ProfileFieldChanged", "bert", field="income", new="B"),
    ]
    report.fill("traits", rows(CustomerTraits, *told))
    assert report.ask("SELECT * FROM customers_by_trait") == [{"trait": "income", "band": "B", "customers": 2}]


def test_a_trait_without_a_band_and_one_that_was_erased_are_not_told_across_customers(report: Report) -> None:
    told = rows(CustomerTraits, registered(attributes={"income": "B"}))[0]
    sealed, erased = told._replace(subject="bert", band=f"{SEALED}x"), told._replace(subject="cleo", band=ERASED_TEXT)
    report.fill("traits", [told, sealed, erased])
    assert report.ask("SELECT customers FROM customers_by_trait") == [{"customers": 1}]


def test_a_preference_keeps_what_a_later_statement_leaves_out(report: Report) -> None:
    story = [
        said("2026-01-05", "PreferenceStated", topic="tea", channel="email", frequency="weekly"),
        said("2026-01-06", "PreferenceStated", topic="tea", channel="email", language="de"),
        said("2026-01-07", "PreferenceStated", frequency="monthly"),
    ]
    anything, tea = rows(Preferences, *story)
    assert (anything.topic, anything.channel, anything.frequency) == ("", "", "monthly")
    assert (tea.frequency, tea.language, tea.stated_day, tea.statements) == ("weekly", "de", "2026-01-06", 2)
    report.fill("preferences", [anything, tea])
    assert [each["customers"] for each in report.ask("SELECT * FROM preferences_stated")] == [1, 1]


def granted(when: str, purpose: str = "newsletter", **more: Any) -> Envelope:
    return said(when, "ConsentGranted", purpose=purpose, **more)


def withdrawn(when: str, purpose: str = "newsletter", **more: Any) -> Envelope:
    return said(when, "ConsentWithdrawn", purpose=purpose, **more)


def stands(*story: Envelope) -> dict[tuple[str, str], str]:
    return {(each.purpose, each.channel): each.status for each in rows(Consents, *story)}


def test_a_consent_is_one_of_its_purpose_and_channel() -> None:
    story = [
        granted("2026-01-05", channel="email", until="2026-12-31", proof="form 7"),
        withdrawn("2026-02-05", channel="sms"),
    ]
    assert stands(*story) == {("newsletter", "email"): "granted", ("newsletter", "sms"): "withdrawn"}
    found = rows(Consents, *story)[0]
    assert (found.basis, found.granted_day, found.until_day, found.proof) == (
        "consent",
        "2026-01-05",
        "2026-12-31",
        "form 7",
    )


def test_what_is_withdrawn_for_all_channels_is_so_on_each_and_a_new_consent_to_all_takes_it_back() -> None:
    story = [granted("2026-01-05", channel="email"), withdrawn("2026-02-05")]
    assert set(stands(*story).values()) == {"withdrawn"}
    assert set(stands(*story, granted("2026-03-05")).values()) == {"granted"}


def test_another_basis_outlives_the_withdrawal_of_a_consent() -> None:
    contract = granted("2026-01-05", channel="email", basis="contract")
    assert stands(contract, withdrawn("2026-02-05"))["newsletter", "email"] == "granted"


def test_a_wider_purpose_covers_each_that_it_is_wider_than() -> None:
    found = stands(granted("2026-01-05", "marketing"), withdrawn("2026-02-05", "newsletter"))
    assert (found["promotion", ""], found["newsletter", ""]) == ("granted", "withdrawn")


def test_an_objection_stands_until_the_customer_allows_it(report: Report) -> None:
    objection = said("2026-02-05", "ObjectionRaised", purpose="newsletter")
    assert stands(objection) == {("newsletter", ""): "objected"}
    story = [granted("2026-01-05", channel="email"), objection]
    assert row(Consents, *story).objected_day == "2026-02-05"
    assert row(Consents, *story, granted("2026-03-05", channel="email")).objected_day is None
    assert stands(objection, granted("2026-03-05", channel="email")) == {("newsletter", "email"): "granted"}
    others = [
        happened("2026-01-05", "ConsentGranted", "bert", purpose="newsletter", channel="email"),
        happened("2026-01-05", "ConsentGranted", "cleo", purpose="newsletter", channel="email", until="2026-01-31"),
    ]
    report.fill("consents", rows(Consents, *story, *others))
    report.at(0, "2026-03-01")
    (email,) = report.ask("SELECT * FROM consent_coverage")
    assert (email["customers"], email["allowed"], email["expired"], email["objected"]) == (3, 1, 1, 1)
