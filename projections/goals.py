"""Goals: what we resolved to reach, by when, measured by a column of a view or question, and how it stands.

The fold tells what was resolved. How a goal stands is reckoned by `assess` from its indicator's value, which no SQL
view can look up: which column it is stands in the row itself.
"""

from collections.abc import Hashable, Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple

from domain.company import day_number
from domain.indicator import Indicator, read_indicator
from domain.lifecycles.goal import missing
from domain.money import MICROS, quantity_micros
from domain.touchpoint import Fact
from projections.dictionary import Relation, relations
from projections.view import Question, Row, View, bounded


class GoalRow(NamedTuple):
    """One goal as last set."""

    subject: Annotated[str, "the company, or whose goal it is; after a merge the survivor"]
    goal: Annotated[str, "the goal's id"]
    indicator: Annotated[
        str | None, "what it is measured by: a column of a view or question, such as funnel_total.rate"
    ]
    baseline_micros: Annotated[int | None, "where the indicator stood, as stated, in millionths; null to be measured"]
    target_micros: Annotated[
        int | None, "where it is to be, in millionths: as stated, else the stated baseline and its change"
    ]
    change_micros: Annotated[int | None, "by which share of the baseline it is to change, as stated, in millionths"]
    owner: Annotated[str | None, "who of us is responsible for it"]
    since_day: Annotated[str, "day whose end is the beginning: as stated, else the day it was first set"]
    since_dayno: Annotated[int, "the same as a day number (1 is 0001-01-01), to subtract"]
    due_day: Annotated[str | None, "day to be reached by"]
    due_dayno: Annotated[int | None, "the same as a day number (1 is 0001-01-01), to subtract"]
    set_at: Annotated[int, "when it was last set, microseconds since 1970 UTC"]
    set_day: Annotated[str, "the same as a day, in the company's zone"]
    settings: Annotated[int, "how often it was set"]
    measurable: Annotated[int, "1 when it names an indicator, a target and a due day, else 0"]
    missing: Annotated[str | None, "what it lacks to be measured: indicator, target, due day; null for nothing"]


class Resolved:
    """The touchpoints that set each goal of one subject, in order."""

    __slots__ = ("goals", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.goals: dict[Hashable, list[Fact]] = {}


class Goals(View[Resolved]):
    """The goals of the company."""

    name = "goals"
    comment = "Goals: indicator, baseline, target and due day of each, as last set; `lifecircle goals` measures them."
    row_type = GoalRow
    key = ("subject", "goal")
    kinds = frozenset({"GoalSet"})
    questions = (
        Question(
            name="goal_pace",
            comment="How much of each goal's time is over. What its indicator shows, no SQL view can look up: ask "
            "`lifecircle goals`.",
            columns={
                "goal": "the goal's id",
                "owner": "who is responsible for it",
                "indicator": "what it is measured by",
                "missing": "what it lacks to be measured; null for nothing",
                "since_day": "day whose end is the beginning",
                "due_day": "day to be reached by",
                "days_left": "calendar days from the moment to that day; below zero when it is over",
                "time_share": "share of the time that is over, 0 to 1; null without a due day after the beginning",
                "baseline_micros": "where it began, as stated, in millionths; null where it is measured",
                "target_micros": "where it is to be, in millionths, as far as that is stated",
            },
            sql="""
                SELECT goal, owner, indicator, missing, since_day, due_day, due_dayno - moment.dayno AS days_left,
                       CASE WHEN due_dayno <= since_dayno THEN NULL
                            WHEN moment.dayno >= due_dayno THEN CAST(1 AS DOUBLE PRECISION)
                            WHEN moment.dayno <= since_dayno THEN CAST(0 AS DOUBLE PRECISION)
                            ELSE CAST(moment.dayno - since_dayno AS DOUBLE PRECISION) / (due_dayno - since_dayno) END
                           AS time_share,
                       baseline_micros, target_micros
                FROM goals
                CROSS JOIN moment
                ORDER BY due_day NULLS LAST, goal
            """,
        ),
    )

    def initial(self, subject: str) -> Resolved:
        """Nothing is resolved."""
        return Resolved(subject)

    def evolve(self, state: Resolved, fact: Fact) -> tuple[Resolved, Iterable[Hashable]]:
        """Set a goal, perhaps anew."""
        if fact.kind != "GoalSet":
            return state, ()
        state.goals.setdefault(fact.data["goal"], []).append(fact)
        return state, (fact.data["goal"],)

    def row(self, state: Resolved, key: Hashable) -> Row | None:
        """The goal of this id."""
        if not (said := state.goals.get(key)):
            return None
        data, last, day = said[-1].data, said[-1], self.company.day
        since, due, lacks = data.get("since") or day(said[0]), data.get("due"), missing(data)
        numbers = (data.get(name) for name in ("baseline", "target", "change"))
        baseline, target, change = (None if number is None else quantity_micros(number) for number in numbers)
        return GoalRow(
            state.subject,
            str(key),
            data.get("indicator"),
            baseline,
            _aim(baseline, target, change),
            change,
            data.get("owner"),
            since,
            day_number(since),
            due,
            day_number(due) if due else None,
            last.at,
            day(last),
            len(said),
            int(not lacks),
            ", ".join(lacks) or None,
        )


def unmeasurable(data: Mapping[str, object], selectable: Iterable[type[View[Any]]]) -> list[str]:
    """Why a goal with these stored fields cannot be measured, each with the way out; none where it can.

    Args:
        data: the fields of a GoalSet.
        selectable: the views that it may name, or a question of.
    """
    lacks = missing(data)
    indicator = read_indicator(data.get("indicator"))
    why = [f"it lacks its {', '.join(lacks)}"] if lacks else []
    if indicator is None and data.get("indicator"):
        why.append("an indicator is written as VIEW.COLUMN, perhaps with where COLUMN=VALUE")
    known = {relation.name: relation for relation in relations(selectable) if relation.form != "table"}
    return why + ([] if indicator is None else _not_there(indicator, known))


def _not_there(indicator: Indicator, known: Mapping[str, Relation]) -> list[str]:
    relation = known.get(indicator.relation)
    if relation is None:
        near = get_close_matches(indicator.relation, known, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else "list them with: lifecircle view"
        return [f"there is no view or question of the name in its indicator; {hint}"]
    asked = (indicator.column, *(column for column, _ in indicator.conditions))
    if any(column not in relation.columns for column in asked):
        return [f"{relation.name} has no column of a name in its indicator; see: lifecircle columns {relation.name}"]
    told_apart = "currency" not in relation.columns or "currency" in asked
    if indicator.is_money and indicator.aggregate and not told_apart:
        return ["amounts of different currencies are not reckoned together; add: where currency=CODE"]
    return []


Status = Literal["reached", "on track", "behind", "missed", "not begun", "not measurable"]


class Assessment(NamedTuple):
    """How a goal stands. Numbers are in millionths; of an indicator that is money, millionths of its currency."""

    goal: str
    owner: str | None
    indicator: str | None
    since_day: str
    due_day: str | None
    baseline_micros: int | None
    target_micros: int | None
    value_micros: int | None
    progress: float | None
    time_share: float | None
    forecast_micros: int | None
    status: Status
    alarm: int
    remark: str | None


class Measured(NamedTuple):
    """What an indicator showed, in millionths, or why it showed nothing."""

    micros: int | None
    why: str | None = None


def assess(goal: GoalRow, baseline: Measured, value: Measured, today: str) -> Assessment:
    """How a goal stands on a day, given what its indicator showed at its beginning and shows now.

    progress = (value - baseline) / (target - baseline); the forecast is the straight line through the baseline on its
    day and the value today, read on the due day. `alarm` is 1 where that line misses the target, or the day is over.
    """
    why = value.why or baseline.why
    start, now, due = baseline.micros, value.micros, goal.due_dayno
    target = _aim(start, goal.target_micros, goal.change_micros)
    if not why and target == start:
        why = "its target is where it began"
    known = (goal.goal, goal.owner, goal.indicator, goal.since_day, goal.due_day, start, target, now)
    if why or start is None or now is None or target is None or due is None:
        return Assessment(*known, None, None, None, "not measurable", 0, why)
    today_no = day_number(today)
    gone, whole = today_no - goal.since_dayno, due - goal.since_dayno
    progress, time_share = (now - start) / (target - start), min(max(gone / whole, 0.0), 1.0) if whole > 0 else None
    status: Status
    forecast = None
    if today_no > due:
        status = "reached" if progress >= 1 else "missed"
    elif gone <= 0:
        status = "not begun"
    else:
        forecast = bounded(start + (now - start) * whole // gone)
        meets = forecast >= target if target > start else forecast <= target
        status = "reached" if progress >= 1 else "on track" if meets else "behind"
    return Assessment(*known, progress, time_share, forecast, status, int(status in ("behind", "missed")), None)


def _aim(baseline: int | None, target: int | None, change: int | None) -> int | None:
    """Where a goal is to be, in millionths: its target, or else its baseline with the change."""
    if target is not None or baseline is None or change is None:
        return target
    return bounded(baseline + baseline * change // MICROS)
