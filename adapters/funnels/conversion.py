"""What a funnel answers, in one vectorised pass over the touchpoints that it is about."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.funnel import Funnel

Ints = NDArray[np.int64]


class Sightings(NamedTuple):
    """Touchpoints by customer and in the order of each history: all of them under strict order, else those of steps.

    customer: a number for each; at: microseconds since 1970 UTC; steps: bit k where it is step k; by: a number for each
    value of what attempts are told apart by, -1 for none; names, values: what the numbers stand for.
    """

    customer: Ints
    at: Ints
    steps: Ints
    by: Ints
    names: Sequence[str]
    values: Sequence[Any]


class StepFigures(NamedTuple):
    """How one step went: shares from 0 to 1, times in seconds from the step before, by nearest rank."""

    by: Any
    step: int
    touchpoint: str
    customers: int
    of_first: float | None
    of_previous: float | None
    lost: int
    median_s: float | None
    p90_s: float | None


class Lost(NamedTuple):
    """A customer who came to a step and no further; times in microseconds since 1970 UTC."""

    subject: str
    by: Any
    first_at: int
    last_at: int


class Conversion:
    """The attempt of every customer that came furthest, of several such the first.

    Args:
        funnel: what is asked.
        seen: the touchpoints that it is about.
    """

    def __init__(self, funnel: Funnel, seen: Sightings) -> None:
        self._funnel = funnel
        self._seen = seen
        places, level = self._attempts()
        chosen = _furthest(seen.customer[places[0]], level)
        self._level: Ints = level[chosen]
        self._places: Ints = places[:, chosen]
        self._by: Ints = seen.by[self._places[0]]

    def _attempts(self) -> tuple[Ints, Ints]:
        """Of every attempt: where its steps are found, a row for each step, and how many steps it came."""
        seen, window = self._seen, self._funnel.within_us
        starts: Ints = np.flatnonzero(seen.steps & 1).astype(np.int64)
        places = np.zeros((len(self._funnel.steps), len(starts)), np.int64)
        level = np.ones(len(starts), np.int64)
        places[0] = at = starts
        for step in range(1, len(self._funnel.steps)):
            following, there = self._following(at, step)
            there &= (level == step) & (seen.customer[following] == seen.customer[starts])
            if window is not None:
                there &= seen.at[following] - seen.at[starts] <= window
            level += there
            places[step] = at = np.where(there, following, at)
        return places, level

    def _following(self, at: Ints, step: int) -> tuple[Ints, NDArray[np.bool_]]:
        """Where the step would be found after each place, and whether anything may be there at all."""
        steps = self._seen.steps
        if self._funnel.order == "strict":
            following = np.minimum(at + 1, len(steps) - 1)
            return following, (at + 1 < len(steps)) & ((steps[following] >> step) & 1 == 1)
        hits: Ints = np.flatnonzero((steps >> step) & 1).astype(np.int64)
        nearest = np.searchsorted(hits, at, side="right")
        if not len(hits):
            return at, np.zeros(len(at), np.bool_)
        return hits[np.minimum(nearest, len(hits) - 1)], nearest < len(hits)

    def figures(self) -> list[StepFigures]:
        """How every step went; apart for each value of what attempts are told apart by, most customers first."""
        if self._funnel.by is None:
            return list(self._of(np.ones(len(self._level), np.bool_), None))
        values, counts = np.unique(self._by, return_counts=True)
        found = [
            (-count, str(self._value(value)), value)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
        ]
        return [each for *_, value in sorted(found) for each in self._of(self._by == value, self._value(value))]

    def _value(self, number: int) -> Any:
        return None if number < 0 else self._seen.values[number]

    def _of(self, whose: NDArray[np.bool_], value: Any) -> Iterator[StepFigures]:
        level, places, at = self._level[whose], self._places[:, whose], self._seen.at
        came = [int(np.count_nonzero(level > step)) for step in range(len(self._funnel.steps))]
        for step, stated in enumerate(self._funnel.steps):
            further = came[step + 1] if step + 1 < len(came) else came[step]
            took: Ints = np.empty(0, np.int64)
            if step:
                reached = level > step
                took = np.sort(at[places[step, reached]] - at[places[step - 1, reached]])
            yield StepFigures(
                value,
                step + 1,
                stated.text,
                came[step],
                _share(came[step], came[0]) if step else None,
                _share(came[step], came[step - 1]) if step else None,
                came[step] - further,
                _rank_s(took, 0.5),
                _rank_s(took, 0.9),
            )

    def lost(self, step: int) -> list[Lost]:
        """The customers who came to a step, counted from 1, and no further, by name."""
        names, at = self._seen.names, self._seen.at
        found = np.flatnonzero(self._level == step) if step < len(self._funnel.steps) else ()
        return sorted(
            Lost(
                names[int(self._seen.customer[self._places[0, each]])],
                self._value(int(self._by[each])),
                int(at[self._places[0, each]]),
                int(at[self._places[step - 1, each]]),
            )
            for each in found
        )


def _furthest(customer: Ints, level: Ints) -> Ints:
    """Of the attempts of each customer, in their order, the one that came furthest, of several such the first."""
    if not len(customer):
        return np.empty(0, np.int64)
    first = np.flatnonzero(np.concatenate(([True], customer[1:] != customer[:-1])))
    # The level leads; among equal ones the earlier place is the greater.
    rank = level * len(level) + np.arange(len(level) - 1, -1, -1)
    best: Ints = len(level) - 1 - np.maximum.reduceat(rank, first) % len(level)
    return best


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _rank_s(ordered_us: Ints, share: float) -> float | None:
    """The nearest rank: the least of the times that so many are at most as long as."""
    return int(ordered_us[ceil(share * len(ordered_us)) - 1]) / 1_000_000 if len(ordered_us) else None
