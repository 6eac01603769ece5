"""A goal: set, perhaps anew, so that it can be measured: by an indicator, against a target, on a day."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from domain.indicator import read_indicator
from domain.kinds.analysis import GoalSet
from domain.lifecycle import Guard, Lifecycle, Step

NEEDS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "indicator": lambda data: read_indicator(data.get("indicator")) is not None,
    "target": lambda data: "target" in data or "change" in data,
    "due day": lambda data: "due" in data,
}
"""What a goal must name to be measured, each with how to tell that it does."""

_WHY = {
    "indicator": "it names no column to be measured by, such as funnel_total.rate",
    "target": "it says neither where the indicator is to be nor by which share it is to change",
    "due day": "it names no day to be reached by",
}


def missing(data: Mapping[str, Any]) -> list[str]:
    """What a goal lacks to be measured."""
    return [name for name, given in NEEDS.items() if not given(data)]


def _lacks(name: str, step: Step) -> bool:
    return not NEEDS[name](step.fact.data)


GOAL = Lifecycle(
    "goal",
    opens={GoalSet: "set"},
    steps={"set": {GoalSet: "set"}},
    never="never set",
    twice="set twice",
    refuses={},
    guards={GoalSet: [Guard(f"no {name}", why, partial(_lacks, name)) for name, why in _WHY.items()]},
)
