"""What is proposed, and what is not: the known ways in which systems take two people for one, or never let them part.

Shared family addresses, company switchboards, made-up addresses, shared tablets and numbers that got a new owner.
"""

import pytest

from domain.errors import MergeRefused
from tests.identity.story import Customers


def test_a_shared_address_is_proposed_and_never_merged(known: Customers) -> None:
    known.mail("anna").mail("bert", " Family@Example.ORG", day=2)
    assert known.proposed() == [("anna", "bert", "scored")]
    assert {row["subject"] for row in known.rows("identifiers")} == {"anna", "bert"}
    assert known.rows("merges") == []


def test_it_is_exact_when_both_proved_it(known: Customers) -> None:
    known.mail("anna", verified=True).mail("bert")
    assert known.proposed() == [("anna", "bert", "scored")]
    known.mail("bert", day=2, verified=True)
    assert known.proposed() == [("anna", "bert", "exact")]


def test_who_was_known_first_survives(known: Customers) -> None:
    known.mail("anna", day=9).mail("bert", day=5)
    assert known.proposed() == [("bert", "anna", "scored")]


def test_more_evidence_gives_a_higher_score(known: Customers) -> None:
    known.mail("anna").mail("bert")
    (weak,) = known.one("select score from merge_proposals")
    known.told("IdentifierLinked", "anna", type="phone", value="+49 30 1234567")
    known.told(
        "CustomerRegistered", "bert", party="person", contact_points=[{"type": "phone", "value": "+49301234567"}]
    )
    (strong, shared) = known.one("select score, identifiers from merge_proposals")
    assert (weak, strong, shared) == (pytest.approx(1 / 2), pytest.approx(2 / 3), 2)


def test_equal_values_of_other_sorts_say_nothing(known: Customers) -> None:
    known.told("IdentifierLinked", "anna", type="loyalty card", value="1001")
    known.told("IdentifierLinked", "bert", type="shop account", value="1001")
    assert known.proposed() == []


def test_an_address_of_a_whole_family_is_never_exact(known: Customers) -> None:
    for member in ("anna", "bert", "cleo"):
        known.mail(member, verified=True)
    assert {method for *_, method in known.proposed()} == {"scored"}
    assert known.one("select customers, verified_by from shared_identifiers") == (3, 3)


def test_members_of_one_household_are_never_exact(known: Customers) -> None:
    for member in ("anna", "bert"):
        known.mail(member, verified=True).told("RelationshipLinked", member, to="house", type="household")
    assert known.proposed() == [("anna", "bert", "scored")]


def test_who_are_linked_by_a_relation_are_two(known: Customers) -> None:
    known.mail("anna", verified=True).mail("bert", verified=True)
    known.told("RelationshipLinked", "bert", to="anna", type="partner")
    assert known.proposed() == []
    known.told("RelationshipEnded", "bert", 2, to="anna", type="partner")
    assert known.proposed() == [("anna", "bert", "exact")]


def test_what_very_many_have_says_nothing(known: Customers) -> None:
    for number in range(10):
        known.mail(f"customer-{number}", "none@example.org")
    assert len(known.proposed()) == 45
    known.mail("customer-10", "none@example.org")
    assert known.proposed() == []
    assert known.one("select customers from shared_identifiers") == (11,)


def test_a_number_that_got_a_new_owner_says_nothing(known: Customers) -> None:
    known.mail("anna").told("IdentifierUnlinked", "anna", 2, type="E-Mail ", value="x@example.org")
    known.told("IdentifierUnlinked", "anna", 3, type="Email", value="FAMILY@example.org").mail("bert", day=4)
    assert known.proposed() == []


def test_a_visitor_who_was_identified_goes_up_in_the_customer(known: Customers) -> None:
    known.told("PageViewed", "visitor", url="https://example.org/")
    known.told("CustomerIdentified", "anna", 2, anonymous_id="visitor", identifier="a@example.org", how="login")
    assert known.proposed() == [("anna", "visitor", "exact")]
    known.merged("anna", "visitor", 3)
    assert known.proposed() == []
    assert {row["subject"] for row in known.rows("contacts")} == {"anna"}


def test_a_visitor_on_a_shared_tablet_is_nobodys_for_sure(known: Customers) -> None:
    known.told("CustomerIdentified", "anna", anonymous_id="tablet")
    known.told("CustomerIdentified", "bert", 2, anonymous_id="tablet")
    assert known.proposed() == [("anna", "tablet", "scored"), ("bert", "tablet", "scored")]
    # Once it is Anna's, it does not make Bert one with her.
    known.merged("anna", "tablet")
    assert known.proposed() == []


def test_what_gave_a_visitor_away_is_compared_with_every_sort(known: Customers) -> None:
    known.told("CustomerIdentified", "anna", anonymous_id="visitor", identifier="family@example.org").mail(
        "bert", day=2
    )
    assert ("anna", "bert", "scored") in known.proposed()


def test_a_merge_taken_back_is_proposed_again_only_on_new_evidence(known: Customers) -> None:
    known.mail("anna").mail("bert").merged("anna", "bert").parted("anna", "bert", "t3")
    assert known.proposed() == []
    known.mail("anna", "second@example.org", day=2).mail("bert", "second@example.org", day=2)
    assert known.proposed() == []
    known.mail("anna", "third@example.org", day=4).mail("bert", "third@example.org", day=5)
    assert known.proposed() == [("anna", "bert", "scored")]
    assert known.one("select identifiers from merge_proposals") == (1,)


def test_proof_after_a_merge_was_taken_back_is_new_evidence(known: Customers) -> None:
    known.mail("anna").mail("bert").merged("anna", "bert").parted("anna", "bert", "t3")
    known.mail("anna", day=4, verified=True).mail("bert", day=4, verified=True)
    assert known.proposed() == [("anna", "bert", "exact")]


def test_merges_in_a_chain_propose_what_is_left_to_the_root(known: Customers) -> None:
    known.mail("anna").mail("bert", day=2).mail("cleo", day=3).merged("bert", "cleo", 4)
    assert known.proposed() == [("anna", "bert", "scored")]
    known.merged("anna", "bert", 5)
    assert known.proposed() == []
    assert [(row["survivor"], row["absorbed"]) for row in known.rows("merges", "anna")] == [
        ("anna", "bert"),
        ("bert", "cleo"),
    ]


def test_a_cycle_an_absorbed_side_and_a_second_revert_are_refused_with_the_way_out(known: Customers) -> None:
    known.mail("anna").mail("bert").mail("cleo").merged("anna", "bert")
    for survivor, absorbed in (("bert", "anna"), ("cleo", "bert"), ("bert", "cleo"), ("anna", "anna")):
        with pytest.raises(MergeRefused) as refused:
            known.merged(survivor, absorbed)
        assert refused.value.way_out
    known.parted("anna", "bert", "t4")
    with pytest.raises(MergeRefused):
        known.parted("anna", "bert", "t4")
    assert [row["reverted_at"] is None for row in known.rows("merges")] == [False]
    assert {row["subject"] for row in known.rows("identifiers")} == {"anna", "bert", "cleo"}


def test_the_same_two_may_be_merged_and_parted_again(known: Customers) -> None:
    known.mail("anna").mail("bert").merged("anna", "bert").parted("anna", "bert", "t3")
    known.merged("bert", "anna", 4).parted("bert", "anna", "t5", 5).merged("anna", "bert", 6)
    shown = [(row["subject"], row["survivor"], row["merge"], row["reverted_at"]) for row in known.rows("merges")]
    assert [(*row[:3], row[3] is None) for row in sorted(shown, key=lambda row: row[2])] == [
        ("anna", "anna", "t3", False),
        ("anna", "bert", "t5", False),
        ("anna", "anna", "t7", True),
    ]
    assert known.rows("identifiers", "bert") == []
