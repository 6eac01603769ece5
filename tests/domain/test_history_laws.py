"""Laws of effective history, over worlds of several customers who are merged, parted, corrected and told of late."""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import domain.kinds  # noqa: F401 - registers the kinds
from domain.company import Company
from domain.history import (
    awaited_ids,
    components,
    effective_histories,
    root_of,
    roots,
)
from domain.judging import breaches_in, weigh
from domain.lifecycle import RuleState
from domain.touchpoint import Fact
from tests.domain.worlds import (
    HOUR_US,
    HOURS,
    STREAMS,
    Told,
    World,
    admitted,
    correction,
    merge,
    ordinary,
    recorded,
    revert_of,
    worlds,
    worlds_arriving_twice,
)


def seen(histories: dict[str, list[Fact]]) -> dict[str, list[tuple[Any, ...]]]:
    """Histories by what matters in them: not by version or position, which follow the arrival."""
    return {root: [_content(fact) for fact in history] for root, history in histories.items()}


def _content(fact: Fact) -> tuple[Any, ...]:
    return fact.at, fact.sequence, fact.stream, fact.kind, fact.id, fact.source, fact.data, fact.envelope


def nonempty(histories: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {root: history for root, history in histories.items() if history}


LAWFUL = settings(max_examples=120, deadline=None)


@LAWFUL
@given(worlds_arriving_twice())
def test_any_arrival_gives_the_same_histories_and_the_same_breaches(both: tuple[World, World]) -> None:
    first, second = (effective_histories(recorded(world)) for world in both)
    assert seen(first) == seen(second)
    for root in first:
        assert _rules(first[root]) == _rules(second[root])


def _rules(history: list[Fact]) -> list[tuple[str, ...]]:
    return sorted((b.id, b.source, b.stream, b.rule, b.entity, b.day) for b in breaches_in(history, Company()))


@LAWFUL
@given(worlds(), st.randoms(use_true_random=False))
def test_it_is_a_function_of_the_set_and_changes_nothing(world: World, random: Any) -> None:
    facts = recorded(world)
    shuffled, before = facts[:], deepcopy(facts)
    random.shuffle(shuffled)
    assert effective_histories(shuffled) == effective_histories(iter(facts)) == effective_histories(facts)
    assert facts == before


@LAWFUL
@given(worlds())
def test_the_order_is_total(world: World) -> None:
    for history in effective_histories(recorded(world)).values():
        assert all(before.order_key < after.order_key for before, after in pairwise(history))


@LAWFUL
@given(worlds(), HOURS)
def test_an_occurred_cut_only_leaves_out_what_came_later(world: World, hour: int) -> None:
    facts = recorded(world)
    whole = effective_histories(facts)
    cut = effective_histories(facts, hour * HOUR_US)
    assert cut == {root: [fact for fact in history if fact.at <= hour * HOUR_US] for root, history in whole.items()}


@LAWFUL
@given(worlds())
def test_no_touchpoint_is_lost_or_doubled(world: World) -> None:
    histories = effective_histories(recorded(world))
    shown = [fact.id for history in histories.values() for fact in history]
    assert len(shown) == len(set(shown))
    retracts = {told.id: told.data["target"] for told in world if told.data.get("retraction")}
    reached = set(retracts.values())
    for told in world[::-1]:
        # A retraction of a correction that waits for its target, or was outrun, may reach through it.
        if told.id in reached and told.kind == "TouchpointCorrected":
            reached.add(told.data["target"])
    for told in world:
        if told.kind != "TouchpointCorrected":
            assert told.id in shown or told.id in reached


@LAWFUL
@given(worlds())
def test_each_stands_under_the_root_of_its_stream_unless_it_was_given_back(world: World) -> None:
    facts = recorded(world)
    given_back = {id for told in world for id in told.data.get("returned", ())}  # noqa: A001
    links, standing = components(fact for fact in facts if "survivor" in fact.data), roots(facts)
    for root, history in effective_histories(facts).items():
        assert root_of(root, facts) == root
        for fact in history:
            assert fact.stream in links.of(root)
            assert fact.id in given_back or standing.get(fact.stream, fact.stream) == root


@LAWFUL
@given(worlds(), st.data())
def test_a_newer_ordinary_touchpoint_that_nothing_awaits_only_comes_last(world: World, data: st.DataObject) -> None:
    facts = recorded(world)
    told = data.draw(ordinary("new", data.draw(st.sampled_from(STREAMS))))._replace(hour=24 * 20)
    later = recorded([*world, told])
    root = root_of(told.streams[0], facts)
    assert told.id not in awaited_ids(facts)
    before = effective_histories(facts)
    assert effective_histories(later) == {**before, root: [*before.get(root, []), later[-1]]}


@LAWFUL
@given(worlds(), st.data())
def test_an_awaited_touchpoint_is_announced(world: World, data: st.DataObject) -> None:
    """Whatever changes more than by itself has been among the awaited ids."""
    *before, last = world
    told = data.draw(ordinary(last.id, last.streams[0]))._replace(hour=24 * 20)
    facts, later = recorded(before), recorded([*before, told])
    root = root_of(told.streams[0], facts)
    histories = effective_histories(facts)
    if effective_histories(later) != {**histories, root: [*histories.get(root, []), later[-1]]}:
        assert told.id in awaited_ids(facts)


@LAWFUL
@given(worlds(most=8), st.data())
def test_a_merge_and_its_revert_give_back_what_was(world: World, data: st.DataObject) -> None:
    facts = recorded(world)
    merging = data.draw(merge("merge"))
    if not admitted(merging, facts):
        return
    was = effective_histories(facts)
    between = [data.draw(ordinary(f"between{place}")) for place in range(data.draw(st.integers(0, 3)))]
    merged = recorded([*world, merging, *between])
    copy = next(fact for fact in merged if fact.id == "merge")
    revert = revert_of(copy, "revert", 72, merged)
    assert admitted(revert, merged)
    parted = effective_histories(recorded([*world, merging, *between, revert]))
    news = {"merge", "revert"} | {told.id for told in between}
    now = {root: [fact for fact in history if fact.id not in news] for root, history in parted.items()}
    assert nonempty(seen(now)) == nonempty(seen(was))


@LAWFUL
@given(worlds(most=8), st.data())
def test_retracting_a_correction_restores_what_lay_below(world: World, data: st.DataObject) -> None:
    facts = recorded(world)
    correcting = data.draw(correction("correcting", world))
    waits = any(told.data.get("target") == "correcting" for told in world)
    if waits or not admitted(correcting, facts):
        return
    corrected = recorded([*world, correcting])
    retracting = Told(
        correcting.streams, "TouchpointCorrected", "r", 0, 8, {"target": "correcting", "retraction": True}
    )
    if not admitted(retracting, corrected):
        return
    restored = effective_histories(recorded([*world, correcting, retracting]))
    left = {root: [f for f in history if f.id not in {"correcting", "r"}] for root, history in restored.items()}
    assert nonempty(seen(left)) == nonempty(seen(effective_histories(facts)))


@LAWFUL
@given(worlds(), st.integers(0, 20))
def test_judging_in_any_split_is_judging_at_once(world: World, at: int) -> None:
    company = Company(zone="Asia/Tokyo")
    for history in effective_histories(recorded(world)).values():
        state = RuleState()
        for fact in history[:at]:
            state = weigh(state, fact, company).state
        kept, rest = state, list[Any]()
        for _ in range(2):  # the state at the split serves twice, so nothing in it was changed by the first
            state, found = kept, list[Any]()
            for fact in history[at:]:
                state, breaches, healed = weigh(state, fact, company)
                found.append((breaches, healed))
            rest.append(found)
        assert rest[0] == rest[1]


def _stacked(world: World) -> bool:
    aims = [told.data["target"] for told in world if told.kind == "TouchpointCorrected"]
    ids = {told.id for told in world if told.kind != "TouchpointCorrected"}
    return any(aims.count(aim) > 2 for aim in ids.intersection(aims))


def _corrected_correction(world: World) -> bool:
    corrections = {told.id for told in world if told.kind == "TouchpointCorrected"}
    return any(told.data.get("target") in corrections and "replacement" in told.data for told in world)


def _outran_its_target(world: World) -> bool:
    ids = [told.id for told in world]
    return any(told.data.get("target") in ids[place:] for place, told in enumerate(world))


def _survivor_absorbed(world: World) -> bool:
    standing = roots(recorded(world))
    return any(told.data.get("survivor") in standing for told in world)


def _gave_back(world: World) -> bool:
    return any(told.data.get("returned") for told in world)


def _hidden(world: World) -> bool:
    shown = {fact.id for history in effective_histories(recorded(world)).values() for fact in history}
    return any(told.id not in shown for told in world if told.kind != "TouchpointCorrected")


def _healed(world: World) -> bool:
    histories = effective_histories(recorded(world)).values()
    return any(_heals(history) for history in histories)


def _heals(history: list[Fact]) -> bool:
    state = RuleState()
    for fact in history:
        state, breaches, healed = weigh(state, fact, Company())
        if {breach.id for breach in healed} - {breach.id for breach in breaches}:
            return True
    return False


@pytest.mark.parametrize(
    "happens", [_stacked, _corrected_correction, _outran_its_target, _survivor_absorbed, _gave_back, _hidden, _healed]
)
def test_the_worlds_really_hold_what_the_laws_are_about(happens: Callable[[World], bool]) -> None:
    soon = settings(max_examples=1000, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    found = find(worlds(), happens, settings=soon)
    assert happens(found)
