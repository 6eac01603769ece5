"""What was advised to offer next, and what followed."""

from domain.touchpoint import Envelope
from projections.recommendations import Recommendations
from tests.projections.report import Report
from tests.projections.story import corrected, eur, happened, line, merged, order, row, rows


def advised(when: str, kind: str = "cross-sell", subject: str = "anna", **more: str) -> Envelope:
    return happened(when, "RecommendationIssued", subject=subject, kind=kind, **more)


def bought(when: str, number: str, sku: str, subject: str = "anna", **more: str) -> Envelope:
    goods = [line(sku, 1, "10", **more)]
    return happened(when, "OrderPlaced", subject=subject, order=number, lines=goods, total=eur("10"))


def statuses(*story: Envelope) -> list[str]:
    return [each.status for each in rows(Recommendations, *story)]


def test_an_offer_is_made_and_taken_up() -> None:
    story = [
        advised("2026-03-01", product="saucer", basis="bought mugs"),
        happened("2026-03-02", "PresentationDelivered", product="pot"),
        happened("2026-03-02", "MessageSent", message="m", purpose="thanks"),
        happened("2026-03-03", "QuoteIssued", quote="q", lines=[line("saucer", 1, "10")], total=eur("10"),
                 valid_until="2026-04-01"),
        bought("2026-03-04", "o-1", "mug"),
        bought("2026-03-05", "o-2", "saucer"),
        bought("2026-03-06", "o-3", "saucer"),
    ]  # fmt: skip
    taken = row(Recommendations, *story)
    assert (taken.status, taken.order_id, taken.taken_up_day, taken.days_to_take_up) == (
        "taken up", "o-2", "2026-03-05", 4
    )  # fmt: skip
    assert taken.acted_by == "QuoteIssued"
    assert row(Recommendations, *story[:5]).status == "open"


def test_a_category_or_anything_at_all_may_be_what_is_advised() -> None:
    assert statuses(advised("2026-03-01", product="dishes"), bought("2026-03-02", "o", "cup", category="dishes")) == [
        "taken up"
    ]
    assert statuses(advised("2026-03-01", "repeat"), order("2026-03-02", "o", "10")) == ["taken up"]
    assert statuses(order("2026-02-28", "o", "10"), advised("2026-03-01", "repeat")) == ["open"]


def test_a_discount_due_is_acted_on_by_a_discount_and_a_reminder_by_a_call() -> None:
    applied = happened("2026-03-02", "DiscountApplied", order="o", rule="regular", amount=eur("1"))
    called = happened("2026-03-03", "ContactMade", mode="call")
    due = [advised("2026-03-01", "discount"), advised("2026-03-01", "reminder")]
    acted = {each.advice: each.acted_by for each in rows(Recommendations, *due, applied, called)}
    assert acted == {"discount": "DiscountApplied", "reminder": "ContactMade"}


def test_newer_advice_replaces_the_same_that_stands() -> None:
    story = [advised("2026-03-01", product="pot"), advised("2026-03-03", product="pot")]
    assert statuses(*story) == ["replaced", "open"]
    assert statuses(*story, bought("2026-03-04", "o", "pot")) == ["replaced", "taken up"]
    late = bought("2026-03-02", "o", "pot")
    assert statuses(*story, late) == ["taken up", "open"]


def test_an_order_called_off_takes_nothing_up() -> None:
    story = [advised("2026-03-01", product="pot"), bought("2026-03-02", "o", "pot")]
    off = happened("2026-03-03", "OrderCancelled", order="o")
    assert statuses(*story, off) == ["open"]
    assert statuses(*story, happened("2026-03-03", "OrderCancelled", order="o", lines=[line("pot", 1)])) == ["taken up"]
    assert row(Recommendations, *story, off, bought("2026-03-04", "p", "pot")).order_id == "p"
    newer = advised("2026-03-02T12:00Z", product="pot")
    assert statuses(*story, newer, off) == ["replaced", "open"]


def test_advice_that_was_a_mistake_or_is_of_an_absorbed_customer() -> None:
    mistake = advised("2026-03-01", product="pot")
    assert statuses(mistake, corrected(mistake, "2026-03-02", retraction=True)) == []
    later = bought("2026-03-03", "o", "pot", subject="bert")
    joined = row(Recommendations, mistake, *merged("2026-03-02", "bert", "anna"), later)
    assert (joined.subject, joined.stream, joined.status) == ("bert", "anna", "taken up")


def test_what_waits_and_what_came_of_the_rest(report: Report) -> None:
    told = rows(
        Recommendations,
        advised("2026-03-01", product="pot", basis="mugs"), bought("2026-03-03", "o", "pot"),
        advised("2026-03-01", product="pot", basis="mugs", subject="bert"),
        happened("2026-03-02", "ContactMade", subject="bert", mode="call"),
        advised("2026-03-05", "discount"),
        advised("2026-03-06", "discount"),
    )  # fmt: skip
    report.fill("recommendations", told)
    waiting = report.ask("SELECT subject, advice, product, acted FROM open_recommendations")
    assert [tuple(each.values()) for each in waiting] == [
        ("bert", "cross-sell", "pot", 1), ("anna", "discount", None, 0)
    ]  # fmt: skip
    discount, pots = sorted(report.ask("SELECT * FROM recommendation_uptake"), key=lambda each: each["uptake"])
    assert (pots["issued"], pots["taken_up"], pots["open"], pots["acted"]) == (2, 1, 1, 1)
    assert (pots["uptake"], pots["mean_days"], pots["basis"]) == (0.5, 2, "mugs")
    assert (discount["issued"], discount["replaced"], discount["uptake"]) == (2, 1, 0)
