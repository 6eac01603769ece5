"""Effective history in scenarios: merges and their reverts, corrections, late arrivals, and what the door refuses."""

from itertools import pairwise
from typing import Any

import pytest

from domain.errors import CorrectionRefused, MergeRefused
from domain.families import Families
from domain.history import awaited_ids, components, effective_histories, proposed_return, root_of, roots
from tests.scenario import (
    Scenario,
    confirmed,
    corrected,
    given,
    merged,
    moved,
    opportunity,
    order,
    retimed,
    retracted,
    returned,
    reverted,
    said,
)

REGISTERED = said("CustomerRegistered", party="person")
ERASED = said("PersonalDataErased", scope="all", legal_basis="GDPR 17")


def field(scenario: Scenario, id: str, name: str) -> object:  # noqa: A002 - the envelope's own word
    (fact,) = [fact for fact in scenario.history() if fact.id == id]
    return fact.data.get(name)


# Order


def test_history_is_ordered_by_when_it_occurred_not_by_when_it_arrived() -> None:
    late = given(order("1").on("2026-03-05").named("b"), order("2").on("2026-03-01").named("a"))
    assert late.ids() == ["a", "b"]


def test_the_producers_sequence_breaks_ties_then_the_stream_then_its_version() -> None:
    day = "2026-03-01T10:00"
    facts = given(
        order("1").on(day).named("third").of("ben"),
        order("2").on(day).named("first"),
        order("3").on(day).named("second"),
        merged("anna", "ben").on("2026-03-09T10:00").named("m"),
    ).facts
    assert [fact.id for fact in effective_histories(facts)["anna"]] == ["first", "second", "third", "m"]
    sequenced = [fact._replace(sequence=-1) if fact.id == "third" else fact for fact in facts]
    assert [fact.id for fact in effective_histories(sequenced)["anna"]] == ["third", "first", "second", "m"]


def test_what_occurred_later_than_asked_for_is_left_out() -> None:
    two = given(order("1").on("2026-03-01T10:00").named("a"), order("2").on("2026-03-05T10:00").named("b"))
    assert two.ids(until="2026-03-05T10:00") == ["a", "b"]
    assert two.ids(until="2026-03-05T09:59") == ["a"]


def test_roots_of_a_long_chain_are_found_in_as_many_steps_as_it_has_links() -> None:
    steps = 0

    class Counted(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            nonlocal steps
            steps += 1
            return super().get(key, default)

    names = [f"c{number:03}" for number in range(300)]
    chain = [merged(later, earlier) for earlier, later in pairwise(names)]
    families = Families(given(*chain).facts)
    families.merge_of = Counted(families.merge_of)
    assert {families.root(name) for name in names} == {names[-1]}
    assert steps <= 2 * len(names)


def test_a_log_of_nothing_has_no_histories() -> None:
    assert effective_histories([]) == {}


# Corrections


def test_a_replacement_lays_its_fields_over_the_original() -> None:
    wrong = given(opportunity("Opened", product="bike", owner="kim").named("x"))
    right = wrong.when(corrected("x", product="car"))
    assert right.ids() == ["x"]
    assert (field(right, "x", "product"), field(right, "x", "owner")) == ("car", "kim")


def test_a_field_given_as_null_is_taken_away() -> None:
    wrong = given(opportunity("Opened", owner="kim").named("x"))
    assert field(wrong.when(corrected("x", owner=None)), "x", "owner") is None


def test_a_replacement_is_stored_in_the_form_of_its_kind() -> None:
    wrong = given(opportunity("Opened", amount="10 EUR").named("x"))
    right = wrong.when(corrected("x", amount={"amount": "12.50", "currency": "EUR"}))
    assert field(right, "x", "amount") == {"micros": 12_500_000, "currency": "EUR"}


def test_a_corrected_time_moves_the_touchpoint() -> None:
    two = given(order("1").on("2026-03-01T10:00").named("a"), order("2").on("2026-03-05T10:00").named("b"))
    moved_back = two.when(retimed("b", "2026-02-01T10:00"))
    assert moved_back.ids() == ["b", "a"]
    assert moved_back.history()[0].envelope["time"].startswith("2026-02-01T10:00")
    assert moved_back.ids(until="2026-02-15T10:00") == ["b"]
    assert two.when(retimed("a", "2026-03-09T10:00")).ids(until="2026-03-08T10:00") == ["b"]


def test_the_top_correction_that_stands_wins() -> None:
    thrice = given(
        opportunity("Opened", product="bike").named("x"),
        corrected("x", product="car").named("c1"),
        corrected("x", product="boat").named("c2"),
    )
    assert field(thrice, "x", "product") == "boat"
    assert field(thrice.when(retracted("c2")), "x", "product") == "car"
    assert field(thrice.when(retracted("c1")), "x", "product") == "boat"
    assert field(thrice.when(retracted("c1"), retracted("c2")), "x", "product") == "bike"


def test_a_retraction_hides_and_retracting_it_restores() -> None:
    gone = given(order("1").named("x"), corrected("x", coupon="SPRING"), retracted("x").named("r"))
    assert gone.ids() == []
    back = gone.when(retracted("r").named("rr"))
    assert field(back, "x", "coupon") == "SPRING"
    assert back.when(retracted("rr")).ids() == []


def test_correcting_a_correction_pushes_onto_its_originals_stack() -> None:
    corrected_twice = given(
        opportunity("Opened", product="bike").named("x"),
        corrected("x", product="car").named("c1"),
        corrected("c1", product="boat").named("c2"),
    )
    assert field(corrected_twice, "x", "product") == "boat"
    assert field(corrected_twice.when(retracted("c1")), "x", "product") == "boat"
    assert field(corrected_twice.when(retracted("c2")), "x", "product") == "car"


def test_a_correction_waits_for_its_target_and_stands_as_itself_until_then() -> None:
    early = given(corrected("x", product="car").named("c"))
    assert early.ids() == ["c"]
    assert awaited_ids(early.facts) == {"x"}
    arrived = early.when(opportunity("Opened", product="bike").named("x"))
    assert arrived.ids() == ["x"]
    assert field(arrived, "x", "product") == "car"


def test_a_correction_that_outran_the_correction_it_corrects_lies_on_top_of_it() -> None:
    outran = given(
        corrected("c1", product="boat").named("c2"),
        opportunity("Opened", product="bike").named("x"),
        corrected("x", product="car").named("c1"),
    )
    assert outran.ids() == ["x"]
    assert field(outran, "x", "product") == "boat"


def test_corrections_of_each_other_correct_nothing_and_stay_visible() -> None:
    assert given(corrected("b", product="x").named("a"), corrected("a", product="y").named("b")).ids() == ["a", "b"]
    assert given(corrected("a", product="x").named("a")).ids() == ["a"]


def test_a_correction_names_the_source_of_its_target() -> None:
    two = given(order("1").named("x", "shop"), order("2").named("x", "till"))
    by_shop = two.when(retracted("x"))
    assert [fact.source for fact in by_shop.history()] == ["till"]
    by_till = two.when(said("TouchpointCorrected", target="x", target_source="till", retraction=True, reason="wrong"))
    assert [fact.source for fact in by_till.history()] == ["shop"]


def test_of_repeats_across_streams_a_correction_means_its_own_streams_then_the_first() -> None:
    three = given(
        order("1").named("x").of("ben"), order("2").named("x").of("cleo"), merged("anna", "ben"), merged("anna", "cleo")
    )
    left = [fact.stream for fact in three.when(retracted("x").of("cleo")).history() if fact.id == "x"]
    assert left == ["ben"]
    left = [fact.stream for fact in three.when(retracted("x").of("anna")).history() if fact.id == "x"]
    assert left == ["cleo"]


# The door: corrections


def test_the_door_refuses_what_is_never_corrected() -> None:
    family = given(merged("anna", "ben").named("m"), ERASED.named("e"), REGISTERED.named("r"))
    family.refuses(retracted("m"), CorrectionRefused, "never corrected")
    family.refuses(corrected("e", scope="none"), CorrectionRefused, "never corrected")
    family.refuses(retracted("r"), CorrectionRefused, "may be replaced, not retracted")
    family.admits(corrected("r", party="organisation"))


def test_the_door_refuses_to_correct_a_retracted_correction() -> None:
    retracted_once = given(order("1").named("x"), corrected("x", coupon="A").named("c"), retracted("c").named("r"))
    retracted_once.refuses(corrected("c", coupon="B"), CorrectionRefused, "retracted correction")
    retracted_once.refuses(retracted("c"), CorrectionRefused, "retracted correction")
    retracted_once.admits(retracted("r")).admits(corrected("c", coupon="B"))


def test_the_door_refuses_to_move_a_touchpoint_to_another_entity() -> None:
    placed = given(order("1", quote="q").named("x"))
    placed.refuses(corrected("x", order="2"), CorrectionRefused, "entities that it names")
    placed.admits(corrected("x", order="1", coupon="A"))


def test_the_door_refuses_a_replacement_that_does_not_fit_its_kind_without_echoing_it() -> None:
    placed = given(order("1").named("x"))
    placed.refuses(corrected("x", total="secret"), CorrectionRefused, "total")
    placed.refuses(corrected("x", nonsense=1), CorrectionRefused, "nonsense")
    with pytest.raises(AssertionError):
        placed.refuses(corrected("x", total="secret"), CorrectionRefused, "secret")


def test_what_slips_past_the_door_folds_without_effect_and_stays_visible() -> None:
    unfit = given(corrected("x", total="nothing").named("c"), order("1").named("x"))
    assert sorted(unfit.ids()) == ["c", "x"]
    assert sorted(given(retracted("x").named("c"), REGISTERED.named("x")).ids()) == ["c", "x"]
    moved_away = given(corrected("x", order="2", coupon="A").named("c"), order("1").named("x"))
    assert (field(moved_away, "x", "order"), field(moved_away, "x", "coupon")) == ("1", "A")


def test_the_door_lets_a_correction_pass_whose_target_is_not_there_yet() -> None:
    given(order("1")).admits(retracted("later")).admits(corrected("later too", coupon="A"))


# Merges


def test_a_merge_reaches_over_all_of_history_and_stands_once() -> None:
    one = given(
        order("1").on("2026-01-01").named("a"),
        order("2").on("2025-01-01").of("ben").named("b"),
        merged("anna", "ben").on("2026-03-01").named("m"),
    )
    assert one.ids() == ["b", "a", "m"]
    assert one.ids("ben") == one.ids("anna")
    assert one.ids(until="2026-02-01") == ["b", "a"]
    assert set(effective_histories(one.facts)) == {"anna"}
    assert [fact.stream for fact in one.history() if fact.id == "m"] == ["anna"]


def test_a_touchpoint_sent_to_an_absorbed_customer_is_folded_into_the_survivor() -> None:
    one = given(merged("anna", "ben").named("m")).when(order("1").of("ben").named("late"))
    assert one.ids() == ["m", "late"]


def test_a_survivor_absorbs_several_and_may_be_absorbed_itself() -> None:
    chain = given(
        merged("anna", "ben"), merged("anna", "cleo"), merged("dora", "anna"), order("1").of("ben").named("x")
    )
    assert roots(chain.facts) == {"ben": "dora", "cleo": "dora", "anna": "dora"}
    assert root_of("ben", chain.facts) == root_of("dora", chain.facts) == "dora"
    assert "x" in chain.ids("cleo")


def test_a_revert_parts_them_and_gives_back_what_it_names() -> None:
    one = given(
        order("1").of("ben").named("b"), merged("anna", "ben").named("m"), order("2").named("a"),
        confirmed("1").named("of ben's order"),
    )  # fmt: skip
    merge = next(fact for fact in one.facts if fact.id == "m")
    assert proposed_return(merge, one.facts) == ["of ben's order"]
    two = one.when(reverted("m", "anna", "ben", "of ben's order").named("r"))
    assert two.ids("ben") == ["b", "of ben's order"]
    assert two.ids("anna") == ["m", "a", "r"]
    assert awaited_ids(two.facts) == {"of ben's order"}
    again = two.when(merged("anna", "ben").named("m2"))
    assert again.ids() == ["b", "m", "a", "of ben's order", "r", "m2"]
    assert again.when(reverted("m2", "anna", "ben")).ids("ben") == ["b", "of ben's order"]


def test_a_correction_goes_back_with_what_it_corrects() -> None:
    one = given(
        order("1").of("ben").named("b"), merged("anna", "ben").named("m"), corrected("b", coupon="A").named("c")
    )
    merge = next(fact for fact in one.facts if fact.id == "m")
    assert proposed_return(merge, one.facts) == ["c"]
    returned_too = one.when(reverted("m", "anna", "ben", "c").named("r"))
    assert returned_too.history("ben")[0].data["coupon"] == "A"
    assert "coupon" not in one.when(reverted("m", "anna", "ben").named("r")).history("ben")[0].data


def test_components_join_all_that_was_ever_linked() -> None:
    apart = given(
        merged("anna", "ben").named("m"), reverted("m", "anna", "ben"), merged("cleo", "ben"), merged("x", "y")
    )
    links = components(apart.facts)
    assert links.of("anna") == links.of("cleo") == {"anna", "ben", "cleo"}
    assert links.of("y") == {"x", "y"}
    assert links.of("nobody") == {"nobody"}


# The door: merges


def test_the_door_refuses_merges_that_do_not_fit() -> None:
    one = given(merged("anna", "ben").named("m"))
    one.refuses(merged("anna", "anna"), MergeRefused, "with itself")
    one.refuses(merged("cleo", "ben"), MergeRefused, "already absorbed")
    one.refuses(merged("ben", "cleo"), MergeRefused, "itself absorbed")
    one.refuses(merged("ben", "anna"), MergeRefused, "cycle")
    one.admits(merged("anna", "cleo")).admits(merged("dora", "anna"))


def test_the_door_refuses_a_merge_of_two_with_the_same_order() -> None:
    both = given(order("1").named("x"), order("1").of("ben"), opportunity("Opened").of("cleo"))
    both.refuses(merged("anna", "ben"), MergeRefused, "same order")
    both.when(retracted("x")).admits(merged("anna", "ben"))
    both.admits(merged("anna", "cleo"))


def test_the_door_refuses_reverts_that_do_not_fit() -> None:
    one = given(merged("anna", "ben").named("m"))
    one.refuses(reverted("other", "anna", "ben"), MergeRefused, "no such merge")
    one.refuses(reverted("m", "anna", "cleo"), MergeRefused, "no such merge")
    one.when(reverted("m", "anna", "ben")).refuses(reverted("m", "anna", "ben"), MergeRefused, "already reverted")
    deeper = one.when(merged("cleo", "anna").named("m2"))
    deeper.refuses(reverted("m", "anna", "ben"), MergeRefused, "last to the first")
    deeper.when(reverted("m2", "cleo", "anna")).admits(reverted("m", "anna", "ben"))


def test_the_door_refuses_a_revert_after_an_erasure() -> None:
    one = given(ERASED.of("ben"), merged("anna", "ben").named("m"))
    one.admits(reverted("m", "anna", "ben"))
    one.when(ERASED).refuses(reverted("m", "anna", "ben"), MergeRefused, "erased")
    one.when(ERASED.of("ben")).refuses(reverted("m", "anna", "ben"), MergeRefused, "erased")


def test_the_door_lets_every_other_kind_pass() -> None:
    given(order("1")).admits(order("1")).admits(moved("a", "b")).admits(returned(A=1)).admits(ERASED)
