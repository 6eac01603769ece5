"""Goals are measured in the views, now and as of the day they began; reading only, whatever an indicator says."""

from collections.abc import Sequence
from typing import Any

import pytest

from adapters.engine import Engine
from adapters.goals import assessments
from adapters.views.moments import Moment
from adapters.views.projector import Projector
from adapters.views.tables import Tables
from domain.errors import RuleBroken
from domain.touchpoint import Envelope
from projections.goals import Assessment
from tests.read_side.story import ordered, record, touch

MARCH_21 = 1_774_137_599_999_999  # its end, in London


def goal(name: str, indicator: str, day: int = 10, **fields: Any) -> Envelope:
    target = {"target": 3, "due": "2026-03-30", "indicator": indicator} | fields
    given = {name: value for name, value in target.items() if value is not None}
    return touch("GoalSet", "company", name, day, goal=name, **given)


def measured(engine: Engine, tables: Tables, told: Sequence[Envelope], moment: Moment) -> dict[str, Assessment]:
    record(engine, told)
    Projector(engine.log, tables, engine.company).run_once()
    return {found.goal: found for found in assessments(engine, moment)}


STORY = [
    ordered("anna", "o1", 5), ordered("anna", "o2", 15), ordered("bert", "o3", 20),
    ordered("cleo", "o4", 25, "7 USD"),
]  # fmt: skip


@pytest.mark.parametrize("buckets", [4], indirect=True, ids=["four"])
def test_goals_as_of_a_day_against_what_was_the_day_they_began(engine: Engine, tables: Tables) -> None:
    euros = "sum loyalty.gross_micros where currency=EUR"
    told = [
        goal("buyers", "count loyalty.subject"),
        goal("turnover", euros, change="2", target=None),
        goal("stated", euros, baseline=20, target=40, since="2026-02-28"),
        goal("over", "sum loyalty.orders", due="2026-03-15", target=2),
        goal("one row", "loyalty.orders where subject=bert", baseline=0, target=1),
    ]
    found = measured(engine, tables, [*STORY, *told], Moment(as_of=MARCH_21))
    buyers, turnover = found["buyers"], found["turnover"]
    assert (buyers.baseline_micros, buyers.value_micros, buyers.status) == (1_000_000, 2_000_000, "behind")
    assert (turnover.baseline_micros, turnover.value_micros) == (10_000_000, 30_000_000)
    assert (turnover.target_micros, turnover.progress) == (30_000_000, 1)
    assert (found["stated"].since_day, found["stated"].progress) == ("2026-02-28", 0.5)
    over = found["over"]
    assert (over.baseline_micros, over.value_micros, over.status, over.alarm) == (1_000_000, 2_000_000, "reached", 0)
    assert (found["one row"].value_micros, found["one row"].remark) == (1_000_000, None)


@pytest.mark.parametrize("buckets", [1], indirect=True, ids=["one"])
def test_what_an_indicator_cannot_show_is_said_and_nothing_else_is_run(engine: Engine, tables: Tables) -> None:
    stated: dict[str, Any] = {"baseline": 0, "due": "2027-12-31"}
    told = [
        goal("number", "mean loyalty.orders", **stated),
        goal("quoted", "count loyalty.subject where subject='anna'' OR ''1''=''1'", **stated),
        goal("rows", "loyalty.orders", **stated),
        goal("none", "loyalty.orders where subject=nobody", **stated),
        goal("none at all", "sum loyalty.orders where subject=nobody", **stated),
        goal("text", "max loyalty.status", **stated),
        goal("gone", "loyalty.colour", **stated),
        goal("mixed", "sum loyalty.gross_micros", **stated),
        goal("not yet", "funnel_total.rate", **stated),
    ]
    found = measured(engine, tables, [*STORY, *told], Moment())
    assert found["number"].value_micros == 1_333_333
    assert found["quoted"].value_micros == found["none at all"].value_micros == 0
    remarks = {name: each.remark for name, each in found.items() if each.status == "not measurable"}
    said = {
        "rows": "more than one row", "none": "no row answers", "text": "no number", "gone": "no column",
        "mixed": "currency", "not yet": "no value yet",
    }  # fmt: skip
    assert remarks.keys() == said.keys()
    assert all(part in str(remarks[name]) for name, part in said.items())


def test_a_strict_caller_hears_all_that_a_goal_lacks(sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        with pytest.raises(RuleBroken, match="lacks its indicator, target, due day"):
            engine.append([touch("GoalSet", "company", "g1", goal="g")], strict=True)
        with pytest.raises(RuleBroken, match="funnel_total has no column"):
            engine.append([goal("g", "funnel_total.ratio")], strict=True)
        (receipt,) = engine.append([goal("g", "funnel_total.rate")], strict=True)
        assert receipt.version == 1
