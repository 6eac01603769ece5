"""What a benchmark is: two ways to do one work, or figures of one; and the round that runs them side by side."""

import gc
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import median
from time import perf_counter
from typing import Literal, NamedTuple

from tests.benchmarks.ground import Ground, Site, Unavailable

Database = Literal["postgresql", "sqlite", "parquet"]
Work = Callable[[Site], float]
"""Prepares, does a work, and answers one figure: touchpoints a second, or a time in ms."""


class Aim(NamedTuple):
    """What the product wants of a figure: at least, or at most."""

    at_most: bool
    figure: float

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.figure:g}"

    def met(self, figure: float) -> bool:
        """Whether a figure is as it should be."""
        return figure <= self.figure if self.at_most else figure >= self.figure


def at_least(figure: float) -> Aim:
    """An aim for what should be high."""
    return Aim(at_most=False, figure=figure)


def at_most(figure: float) -> Aim:
    """An aim for what should be low."""
    return Aim(at_most=True, figure=figure)


class Ratio(NamedTuple):
    """One work done by a peer and by us; the ratio is ours by the peer's, within a round."""

    key: str
    what: str
    on: Database
    peer: Work
    ours: Work
    aim: Aim | None = None
    unit: str = "per_s"

    @property
    def keys(self) -> tuple[str, ...]:
        """What `python -m tests.benchmarks` knows it by."""
        return (self.key,)


class Figures(NamedTuple):
    """Figures of one work, by key."""

    what: str
    on: Database
    aims: Mapping[str, Aim | None]
    measure: Callable[[Site], Mapping[str, float]]
    once: bool = False
    """So long a work that one round must do."""

    @property
    def keys(self) -> tuple[str, ...]:
        """What `python -m tests.benchmarks` knows them by."""
        return tuple(self.aims)


Measure = Ratio | Figures


@dataclass
class Measured:
    """What was found, round by round, and what could not be."""

    rounds: int = 0
    series: dict[str, list[float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, figure: float) -> None:
        """Note a figure of one more round."""
        self.series.setdefault(key, []).append(figure)

    def figures(self) -> dict[str, float]:
        """Medians by key, and beside each of more than one round the lowest and the highest."""
        found: dict[str, float] = {}
        for key, series in self.series.items():
            found[key] = rounded(median(series))
            if len(series) > 1:
                found[f"{key}_lowest"], found[f"{key}_highest"] = rounded(min(series)), rounded(max(series))
        return found


def rounded(figure: float) -> float:
    """As many digits as mean something."""
    return round(figure) if abs(figure) >= 1_000 else float(f"{figure:.4g}")


def run_rounds(ground: Ground, measures: Sequence[Measure], goes_on: Callable[[int], bool]) -> Measured:
    """Run every measure once a round, for as long as `goes_on` says after so many rounds."""
    measured = Measured()
    while goes_on(measured.rounds):
        for measure in measures:
            if measure.keys[0] in measured.left_out | measured.failed or (
                measured.rounds and isinstance(measure, Figures) and measure.once
            ):
                continue
            began = perf_counter()
            try:
                told = _run(ground, measure, measured)
            except (Unavailable, ImportError) as reason:
                measured.left_out |= dict.fromkeys(measure.keys, str(reason))
                told = f"left out: {reason}"
            except Exception as error:  # noqa: BLE001 - it is shown, and ends the run with an error, once the others are done
                traceback.print_exc()
                measured.failed |= dict.fromkeys(measure.keys, f"{type(error).__name__}: {error}")
                told = "failed"
            took = perf_counter() - began
            print(f"round {measured.rounds + 1}: {measure.keys[0]} {told} ({took:.1f} s)", file=sys.stderr, flush=True)
        measured.rounds += 1
    return measured


def _run(ground: Ground, measure: Measure, measured: Measured) -> str:
    if isinstance(measure, Figures):
        with ground.site(measure.on) as site:
            for key, figure in measure.measure(site).items():
                measured.add(key, figure)
        return " ".join(f"{measured.series[key][-1]:.4g}" for key in measure.keys if key in measured.series)
    found: dict[str, float] = {}
    works = [("peer", measure.peer), ("ours", measure.ours)]
    # Whoever comes second finds a warmer machine, so they take turns.
    for who, work in works[:: -1 if measured.rounds % 2 else 1]:
        with ground.site(measure.on) as site:
            found[who] = work(site)
    name = measure.key.removesuffix("_x")
    measured.add(measure.key, found["ours"] / found["peer"])
    measured.add(f"{name}_{measure.unit}", found["ours"])
    measured.add(f"{name}_peer_{measure.unit}", found["peer"])
    return f"{found['ours'] / found['peer']:.3g}"


def rate(count: int, work: Callable[[], object]) -> float:
    """Do a work; how many of its `count` it did a second."""
    # What the harness itself holds in memory must not make the collector run longer than in a real process.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    began = perf_counter()
    work()
    return count / (perf_counter() - began)


def percentile(series: Sequence[float], percent: float) -> float:
    """The smallest of a series that at least so many percent of it do not exceed."""
    ordered = sorted(series)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def chosen(measures: Sequence[Measure], keys: Sequence[str]) -> list[Measure]:
    """The measures that answer some keys.

    Raises:
        ValueError: none answers one of them.
    """
    known = set(chain.from_iterable(measure.keys for measure in measures))
    if unknown := [key for key in keys if key not in known]:
        raise ValueError(f"{', '.join(unknown)}: no such key. There are: {' '.join(sorted(known))}")
    return [measure for measure in measures if not set(measure.keys).isdisjoint(keys)]
