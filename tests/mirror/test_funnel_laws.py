"""A funnel's vectorised answer is that of a plain fold over effective history, from the mirror and from the log."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.engine import Engine
from adapters.funnels.conversion import Conversion, Lost, Sightings, StepFigures
from adapters.funnels.sources import from_log, from_mirror
from adapters.mirror.manifest import read_manifest
from adapters.mirror.mirroring import mirror
from domain.flat import Flat, Sort
from domain.funnel import Condition, Funnel, Step, read_funnel
from domain.touchpoint import Fact
from tests.domain.worlds import HOUR_US, World
from tests.identity.worlds import envelope, shared_worlds
from tests.mirror.reading import mirrored_history, replayed, told_history
from tests.read_side.story import record


def attempts(funnel: Funnel, history: Sequence[Fact]) -> Iterable[list[Fact]]:
    """Every attempt of one customer, as the funnel's own words say it."""
    first, *rest = funnel.steps
    for place, begun in enumerate(history):
        if not first.matches(begun):
            continue
        attempt = [begun]
        for fact in history[place + 1 :]:
            late = funnel.within_us is not None and fact.at - begun.at > funnel.within_us
            wanted = rest[len(attempt) - 1] if len(attempt) <= len(rest) else None
            if wanted and not late and wanted.matches(fact):
                attempt.append(fact)
            elif funnel.order == "strict":
                break
        yield attempt


def reference(funnel: Funnel, histories: Mapping[str, Sequence[Fact]]) -> dict[str, list[Fact]]:
    """Each customer's attempt that came furthest, of several such the first."""
    return {
        subject: max(found, key=len)  # of equal ones max answers the first
        for subject, history in histories.items()
        if (found := list(attempts(funnel, history)))
    }


def figures(funnel: Funnel, best: Mapping[str, list[Fact]]) -> list[StepFigures]:
    """What is told of the attempts, counted one by one."""
    by = funnel.by.read if funnel.by else lambda _: None
    groups: dict[Any, list[list[Fact]]] = {} if funnel.by else {None: []}
    for attempt in best.values():
        groups.setdefault(by(attempt[0]), []).append(attempt)
    rows = []
    for value, members in sorted(groups.items(), key=lambda pair: (-len(pair[1]), str(pair[0]))):
        for at, step in enumerate(funnel.steps):
            came = [each for each in members if len(each) > at]
            before = [each for each in members if len(each) > at - 1]
            took = sorted(each[at].at - each[at - 1].at for each in came) if at else []
            rows.append(
                StepFigures(
                    value,
                    at + 1,
                    step.text,
                    len(came),
                    len(came) / len(members) if at and members else None,
                    len(came) / len(before) if at and before else None,
                    len([each for each in came if len(each) == at + 1]) if at + 1 < len(funnel.steps) else 0,
                    _at_share(took, 50),
                    _at_share(took, 90),
                )
            )
    return rows


def _at_share(ordered: list[int], percent: int) -> float | None:
    """The least that so many of a hundred are at most as long as."""
    return next((each / 1e6 for n, each in enumerate(ordered, 1) if 100 * n >= percent * len(ordered)), None)


def lost(funnel: Funnel, best: Mapping[str, list[Fact]], step: int) -> list[Lost]:
    by = funnel.by.read if funnel.by else lambda _: None
    return sorted(
        Lost(subject, by(attempt[0]), attempt[0].at, attempt[-1].at)
        for subject, attempt in best.items()
        if len(attempt) == step < len(funnel.steps)
    )


STEPS = st.sampled_from(
    [
        "OpportunityOpened",
        "OpportunityOpened where opportunity != o-ann",
        "OpportunityChanged where probability >= 0.9",
        "OpportunityWon",
        "OpportunityWon where reason = price",
        "OrderPlaced where total >= 1 EUR and source = shop",
        "OrderPlaced where total > 1 EUR",
        "InvoiceIssued where due <= 1970-01-02",
        "PaymentReceived",
        "TicketOpened",
        "SurveyAnswered",
        "LoyaltyPointsPosted where delta < 0",
        "IdentifierLinked where verified = true",
        "TouchpointCorrected where retraction = false",
    ]
)
WINDOWS = st.sampled_from([None, "1 hour", "10 hours", "2 days"])
BYS = {
    "OpportunityOpened": "opportunity",
    "LoyaltyPointsPosted": "reason",
    "TouchpointCorrected": "data_occurred",
    "IdentifierLinked": "verified",
    "InvoiceIssued": "due",
}


@st.composite
def funnels(draw: st.DrawFn) -> Funnel:
    steps = draw(st.lists(STEPS, min_size=2, max_size=4))
    by = draw(st.sampled_from([None, BYS.get(steps[0].split()[0], "source")]))
    return read_funnel(steps, draw(WINDOWS), draw(st.sampled_from(["loose", "strict"])), by)


@settings(max_examples=6, deadline=None)
@given(shared_worlds(24), st.lists(funnels(), min_size=6, max_size=6), st.integers(0, 80), st.integers(0, 24))
def test_a_funnel_from_mirror_and_log_is_a_fold_over_effective_history(
    world: World, asked: list[Funnel], hour: int, half: int
) -> None:
    with TemporaryDirectory() as place, Engine.create(f"sqlite:///{place}/log.db", buckets=2) as engine:
        folder = Path(place) / "mirror"
        record(engine, map(envelope, world[:half]))
        mirror(engine, folder)
        record(engine, map(envelope, world[half:]))
        manifest = mirror(engine, folder)
        assert mirrored_history(folder) == told_history(engine)
        assert read_manifest(folder) == manifest
        began = manifest.history.began
        for as_of in (None, None if began is None or hour * HOUR_US < began else hour * HOUR_US):
            histories = replayed(engine, as_of)
            for funnel in asked:
                best = reference(funnel, histories)
                columns = Conversion(funnel, from_mirror(folder, manifest, funnel, as_of))
                directly = Conversion(funnel, from_log(engine, funnel, as_of, _never))
                assert columns.figures() == directly.figures() == figures(funnel, best)
                for step in range(1, len(funnel.steps) + 1):
                    assert columns.lost(step) == directly.lost(step) == lost(funnel, best, step)


def _never(stream: str, error: str) -> None:
    raise AssertionError(f"{stream}: {error}")


def _stepped(place: int) -> Step:
    column = Flat("bits", Sort.INTEGER, lambda fact: fact.data["bits"] >> place & 1)
    return Step(f"step {place}", "Any", (Condition(column, "=", 1),))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 7)), max_size=9), max_size=6),
    st.integers(2, 3),
    st.none() | st.integers(1, 30),
    st.sampled_from(["loose", "strict"]),
)
def test_the_pass_over_columns_is_the_plain_reference(
    told: list[list[tuple[int, int]]], steps: int, within: int | None, order: Any
) -> None:
    funnel = Funnel(tuple(map(_stepped, range(steps))), within, order)
    histories = {f"c{place}": _facts(lives) for place, lives in enumerate(told)}
    kept = [
        (place, fact.at, fact.data["bits"] & ((1 << steps) - 1), -1)
        for place, facts in enumerate(histories.values())
        for fact in facts
        if order == "strict" or fact.data["bits"] & ((1 << steps) - 1)
    ]
    customer, at, bits, by = np.array(kept, np.int64).reshape(-1, 4).T
    conversion = Conversion(funnel, Sightings(customer, at, bits, by, list(histories), []))
    best = reference(funnel, histories)
    assert conversion.figures() == figures(funnel, best)
    assert [conversion.lost(step) for step in range(1, steps)] == [lost(funnel, best, step) for step in range(1, steps)]


def _facts(lives: list[tuple[int, int]]) -> list[Fact]:
    return [
        Fact(at, 0, "s", version, "Any", f"t{version}", "shop", {"bits": bits}, {})
        for version, (at, bits) in enumerate(sorted(lives, key=lambda life: life[0]), 1)
    ]
