"""Who is given the credit: touches, conversions, and six rules that each give all of it."""

from collections import Counter
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.touchpoint import Envelope
from projections.campaigns import Campaigns
from projections.conversions import Conversions
from projections.credit import ATTRIBUTION_COLUMNS, RULES
from projections.models.attribution import ATTRIBUTION, DIMENSIONS, TRAILS, apportioned, removal_effects, with_markov
from projections.partners import Partners
from projections.touches import Touches
from tests.projections.report import Report
from tests.projections.story import eur, happened, merged, order, row, rows

VIEWS = (Touches, Conversions, Campaigns, Partners)


def click(when: str, channel: str | None, subject: str = "anna", **more: Any) -> Envelope:
    return happened(when, "AdClicked", subject, ad="a", touch_channel=channel, **more)


def filled(report: Report, *story: Envelope) -> Report:
    for view in VIEWS:
        report.fill(view.name, rows(view, *story))
    return report


def credited(report: Report, rule: str, by: str = "channel", kind: str = "OrderPlaced") -> dict[Any, int]:
    sql = f"""
        SELECT name, {rule}_value_micros AS value FROM attribution
        WHERE dimension = '{by}' AND conversion_kind = '{kind}'
    """
    return {each["name"]: each["value"] for each in report.ask(sql)}


def test_a_touch_is_what_brings_a_customer_nearer_or_names_where_they_came_from() -> None:
    touched = rows(
        Touches,
        happened("2026-03-01", "ContactPlanned", plan="p"),
        happened("2026-03-02", "MessageSent", message="m", purpose="promotion", touch_campaign="spring"),
        happened("2026-03-03", "MessageEngaged", message="m", how="opened"),
        happened("2026-03-04", "MessageEngaged", message="m", how="clicked"),
        happened("2026-03-05", "OpportunityOpened", opportunity="1", lead_source="fair"),
        happened("2026-03-06", "OpportunityOpened", opportunity="2"),
        happened("2026-03-07", "ContactMade", mode="visit", direction="outbound", touch_partner="bob"),
        order("2026-03-08", "1", "10", touch_campaign="spring"),
        order("2026-03-09", "2", "10"),
        happened("2026-03-10", "CustomerWonBack", campaign="back"),
    )
    assert [each.kind for each in touched] == [
        "MessageSent",
        "MessageEngaged",
        "OpportunityOpened",
        "ContactMade",
        "OrderPlaced",
        "CustomerWonBack",
    ]
    assert [each.response for each in touched] == [0, 1, 0, 0, 0, 0]
    assert touched[1].campaign == "spring", "an answer belongs to the campaign of its message"
    assert (touched[2].source, touched[3].channel, touched[3].partner) == ("fair", "visit", "bob")
    assert touched[5].campaign == "back"


def page(when: str, **tags: str) -> Envelope:
    utm: dict[str, Any] = {"utm": tags} if tags else {}
    return happened(when, "PageViewed", url="https://example.org", **utm)


def test_pages_looked_at_without_a_pause_are_one_touch() -> None:
    visits = rows(
        Touches,
        page("2026-03-01T10:00:00Z", source="google", medium="cpc", campaign="spring"),
        page("2026-03-01T10:20:00Z"),
        happened("2026-03-01T10:45:00Z", "ProductViewed", sku="mug"),
        page("2026-03-01T10:50:00Z", source="bing"),
        page("2026-03-01T11:21:00Z"),
    )
    assert [(each.steps, each.channel, each.source, each.campaign) for each in visits] == [
        (3, "cpc", "google", "spring"),
        (1, None, "bing", None),
        (1, None, None, None),
    ]


def test_a_first_answer_shows_with_its_inquiry() -> None:
    asked, answered = rows(
        Touches,
        happened("2026-03-01T10:00:00Z", "InquiryReceived", inquiry="i", source="fair"),
        happened("2026-03-01T11:30:00Z", "FirstResponseGiven", inquiry="i", touch_actor="eve"),
        happened("2026-03-01T12:00:00Z", "FirstResponseGiven", ticket="t", touch_actor="bob"),
    )
    assert (asked.inquiry, asked.answered_by, asked.response_seconds) == ("i", "eve", 5400)
    assert (answered.inquiry, answered.response_seconds) == (None, None)


def test_a_path_are_the_touches_since_the_last_conversion_of_the_kind() -> None:
    won = happened("2026-03-03", "OpportunityWon", opportunity="1", amount=eur("7"))
    story = [click("2026-03-01", "ads"), click("2026-03-02", "ads"), won, order("2026-03-04", "1", "10")]
    story += [click("2026-03-05", "ads"), order("2026-03-06", "2", "20"), order("2026-03-07", "3", "30")]
    found = {(each.kind, each.conversion): each for each in rows(Conversions, *story)}
    assert [(each.first_place, each.last_place, each.touches) for each in found.values()] == [
        (1, 2, 2),
        (1, 2, 2),
        (3, 3, 1),
        (4, 3, 0),
    ]
    assert found["OpportunityWon", "1"].value_micros == 7_000_000


def test_a_conversion_that_falls_leaves_its_touches_to_the_next_one() -> None:
    story = [click("2026-03-01", "ads"), order("2026-03-02", "1", "10"), order("2026-03-03", "2", "20")]
    assert [each.touches for each in rows(Conversions, *story)] == [1, 0]
    (left,) = rows(Conversions, *story, happened("2026-03-04", "OrderCancelled", order="1"))
    assert (left.conversion, left.touches) == ("2", 1)


def test_a_deal_that_is_lost_after_all_is_won_once_more() -> None:
    story = [
        happened("2026-03-01", "OpportunityOpened", opportunity="1", amount=eur("5"), lead_source="fair"),
        happened("2026-03-02", "OpportunityWon", opportunity="1"),
        happened("2026-03-03", "OpportunityReopened", opportunity="1"),
    ]
    assert rows(Conversions, *story) == []
    won = row(Conversions, *story, happened("2026-03-04", "OpportunityWon", opportunity="1"))
    assert (won.day, won.value_micros, won.touches) == ("2026-03-04", 5_000_000, 1)


def test_subscriptions_and_contracts_convert_once_and_returns_lessen_an_order() -> None:
    plan = {"subscription": "s", "plan": "gold", "recurring_amount": eur("9"), "interval": "month"}
    story = [
        happened("2026-03-01", "SubscriptionStarted", **plan),
        happened("2026-03-02", "SubscriptionStarted", **plan),
        happened("2026-03-03", "ContractSigned", contract="c"),
        order("2026-03-04", "1", "10"),
        happened("2026-03-05", "RefundIssued", order="1", amount=eur("4")),
    ]
    assert [(each.kind, each.value_micros, each.currency) for each in rows(Conversions, *story)] == [
        ("ContractSigned", None, None),
        ("OrderPlaced", 6_000_000, "EUR"),
        ("SubscriptionStarted", 9_000_000, "EUR"),
    ]


def test_a_merge_joins_the_paths_of_both() -> None:
    story = [click("2026-03-01", "ads", "visitor-1"), click("2026-03-02", "mail"), order("2026-03-03", "1", "10")]
    (found,) = rows(Conversions, *story, *merged("2026-03-04", "anna", "visitor-1"))
    assert found.touches == 2


def test_five_rules_share_a_value_side_by_side(report: Report) -> None:
    days = ("2026-03-01", "2026-03-08", "2026-03-15", "2026-03-15")
    story = [click(day, channel) for day, channel in zip(days, ("ads", "mail", "fair", "web"), strict=True)]
    filled(report, *story, order("2026-03-16", "1", "100"))
    euros = {rule: {name: value / 1e6 for name, value in credited(report, rule).items()} for rule in RULES}
    assert euros["first"] == {"ads": 100, "mail": 0, "fair": 0, "web": 0}
    assert euros["last"] == {"ads": 0, "mail": 0, "fair": 0, "web": 100}
    assert euros["linear"] == {"ads": 25, "mail": 25, "fair": 25, "web": 25}
    assert euros["position"] == pytest.approx({"ads": 40, "mail": 10, "fair": 10, "web": 40})
    # Weights 1/4, 1/2, 1 and 1: a week is the half-life.
    assert euros["decay"] == pytest.approx(
        {"ads": 100 / 11, "mail": 200 / 11, "fair": 400 / 11, "web": 400 / 11}, abs=1e-3
    )


def test_costs_are_those_of_touches_campaigns_and_partners(report: Report) -> None:
    filled(
        report,
        click("2026-03-01", "ads", touch_campaign="spring", touch_cost=eur("2")),
        click("2026-03-02", "mail", touch_campaign="spring", touch_partner="bob"),
        click("2026-03-03", "mail", "bert", touch_campaign="spring"),
        order("2026-03-04", "1", "100"),
        happened("2026-02-01", "CampaignCostBooked", "spring", campaign="spring", amount=eur("9")),
        happened("2026-02-01", "CampaignCostBooked", "autumn", campaign="autumn", amount=eur("5")),
        happened("2026-02-01", "PartnerRegistered", "bob", partner="bob", role="intermediary"),
        happened("2026-03-05", "CommissionBooked", partner="bob", amount=eur("1")),
    )
    costs = report.ask("SELECT dimension, name, cost_micros / 1000000 AS euros FROM touch_costs")
    found = {(each["dimension"], each["name"]): each["euros"] for each in costs if each["name"]}
    assert found == {
        ("channel", "ads"): 5,
        ("channel", "mail"): 6,
        ("campaign", "spring"): 11,
        ("campaign", "autumn"): 5,
        ("partner", "bob"): 4,
        ("intermediary", "bob"): 4,
    }
    sql = "SELECT name, last_return, customers FROM attribution WHERE dimension = 'campaign' AND cost_micros > 0"
    returns = {each["name"]: (each["last_return"], each["customers"]) for each in report.ask(sql)}
    assert returns == {"spring": (pytest.approx(89 / 11), 1), "autumn": (-1.0, 0)}, "what won nothing lost its cost"
    response = report.ask("SELECT campaign, customers, responders FROM campaign_response")
    assert [tuple(each.values()) for each in response] == [("spring", 2, 2), ("autumn", 0, 0)]


def test_how_many_touches_it_takes_and_whether_a_quick_answer_pays(report: Report) -> None:
    asked = [
        happened("2026-03-01T10:00:00Z", "InquiryReceived", subject, inquiry=f"i-{subject}")
        for subject in ("anna", "bert", "cleo")
    ]
    answers = [
        happened("2026-03-01T10:30:00Z", "FirstResponseGiven", "anna", inquiry="i-anna", by="eve"),
        happened("2026-03-03T10:00:00Z", "FirstResponseGiven", "bert", inquiry="i-bert", by="eve"),
    ]
    filled(report, *asked, *answers, order("2026-03-04", "1", "10"))
    report.at(1_772_600_000_000_000, "2026-03-04")
    effect = report.ask("SELECT touches, paths, conversions FROM touch_effect")
    assert [tuple(each.values()) for each in effect] == [(1, 1, 0), (2, 2, 1)]
    pays = report.ask("SELECT answered, inquiries, converted FROM response_effect")
    assert [tuple(each.values()) for each in pays] == [
        ("within an hour", 1, 1),
        ("within 3 days", 1, 0),
        ("not yet", 1, 0),
    ]
    people = {each["person"]: each for each in report.ask("SELECT * FROM first_responses")}
    assert (people["eve"]["inquiries"], people["eve"]["mean_hours"]) == (2, pytest.approx(24.25))
    assert people[None]["mean_hours"] is None
    assert people[None]["longest_hours"] > 24


def test_the_removal_effect_of_a_chain_reckoned_by_hand() -> None:
    # From the start 2/3 go to a, 1/3 to b. Of a, half go on to b and half are lost; b always converts. So 2/3 convert;
    # without a 1/3 would, without b none: effects 1/2 and 1.
    effects = removal_effects({(("a", "b"), True): 1, (("a",), False): 1, (("b",), True): 1})
    assert effects == pytest.approx({"a": 0.5, "b": 1.0})
    assert apportioned(100, effects) == {"a": 33, "b": 67}
    assert removal_effects({(("a",), False): 3}) == {}


@settings(max_examples=30, deadline=None)
@given(
    paths=st.dictionaries(
        st.tuples(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=5).map(tuple), st.booleans()),
        st.integers(1, 5),
        min_size=1,
        max_size=8,
    )
)
def test_a_removal_effect_is_what_is_lost_when_the_walks_to_a_name_end(paths: dict[Any, int]) -> None:
    effects, whole = removal_effects(paths), chance_to_convert(paths)
    assert bool(effects) == (whole > 0)
    for name, effect in effects.items():
        assert effect == pytest.approx(1 - chance_to_convert(paths, name) / whole, abs=1e-3)


def chance_to_convert(paths: dict[Any, int], without: str | None = "nobody") -> float:
    """How many walks of the chain convert, step by step; a walk that comes to the name that is left out ends."""
    moves: dict[Any, Counter[Any]] = {}
    for (path, won), times in paths.items():
        for one, other in pairwise(("start", *path, "won" if won else "lost")):
            moves.setdefault(one, Counter())[other] += times
    at: dict[Any, float] = {"start": 1.0}
    won = 0.0
    for _ in range(400):
        onward: dict[Any, float] = {}
        for state, share in at.items():
            for other, times in moves[state].items():
                part = share * times / moves[state].total()
                if other == "won":
                    won += part
                elif other not in ("lost", without):
                    onward[other] = onward.get(other, 0.0) + part
        at = onward
    return won


@settings(max_examples=50, deadline=None)
@given(total=st.integers(-(10**18), 10**18), effects=st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=9))
def test_what_is_apportioned_adds_up_exactly(total: int, effects: dict[str | None, float]) -> None:
    given_ = apportioned(total, effects)
    assert sum(given_.values()) == (total if any(effect > 1e-15 for effect in effects.values()) else 0)


_channels = st.sampled_from(["ads", "mail", None])
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("touch"), _channels, st.sampled_from(["spring", None])),
        st.tuples(st.just("order"), st.integers(0, 10**9), st.sampled_from(["EUR", "USD"])),
        st.tuples(st.just("won"), st.integers(0, 10**9), st.just("EUR")),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(lives=st.lists(_steps, min_size=1, max_size=4))
def test_whatever_the_rule_credits_add_up_to_what_the_conversions_are_worth(lives: list[Any]) -> None:
    story = []
    for customer, life in enumerate(lives):
        for place, (what, one, other) in enumerate(life):
            when, subject, name = f"2026-03-{place + 1:02}", f"c-{customer}", f"{customer}-{place}"
            worth = f"{one / 1e6:.6f} {other}" if what != "touch" else ""
            if what == "touch":
                story.append(click(when, one, subject, touch_campaign=other))
            elif what == "order":
                story.append(happened(when, "OrderPlaced", subject, order=name, total=worth))
            else:
                story.append(happened(when, "OpportunityWon", subject, opportunity=name, amount=worth))
    with closing(Report("sqlite:///")) as report:
        filled(report, *story)
        expected = report.ask("""
            SELECT kind, currency, 1000000 * COUNT(*) AS credit, SUM(value_micros) AS value
            FROM conversions WHERE touches > 0 GROUP BY kind, currency ORDER BY kind, currency
        """)
        answers = [tuple(each.values()) for each in report.ask(ATTRIBUTION)]
        trails = [tuple(each.values()) for each in report.ask(TRAILS)]
        for dimension in DIMENSIONS:
            found = with_markov(ATTRIBUTION_COLUMNS, answers, trails, dimension)
            for rule in (*RULES, "markov"):
                sums: dict[tuple[str, str], list[int]] = {}
                for each in found:
                    of = sums.setdefault((each["conversion_kind"], each["currency"]), [0, 0])
                    of[0] += each[f"{rule}_credit_micros"]
                    of[1] += each[f"{rule}_value_micros"]
                assert [(*key, *of) for key, of in sorted(sums.items())] == [
                    tuple(each.values()) for each in expected
                ], (dimension, rule)


def test_what_was_sold_in_another_currency_is_not_credited_to_who_never_led_to_it(report: Report) -> None:
    story = [
        click("2026-03-01", "search", "anna"),
        happened("2026-03-02", "OrderPlaced", "anna", order="a", total=eur("10")),
        click("2026-03-01", "fair", "bert"),
        happened("2026-03-02", "OrderPlaced", "bert", order="b", total="7 USD"),
        click("2026-03-01", "search", "cleo"),
    ]
    filled(report, *story)
    answers = [tuple(each.values()) for each in report.ask(ATTRIBUTION)]
    trails = [tuple(each.values()) for each in report.ask(TRAILS)]
    found = with_markov(ATTRIBUTION_COLUMNS, answers, trails, "channel")
    assert [(each["name"], each["currency"], each["markov_value_micros"]) for each in found] == [
        ("search", "EUR", 10_000_000),
        ("fair", "USD", 7_000_000),
    ]


def test_a_campaign_that_cost_and_touched_nobody_is_no_chain_and_gets_nothing(report: Report) -> None:
    bought = happened("2026-03-02", "OrderPlaced", order="o", total=eur("10"))
    launched = happened("2026-03-01", "CampaignLaunched", "company", campaign="spring")
    booked = happened("2026-03-01", "CampaignCostBooked", "company", campaign="spring", amount=eur("5"))
    filled(report, bought, launched, booked)
    answers = [tuple(each.values()) for each in report.ask(ATTRIBUTION)]
    trails = [tuple(each.values()) for each in report.ask(TRAILS)]
    (found,) = with_markov(ATTRIBUTION_COLUMNS, answers, trails, "campaign")
    assert (found["name"], found["cost_micros"], found["markov_value_micros"]) == ("spring", 5_000_000, 0)
    assert found["markov_return"] == -1.0
