"""How goals stand: each one's indicator looked up in the views, now and as of the day it began.

An indicator is no SQL. Its names are looked up in the data dictionary before they are put into a statement: see
`domain.indicator`.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from math import isfinite
from typing import Any

from adapters.engine import Engine
from adapters.progress import Progress
from adapters.views.moments import Moment, beneath, views_at
from adapters.views.selecting import Clause, column, compared, select
from adapters.views.tables import Tables, Views, open_tables
from domain.errors import QueryRefused
from domain.indicator import Indicator, read_indicator
from domain.money import MICROS
from projections import views
from projections.goals import Assessment, GoalRow, Measured, assess, unmeasurable
from projections.view import bounded

_AGGREGATES = {
    None: "{}",
    "sum": "SUM({})",
    "mean": "AVG(CAST({} AS DOUBLE PRECISION))",
    "min": "MIN({})",
    "max": "MAX({})",
    "count": "COUNT({})",
}
_NOTHING = Measured(None)


def assessments(engine: Engine, moment: Moment, on_progress: Progress | None = None) -> list[Assessment]:
    """How every goal stands at a moment, by due day.

    The value of a goal whose day is over is that of the end of its day. What the live views do not show is folded for
    this call alone, once for each day that is asked of.

    Raises:
        ViewNotBuilt: the goals have no table yet. LogUnavailable: a database was lost.
    """
    with _tables(engine, moment, {"goals": views()["goals"]}, on_progress) as tables:
        goals = [GoalRow(*row) for row in tables.rows("goals")[1]]
        ((today,),) = tables.query("SELECT day FROM moment")[1]
    goals.sort(key=lambda goal: (goal.due_day or "9999-12-31", goal.goal, goal.subject))
    flaws = {goal: _flaw(goal) for goal in goals}
    asked: dict[str, set[Indicator]] = {}
    for goal in goals:
        if (indicator := read_indicator(goal.indicator)) and not flaws[goal]:
            for day in _days(goal, today):
                asked.setdefault(day, set()).add(indicator)
    seen = {
        (day, indicator): measured
        for day, indicators in sorted(asked.items())
        for indicator, measured in _measured(engine, moment, day, today, indicators, on_progress)
    }

    def shown(goal: GoalRow, day: str) -> Measured:
        indicator = read_indicator(goal.indicator)
        return seen.get((day, indicator), _NOTHING) if indicator else _NOTHING

    return [
        assess(
            goal,
            shown(goal, goal.since_day) if goal.baseline_micros is None else Measured(goal.baseline_micros),
            flaws[goal] or shown(goal, _valued_on(goal, today)),
            today,
        )
        for goal in goals
    ]


def _flaw(goal: GoalRow) -> Measured | None:
    fields = {"indicator": goal.indicator, "target": goal.target_micros}
    fields |= {"change": goal.change_micros, "due": goal.due_day}
    why = unmeasurable({name: value for name, value in fields.items() if value is not None}, views().values())
    return Measured(None, "; ".join(why)) if why else None


def _valued_on(goal: GoalRow, today: str) -> str:
    return min(goal.due_day or today, today)


def _days(goal: GoalRow, today: str) -> set[str]:
    """The days at whose end a goal's indicator is asked."""
    began = {goal.since_day} if goal.baseline_micros is None and goal.since_day <= today else set[str]()
    return began | {_valued_on(goal, today)}


def _measured(
    engine: Engine, moment: Moment, day: str, today: str, indicators: set[Indicator], on_progress: Progress | None
) -> Iterator[tuple[Indicator, Measured]]:
    """What some indicators show at the end of a day, or at the moment itself where that is the day."""
    then = moment if day == today else moment._replace(as_of=engine.company.end_of(date.fromisoformat(day)))
    needed = beneath((indicator.relation for indicator in indicators), views())
    with _tables(engine, then, needed, on_progress) as tables:
        for indicator in indicators:
            try:
                yield indicator, _look_up(tables, indicator)
            except QueryRefused as refused:
                yield indicator, Measured(None, f"its indicator cannot be asked: {refused.rule}")


@contextmanager
def _tables(engine: Engine, moment: Moment, needed: Views, on_progress: Progress | None) -> Iterator[Tables]:
    if moment == Moment():
        with closing(open_tables(engine.url, engine.company)) as tables:
            yield tables
        return
    with views_at(engine.log, engine.url, engine.company, needed, moment, on_progress) as tables:
        yield tables


def _look_up(tables: Tables, indicator: Indicator) -> Measured:
    """What an indicator shows in these tables; its names are known to the dictionary."""
    aggregate, measured = indicator.aggregate, column(indicator.column)
    where = [compared(name, "=", value, as_text=True) for name, value in indicator.conditions]
    if aggregate is not None:
        # On PostgreSQL a sum of texts is an error, on SQLite it is zero: so what there is, is looked at first.
        there = Clause(f"{measured} IS NOT NULL")
        some = tables.query(select(indicator.relation, [measured], [*where, there]), 1)[1]
        if not some:
            return (
                Measured(0) if aggregate in ("sum", "count") else Measured(None, "no row of its indicator has a value")
            )
        if aggregate != "count" and not _is_number(some[0][0]):
            return Measured(None, "its indicator is no number")
    asked = Clause(_AGGREGATES[aggregate].format(measured))
    found = tables.query(select(indicator.relation, [asked], where), 2)[1]
    if len(found) != 1:
        told = "more than one row answers; add a condition, or sum, mean, min, max or count before it"
        return Measured(None, told if found else "no row answers to its indicator")
    return _in_millionths(found, money=indicator.is_money)


def _in_millionths(found: Sequence[Sequence[Any]], *, money: bool) -> Measured:
    value = found[0][0]
    if value is None:
        return Measured(None, "its indicator has no value yet")
    if not _is_number(value):
        return Measured(None, "its indicator is no number")
    return Measured(bounded(round(value if money else value * MICROS)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and isfinite(value)
