"""What customers say when asked, and what they say unasked."""

from typing import Any

import pytest

from domain.touchpoint import Envelope
from projections.feedback import Feedback
from projections.opportunities import Opportunities
from projections.surveys import Surveys
from tests.projections.report import Report
from tests.projections.story import corrected, happened, merged, row, rows


def answered(
    when: str, score: float | None, metric: str | None = "nps", subject: str = "anna", **more: Any
) -> Envelope:
    given = {"score": None if score is None else float(score), "metric": metric, **more}
    named = {name: value for name, value in given.items() if value is not None}
    return happened(when, "SurveyAnswered", subject=subject, **{"question": "recommend us?"} | named)


@pytest.mark.parametrize(
    ("metric", "score", "scale", "says"),
    [
        ("nps", 9, None, "positive"), ("nps", 8, None, "neutral"), ("nps", 7, "0-10", "neutral"),
        ("nps", 6, None, "negative"), ("nps", 90, "0..100", "positive"), ("nps", 11, None, None),
        ("csat", 4, None, "positive"), ("csat", 3, "1 to 5", "neutral"), ("csat", 2, None, "negative"),
        ("ces", 5, None, "positive"), ("ces", 4, "1-7", "neutral"), ("ces", 3, None, "negative"),
        ("csat", 3, "stars", None), ("csat", 3, "5-1", None), ("csat", None, None, None), (None, 3, "1-5", None),
    ],
)  # fmt: skip
def test_an_answer_is_judged_by_the_convention_of_its_measure(
    metric: str | None, score: float | None, scale: str | None, says: str | None
) -> None:
    assert row(Surveys, answered("2026-03-01", score, metric, scale=scale)).verdict == says


def test_an_answer_carries_the_segment_of_its_time() -> None:
    story = [
        answered("2026-03-01", 5),
        happened("2026-03-02", "SegmentAssigned", segment="gold"),
        answered("2026-03-03", 9),
        happened("2026-03-04", "SegmentAssigned", segment="silver"),
    ]
    assert [each.segment for each in rows(Surveys, *story)] == [None, "gold"]
    late = happened("2026-02-28", "SegmentAssigned", segment="bronze")
    assert [each.segment for each in rows(Surveys, *story, late)] == ["bronze", "gold"]


def test_a_second_answer_to_one_question_of_a_survey_is_told_apart() -> None:
    twice = [answered("2026-03-01", 5, survey="s"), answered("2026-03-02", 9, survey="s"), answered("2026-03-03", 9)]
    assert [each.repeated for each in rows(Surveys, *twice, answered("2026-03-04", 9))] == [0, 1, 0, 0]


def test_a_mistyped_answer_is_corrected() -> None:
    mistyped = answered("2026-03-01", 1)
    mended = row(Surveys, mistyped, corrected(mistyped, "2026-03-02", replacement={"score": 10.0}))
    assert (mended.score, mended.verdict, mended.day) == (10.0, "positive", "2026-03-01")


def test_satisfaction_by_attributes_of_the_answer_and_of_the_deal(report: Report) -> None:
    deal = {"product": "mug", "owner": "kim", "lead_source": "fair"}
    story = [
        happened("2026-03-01", "OpportunityOpened", opportunity="first", **deal),
        happened("2026-03-02", "OpportunityWon", opportunity="first"),
        answered("2026-03-03", 10, product="mug", manager="eve"),
        happened("2026-03-04", "OpportunityOpened", opportunity="second", product="pot", owner="bob"),
        happened("2026-03-05", "OpportunityLost", opportunity="second", competitor="Cups & Co"),
        answered("2026-03-06", 0, product="mug", manager="eve"),
        answered("2026-03-06", 9, subject="bert", product="pot"),
        answered("2026-03-06", 7, subject="bert", product="pot", survey="s"),
        answered("2026-03-07", 0, subject="bert", product="pot", survey="s"),
        answered("2026-03-07", 4, "csat", subject="bert"),
    ]
    report.fill("surveys", rows(Surveys, *story))
    report.fill("opportunities", rows(Opportunities, *story))
    (mug,) = report.ask("SELECT * FROM satisfaction WHERE product = 'mug' AND metric = 'nps'")
    assert (mug["answers"], mug["customers"], mug["positive"], mug["negative"]) == (2, 1, 1, 1)
    assert (mug["satisfaction"], mug["mean_share"], mug["manager"]) == (0, 0.5, "eve")
    assert asked(report, "product", "nps") == {"mug": (2, 0), "pot": (2, 50)}
    assert asked(report, "deal owner", "nps") == {"kim": (1, 100), "bob": (1, -100), None: (2, 50)}
    assert asked(report, "deal competitor", "nps") == {"Cups & Co": (1, -100), None: (3, pytest.approx(200 / 3))}
    assert asked(report, "question", "csat") == {"recommend us?": (1, 100)}


def asked(report: Report, attribute: str, metric: str) -> dict[str | None, tuple[int, float]]:
    told = f"SELECT * FROM satisfaction_by WHERE attribute = '{attribute}' AND metric = '{metric}'"
    return {each["value"]: (each["answers"], each["satisfaction"]) for each in report.ask(told)}


def test_opinions_of_every_form_feed_development(report: Report) -> None:
    story = [
        happened("2026-03-01", "FeedbackGiven", product="mug", topic="handle", opinion="hot!", sentiment="negative"),
        happened("2026-03-02", "FeedbackGiven", product="mug", topic="handle", opinion="!", sentiment="positive"),
        happened("2026-03-03", "ComplaintReceived", complaint="1", about="handle", product="mug", text="broke"),
        happened("2026-03-04", "OpportunityLost", opportunity="o", dissatisfaction="handle"),
        happened("2026-03-05", "OpportunityLost", opportunity="p", reason="price"),
    ]
    opened = happened("2026-03-01", "OpportunityOpened", opportunity="o", product="mug")
    told = rows(Feedback, *story, opened)
    assert {(each.form, each.sentiment) for each in told} == {
        ("feedback", "negative"), ("feedback", "positive"), ("complaint", "negative"), ("lost deal", "negative")
    }  # fmt: skip
    assert not any("hot!" in each or "broke" in each for each in told), "a customer's own words stay in the history"
    report.fill("feedback", told)
    (handle,) = report.ask("SELECT * FROM opinions")
    assert (handle["product"], handle["topic"], handle["opinions"]) == ("mug", "handle", 4)
    assert (handle["positive"], handle["negative"], handle["complaints"], handle["lost_deals"]) == (1, 3, 1, 1)
    assert (handle["first_day"], handle["last_day"], handle["customers"]) == ("2026-03-01", "2026-03-04", 1)


def test_opinions_go_over_to_the_survivor() -> None:
    said = happened("2026-03-01", "FeedbackGiven", product="mug", opinion="!")
    assert row(Feedback, said, *merged("2026-03-02", "bert", "anna"))[:3] == ("bert", "anna", 1)
