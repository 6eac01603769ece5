"""How a goal says what it is measured by, and that a vague goal is told."""

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from domain.indicator import Indicator, read_indicator
from tests.scenario import given, said


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("funnel_total.rate", Indicator(None, "funnel_total", "rate")),
        (" sum  loyalty.orders ", Indicator("sum", "loyalty", "orders")),
        ("a.b where c=1 and d = x-y", Indicator(None, "a", "b", (("c", "1"), ("d", "x-y")))),
        ("mean a.b where c='very high'", Indicator("mean", "a", "b", (("c", "very high"),))),
        ("count a.b where c='it''s' and d=''", Indicator("count", "a", "b", (("c", "it's"), ("d", "")))),
        ("a.b where c='x and d=1'", Indicator(None, "a", "b", (("c", "x and d=1"),))),
    ],
)
def test_an_indicator_is_a_column_and_perhaps_conditions(text: str, read: Indicator) -> None:
    assert read_indicator(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "", "churn", "less churn", "a.", "a.b.c", "A.b", "a.b where", "a.b where c", "a.b and c=1", "a.b where c=1 and",
        "a.b where c=1 where d=2", "a.b where c=1 or d=2", "median a.b", "a.b; DROP TABLE a", "a.b where c=1;--",
        "a.b where c='1' OR 1=1", "a.b where c='\\' and d=1", "a.b where c='x\0'", '"a".b', "a.b--", "a.b where c=it's",
        "x" * 2_000, "a.b where c=" + "x" * 1_000, None, 7,
    ],
)  # fmt: skip
def test_anything_else_is_none(text: object) -> None:
    assert read_indicator(text) is None


@settings(max_examples=50, deadline=None)
@drawn(st.lists(st.tuples(st.sampled_from(["kind", "and", "where"]), st.text("aß ';=-\\\n", max_size=6))))
def test_every_value_that_is_read_is_the_one_that_was_meant(conditions: list[tuple[str, str]]) -> None:
    told = [column + "='" + value.replace("'", "''") + "'" for column, value in conditions]
    text = "sum a.b" + (" where " + " and ".join(told) if told else "")
    read = read_indicator(text)
    assert read is None or read.conditions == tuple(conditions)
    plain = all(character.isprintable() and character != "\\" for _, value in conditions for character in value)
    assert read is not None or not plain


def test_a_vague_goal_is_a_breach_for_each_thing_it_lacks() -> None:
    vague = given().when(said("GoalSet", goal="g", indicator="customers are happier"))
    assert [breach.rule for breach in vague.standing()] == ["goal/no indicator", "goal/no target", "goal/no due day"]
    firm = said("GoalSet", goal="g", indicator="funnel_total.rate", target="0.2", due="2026-06-30")
    given(firm).breaches_nothing()
    relative = said("GoalSet", goal="h", indicator="funnel_total.rate", change="-0.25", due="2026-06-30")
    given(firm, relative).when(said("GoalSet", goal="g", indicator="a.b", target=1)).breaches("goal", "no due day")
