"""The judge: asking changes nothing, and each asker is told what concerns it."""

from domain.company import Company
from domain.judging import breaches_in, judge, weigh
from domain.lifecycle import Life, RuleState
from domain.touchpoint import Fact
from tests.scenario import (
    cancelled,
    confirmed,
    delivered,
    given,
    moved,
    opportunity,
    order,
    returned,
    shipment,
)


def facts_of_a_messy_year() -> list[Fact]:
    return given(
        shipment("s", "1", A=1), delivered("s2"), order("1", A=1), order("1", A=2), cancelled("1"), confirmed("1"),
        returned(A=9), returned(Z=1), opportunity("Won"), opportunity("Opened"), opportunity("Won"), moved("x", "y"),
    ).history()  # fmt: skip


def test_asking_changes_nothing() -> None:
    company, state = Company(), RuleState()
    for fact in facts_of_a_messy_year():
        once, again = weigh(state, fact, company), weigh(state, fact, company)
        assert once[1:] == again[1:]
        state = once.state


def test_a_strict_caller_sees_only_what_the_touchpoint_itself_breaks() -> None:
    first, second = given(opportunity("Won"), opportunity("Opened")).history()
    state, own = judge(RuleState(), first, Company())
    assert [breach.rule for breach in own] == ["opportunity/never opened"]
    state, own = judge(state, second, Company())
    assert own == ()


def test_a_breach_names_its_touchpoint_and_no_value_of_it() -> None:
    (breach,) = given(opportunity("Won", reason="because of Aunt Emma").on("2026-03-05T10:00").named("x")).standing()
    assert (breach.id, breach.source, breach.stream, breach.version) == ("x", "shop", "anna", 1)
    assert (breach.kind, breach.entity, breach.day) == ("OpportunityWon", "opportunity/o", "2026-03-05")
    assert "Emma" not in str(breach)


def test_a_state_of_many_lives_keeps_them_all_and_leaves_its_forebears_alone() -> None:
    states = [RuleState()]
    for number in range(3000):
        states.append(states[-1].updated({("order", str(number)): Life("placed", number)}))
    for size in (0, 1, 17, 300, 2999, 3000):
        known = [states[size].get(("order", str(number))) for number in range(3000)]
        assert known == [Life("placed", number) for number in range(size)] + [None] * (3000 - size)


def test_breaches_are_the_same_whenever_they_are_asked_for() -> None:
    facts = facts_of_a_messy_year()
    rules = [breach.rule for breach in breaches_in(facts, Company())]
    assert len(rules) > 6
    assert rules == [breach.rule for breach in breaches_in(iter(facts), Company())]
