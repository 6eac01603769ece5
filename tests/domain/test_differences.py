"""What became of a history between two moments: laws over drawn worlds, and each word once as a story."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.differences import Telling, history_differences, telling
from domain.touchpoint import Fact
from tests.domain.worlds import HOUR_US, HOURS, STREAMS, Told, World, recorded, worlds

Key = tuple[str, str, str]


def _key(fact: Fact) -> Key:
    return fact.stream, fact.id, fact.source


def _within(world: World, told: int) -> list[Fact]:
    """What stands recorded after so many of a world's touchpoints: never half a merge."""
    return recorded(world[:told])


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(worlds(), st.data())
def test_the_differences_over_the_first_history_are_the_second(world: World, data: st.DataObject) -> None:
    subject = data.draw(st.sampled_from(STREAMS))
    sides: list[Telling] = []
    for _ in range(2):
        known = _within(world, data.draw(st.integers(0, len(world))))
        sides.append(telling(subject, known, data.draw(st.none() | HOURS.map(lambda hour: hour * HOUR_US))))
    first, second = sides
    found = history_differences(first, second)

    laid = {_key(fact): fact for fact in first.history}
    for each in found:
        if each.old:
            assert laid.pop(_key(each.old)) == each.old
        if each.new:
            assert _key(each.new) not in laid
            laid[_key(each.new)] = each.new
    assert sorted(laid.values()) == list(second.history)
    assert history_differences(first, first) == []
    for each in found:
        assert (each.old is None) == (each.what in ("came", "restored", "merged in"))
        assert (each.old is not None and each.new is not None) == (each.what == "corrected")


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(worlds(), st.data())
def test_what_goes_back_or_is_merged_in_counts_for_another_subject(world: World, data: st.DataObject) -> None:
    before = _within(world, data.draw(st.integers(0, len(world))))
    after = recorded(world)
    for subject in STREAMS:
        for each in history_differences(telling(subject, before), telling(subject, after)):
            others = [telling(other, before if each.new else after) for other in STREAMS if other != subject]
            moved = each.what in ("went back", "merged in")
            assert moved <= any(_key(each.new or each.old or _none()) in map(_key, other.history) for other in others)
            if each.what == "retracted":
                assert all(_key(each.old or _none()) not in map(_key, other.history) for other in others)


def _call(stream: str, id: str, hour: int) -> Told:  # noqa: A002 - the envelope's own word
    return Told((stream,), "ContactMade", id, hour, 0, {"mode": "call", "result": "well"})


def _correction(id: str, target: str, **remedy: object) -> Told:  # noqa: A002
    return Told(("ann",), "TouchpointCorrected", id, 50, 8, {"target": target, "reason": "r", **remedy})


def _merge() -> Told:
    data = {"survivor": "ann", "absorbed": "ben", "method": "manual"}
    return Told(("ann", "ben"), "CustomersMerged", "m", 20, 9, data)


def _revert() -> Told:
    data = {"merge": "m", "survivor": "ann", "absorbed": "ben", "returned": ["a1"]}
    return Told(("ann", "ben"), "CustomerMergeReverted", "r", 30, 9, data)


_A1, _A2, _B1 = _call("ann", "a1", 1), _call("ann", "a2", 40), _call("ben", "b1", 2)
_AWAY = _correction("c1", "a1", retraction=True)

_STORIES = [
    ("it comes", [_A1], [_A1, _A2], {"a2": "came"}),
    ("it is corrected", [_A1], [_A1, _correction("c1", "a1", replacement={"result": "no"})], {"a1": "corrected"}),
    (
        "its time is corrected",
        [_A1],
        [_A1, _correction("c1", "a1", occurred="1970-01-02T00:00:00Z")],
        {"a1": "corrected"},
    ),
    ("it is retracted", [_A1], [_A1, _AWAY], {"a1": "retracted"}),
    ("that is taken back", [_A1, _AWAY], [_A1, _AWAY, _correction("c2", "c1", retraction=True)], {"a1": "restored"}),
    ("a correction finds its target", [_AWAY], [_AWAY, _A1], {"c1": "took effect"}),
    ("another is merged in", [_A1, _B1], [_A1, _B1, _merge()], {"b1": "merged in", "m": "came"}),
    (
        "that is reverted",
        [_A1, _B1, _merge()],
        [_A1, _B1, _merge(), _revert()],
        {"b1": "went back", "a1": "went back", "r": "came"},
    ),
    ("an earlier moment", [_A1, _A2], [_A1], {"a2": "left"}),
]


@pytest.mark.parametrize(
    ("first", "second", "became"), [each[1:] for each in _STORIES], ids=[each[0] for each in _STORIES]
)
def test_what_became_of_each_touchpoint(first: World, second: World, became: dict[str, str]) -> None:
    found = history_differences(telling("ann", recorded(first)), telling("ann", recorded(second)))
    assert {(each.new or each.old or _none()).id: each.what for each in found} == became


def _none() -> Fact:
    raise AssertionError("a difference has a touchpoint")


def test_what_had_not_occurred_comes_and_what_no_longer_had_leaves() -> None:
    facts: Sequence[Fact] = recorded([_A1, _A2])
    early, late = telling("ann", facts, 10 * HOUR_US), telling("ann", facts, 60 * HOUR_US)
    assert [(each.what, each.new and each.new.id) for each in history_differences(early, late)] == [("came", "a2")]
    assert [(each.what, each.old and each.old.id) for each in history_differences(late, early)] == [("left", "a2")]


def test_to_an_absorbed_subject_the_survivor_is_merged_in() -> None:
    before, after = recorded([_A1, _B1]), recorded([_A1, _B1, _merge()])
    found = history_differences(telling("ben", before), telling("ben", after))
    assert {each.what: each.new and each.new.id for each in found} == {"merged in": "a1", "came": "m"}
