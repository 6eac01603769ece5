"""Laws of effective history, over worlds of several customers who are merged, parted, corrected and told of late."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import domain.kinds  # noqa: F401 - registers the kinds
from domain.company import Company
from domain.errors import Refused
from domain.history import (
    RESHAPING_KINDS,
    awaited_ids,
    check_door,
    components,
    effective_histories,
    proposed_return,
    root_of,
    roots,
)
from domain.lifecycle import RuleState, breaches_in, weigh
from domain.touchpoint import Fact

STREAMS = ("ann", "ben", "cleo", "dora")
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000


class Told(NamedTuple):
    """A touchpoint before it is recorded, and the streams that it is written into."""

    streams: tuple[str, ...]
    kind: str
    id: str
    hour: int
    sequence: int
    data: dict[str, Any]
    dated: bool = False


World = list[Told]


def recorded(world: Iterable[Told]) -> list[Fact]:
    """Record touchpoints one after the other, a merge into both its streams at once."""
    facts, versions = list[Fact](), Counter[str]()
    for at, told in enumerate(world, start=1):
        for stream in told.streams:
            versions[stream] += 1
            facts.append(_fact(told, stream, versions[stream], len(facts) + 1, at))
    return facts


def _fact(told: Told, stream: str, version: int, number: int, at: int) -> Fact:
    occurred = told.hour // 24 * DAY_US if told.dated else told.hour * HOUR_US
    day = f"1970-01-{told.hour // 24 + 1:02}"
    envelope = {"time": f"{day}T00:00:00Z", "precision": "date" if told.dated else "instant"}
    return Fact(
        occurred, told.sequence, stream, version, told.kind, told.id, "shop", told.data, envelope, 1, number, at
    )


def admitted(told: Told, facts: Sequence[Fact]) -> bool:
    """Whether the door lets it pass."""
    candidate = _fact(told, told.streams[0], 0, 0, 0)
    try:
        check_door(candidate, facts)
    except Refused:
        return False
    return True


@st.composite
def ordinary(draw: st.DrawFn, name: str, stream: str | None = None) -> Told:
    """A step of one of a few opportunities or orders; each belongs to one customer, but is told of any."""
    home = draw(st.sampled_from(STREAMS))
    steps: list[tuple[str, dict[str, Any]]] = [
        ("OpportunityOpened", {"opportunity": f"o-{home}"}),
        ("OpportunityChanged", {"opportunity": f"o-{home}", "probability": 0.5}),
        ("OpportunityWon", {"opportunity": f"o-{home}"}),
        ("OrderPlaced", {"order": f"1-{home}", "lines": [_item(2)], "total": _EURO}),
        ("ShipmentDispatched", {"shipment": f"s-{home}", "order": f"1-{home}", "lines": [_item(1)]}),
        ("ReturnReceived", {"lines": [_item(1)]}),
        ("CustomerRegistered", {"party": "person"}),
    ]
    kind, data = draw(st.sampled_from(steps))
    # Mostly its own customer tells, so that merges are not refused for an entity of both.
    where = stream or draw(st.sampled_from((home, home, home, *STREAMS)))
    return Told((where,), kind, name, draw(_HOURS), draw(st.integers(0, 2)), data, draw(st.booleans()))


_EURO = {"micros": 1_000_000, "currency": "EUR"}
_HOURS = st.integers(0, 72)


def _item(quantity: int) -> dict[str, Any]:
    return (
        {"line": "1", "sku": "A", "quantity": quantity, "net": _EURO} if quantity > 1 else {"sku": "A", "quantity": 1}
    )


@st.composite
def correction(draw: st.DrawFn, name: str, world: World) -> Told:
    """A correction of anything that was told, or of something that is yet to be."""
    target = draw(st.sampled_from([f"t{place}" for place in range(len(world) + 3)]))
    remedy: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"retraction": True},
                {"retraction": True},
                {"replacement": {}},
                {"replacement": {"reason": "price"}},
                {"replacement": {"probability": 0.9}},
                {"occurred": "1970-01-02T12:00:00Z"},
                {"replacement": {"owner": "kim"}, "occurred": "1970-01-01T00:00:00Z"},
            ]
        )
    )
    stream = draw(st.sampled_from(STREAMS))
    return Told((stream,), "TouchpointCorrected", name, draw(_HOURS), 8, {"target": target, "reason": "r", **remedy})


@st.composite
def merge(draw: st.DrawFn, name: str) -> Told:
    survivor, absorbed = draw(st.permutations(STREAMS))[:2]
    data = {"survivor": survivor, "absorbed": absorbed, "method": "manual"}
    return Told((survivor, absorbed), "CustomersMerged", name, draw(_HOURS), 9, data)


def revert_of(merged: Fact, name: str, hour: int, facts: Sequence[Fact]) -> Told:
    """The revert of a merge, giving back what is proposed."""
    survivor, absorbed = merged.data["survivor"], merged.data["absorbed"]
    returned = proposed_return(merged, facts)
    data = {"merge": merged.id, "survivor": survivor, "absorbed": absorbed, "returned": returned}
    return Told((survivor, absorbed), "CustomerMergeReverted", name, hour, 9, data)


@st.composite
def worlds(draw: st.DrawFn, most: int = 14) -> World:
    """What a log may hold: everything here has passed the door."""
    world: World = []
    actions = st.sampled_from(("ordinary", "ordinary", "ordinary", "correction", "correction", "merge", "revert"))
    for action in draw(st.lists(actions, min_size=4, max_size=most)):
        name, facts = f"t{len(world)}", recorded(world)
        standing = [fact for fact in facts if fact.kind == "CustomersMerged" and fact.stream == fact.data["survivor"]]
        if action == "correction":
            told = draw(correction(name, world))
        elif action == "merge":
            told = draw(merge(name))
        elif action == "revert" and standing:
            told = revert_of(draw(st.sampled_from(standing)), name, draw(_HOURS), facts)
            # A revert may also give back what nobody proposed.
            told.data["returned"] += draw(st.lists(st.sampled_from([each.id for each in world]), max_size=2))
        else:
            told = draw(ordinary(name))
        if admitted(told, facts):
            world.append(told)
    return world


@st.composite
def arrivals(draw: st.DrawFn, world: World) -> World:
    """Another arrival of the same: reshaping touchpoints keep their order, equal order keys of a stream theirs."""
    left, order = list(world), World()
    while left:
        free = [told for place, told in enumerate(left) if not any(_bound(before, told) for before in left[:place])]
        order.append(draw(st.sampled_from(free)))
        left.remove(order[-1])
    return order


def _bound(before: Told, after: Told) -> bool:
    if before.kind in RESHAPING_KINDS and after.kind in RESHAPING_KINDS:
        return True
    # A corrected time could make any two of one stream and sequence equal.
    return before.sequence == after.sequence and bool(set(before.streams) & set(after.streams))


@st.composite
def worlds_arriving_twice(draw: st.DrawFn) -> tuple[World, World]:
    world = draw(worlds())
    return world, draw(arrivals(world))


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
@given(worlds(), _HOURS)
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
    soon = settings(max_examples=400, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    found = find(worlds(), happens, settings=soon)
    assert happens(found)
