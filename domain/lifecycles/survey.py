"""The answers to a survey: one to each question. A question outside of any survey may be asked again and again."""

from collections.abc import Iterable

from domain.kinds.after_sales import SurveyAnswered
from domain.lifecycle import Lifecycle, World
from domain.touchpoint import Fact


def question_answered(fact: Fact, _: World) -> Iterable[str]:
    """The question, within its survey."""
    survey = fact.data.get("survey")
    return (f"{survey}/{fact.data['question']}",) if survey else ()


ANSWER = Lifecycle(
    "answer",
    opens={SurveyAnswered: "given"},
    steps={"given": {}},
    never="never given",
    twice="given twice",
    refuses={},
    entities=question_answered,
)
