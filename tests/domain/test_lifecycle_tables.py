"""Every lifecycle, by its being there: each illegal step, each step without an opening, each id of both halves."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import find

from domain.company import Company, FrequencyCap
from domain.judging import lifecycles
from domain.laws import flaws_of_lifecycle
from domain.lifecycle import Lifecycle
from domain.touchpoint import KINDS
from tests.scenario import Said, Scenario, given, merged
from tests.strategies import OWN, touchpoints

COMPANY = Company(
    promotional=frozenset({"newsletter"}),
    wider_purposes={"everything": frozenset({"newsletter", "profiling"})},
    frequency_caps=(FrequencyCap(messages=5, days=1),),
)

_EUROS = "10 EUR"
_ITEMS = [{"sku": "A", "quantity": 1}]

FIELDS: dict[str, dict[str, Any]] = {
    "OpportunityOpened": {"opportunity": "o"},
    "OpportunityChanged": {"opportunity": "o", "probability": 0.5},
    "OpportunityStageChanged": {"opportunity": "o", "from": "first", "to": "second"},
    "OpportunityWon": {"opportunity": "o"},
    "OpportunityLost": {"opportunity": "o"},
    "OpportunityReopened": {"opportunity": "o"},
    "QuoteIssued": {"quote": "q", "total": _EUROS, "valid_until": "2027-01-01"},
    "QuoteAccepted": {"quote": "q"},
    "QuoteDeclined": {"quote": "q"},
    "CartUpdated": {"cart": "c"},
    "CheckoutStarted": {"cart": "c"},
    "ContractSigned": {"contract": "k", "total": _EUROS},
    "ContractAmended": {"contract": "k", "changes": {"clause": "7"}},
    "ContractRenewed": {"contract": "k", "until": "2030-01-01"},
    "ContractTerminated": {"contract": "k"},
    "SubscriptionStarted": {"subscription": "u", "plan": "basic", "recurring_amount": _EUROS, "interval": "month"},
    "SubscriptionChanged": {"subscription": "u", "plan": "full", "recurring_amount": _EUROS},
    "SubscriptionPaused": {"subscription": "u"},
    "SubscriptionRenewed": {"subscription": "u", "until": "2030-01-01"},
    "SubscriptionEnded": {"subscription": "u"},
    "PaymentScheduled": {"contract": "k", "order": "1", "instalment": "n", "due": "2026-04-01", "amount": _EUROS},
    "OrderPlaced": {
        "order": "1", "quote": "q", "total": _EUROS, "lines": [{"sku": "A", "quantity": 2, "net": "1 EUR"}],
    },
    "OrderConfirmed": {"order": "1"},
    "OrderAmended": {"order": "1", "lines": [{"sku": "A", "quantity": 3}], "total": _EUROS},
    "OrderCancelled": {"order": "1"},
    "DiscountApplied": {"order": "1", "rule": "loyal", "amount": "1 EUR"},
    "DeliveryPromised": {"order": "1", "promised_for": "2026-04-01"},
    "DeliveryWarningIssued": {"order": "1", "expected_delay": 2},
    "ShipmentDispatched": {"shipment": "s", "order": "1", "lines": _ITEMS},
    "ShipmentDelivered": {"shipment": "s"},
    "DeliveryFailed": {"shipment": "s"},
    "InvoiceIssued": {"invoice": "i", "order": "1", "contract": "k", "subscription": "u", "amount": _EUROS},
    "CreditNoteIssued": {"invoice": "i", "amount": _EUROS},
    "PaymentReceived": {"payment": "p", "invoice": "i", "order": "1", "amount": _EUROS},
    "PaymentFailed": {"payment": "p"},
    "PaymentReversed": {"payment": "p"},
    "DunningNoticeSent": {"invoice": "i", "level": 1},
    "DebtWrittenOff": {"invoice": "i", "amount": _EUROS},
    "ReturnReceived": {"order": "1", "lines": _ITEMS},
    "RefundIssued": {"order": "1", "amount": "0 EUR"},
    "TicketOpened": {"ticket": "t"},
    "TicketAssigned": {"ticket": "t", "agent": "sam"},
    "TicketClassified": {"ticket": "t", "severity": "low"},
    "TicketProgressed": {"ticket": "t", "activity": "called"},
    "TicketPended": {"ticket": "t"},
    "TicketResumed": {"ticket": "t"},
    "TicketResolved": {"ticket": "t"},
    "TicketClosed": {"ticket": "t", "how": "silent"},
    "TicketReopened": {"ticket": "t"},
    "ComplaintReceived": {"complaint": "x", "about": "noise"},
    "InquiryReceived": {"inquiry": "y"},
    "ContactPlanned": {"plan": "d"},
    "ContactMade": {"plan": "d", "mode": "call"},
    "DowntimeReported": {"asset": "a"},
    "DowntimeEnded": {"asset": "a"},
    "AssetRegistered": {"asset": "a", "product": "pump"},
    "AssetRetired": {"asset": "a"},
    "SurveyAnswered": {"survey": "v", "question": "How was it?"},
    "LoyaltyPointsPosted": {"delta": 5, "reason": "earn"},
    "TaskAssigned": {"task": "w", "concerns": "call back", "executor": "rosa"},
    "TaskRescheduled": {"task": "w", "due": "2026-04-01"},
    "TaskClosed": {"task": "w", "outcome": "done"},
    "SubjectRequestReceived": {"request": "r", "kind": "access"},
    "SubjectRequestAnswered": {"request": "r"},
    "LegalHoldPlaced": {"hold": "h", "basis": "a case"},
    "LegalHoldLifted": {"hold": "h"},
    "ConsentGranted": {"purpose": "everything"},
    "ConsentWithdrawn": {"purpose": "everything"},
    "ObjectionRaised": {"purpose": "everything"},
    "ProcessingRestricted": {"why": "contested"},
    "ProcessingRestrictionLifted": {"why": "settled"},
    "MessageSent": {"message": "m", "purpose": "newsletter"},
    "SegmentAssigned": {"segment": "touring"},
    "CustomerValueAssessed": {
        "model": "1", "utility": 5, "brand": 1, "relation": 1, "product_cost": 2, "time_cost": 1,
    },
    "RiskAssessed": {"kind": "churn", "score": 0.5},
    "RecommendationIssued": {"kind": "repeat"},
    "GoalSet": {"goal": "g", "indicator": "funnel_total.rate", "target": "0.2", "due": "2026-06-30"},
    "DataExported": {"recipient": "auditor", "scope": "orders"},
}  # fmt: skip
FIELDS |= {
    kind.kind: find(touchpoints(kind), lambda _: True).model_dump(mode="json", exclude_none=True) for kind in OWN
}

FOUND_BY_ANOTHER_LIFE = {
    "invoice": {"PaymentReversed"},
    "order": {"PaymentReversed"},
    "account": {"PaymentReversed", "RefundIssued"},
    "goods": {"OrderCancelled", "ReturnReceived"},
    "points": {"OrderCancelled", "ReturnReceived", "RefundIssued"},
    "objection": {
        "ConsentGranted",
        "MessageSent",
        "SegmentAssigned",
        "CustomerValueAssessed",
        "RiskAssessed",
        "RecommendationIssued",
    },
    "restriction": {
        "MessageSent",
        "SegmentAssigned",
        "CustomerValueAssessed",
        "RiskAssessed",
        "RecommendationIssued",
        "DataExported",
    },
}
"""Steps that concern an entity only once something else is known; without it there is nothing to break."""


def step(kind: str, table: Lifecycle) -> Said:
    """A step of that kind; a first response is to what the table is about, for it may name one thing only."""
    return Said(kind, FIELDS[kind] if kind in FIELDS else FIELDS[next(iter(table.opens))])


def walk_to(table: Lifecycle, goal: str) -> list[str]:
    """The shortest legal walk of kinds from an opening to a state."""
    walks = [([kind], state) for kind, state in table.opens.items()]
    seen = {state for _, state in walks}
    for walk, state in walks:
        if state == goal:
            return walk
        for kind, after in table.steps.get(state, {}).items():
            if after not in seen:
                seen.add(after)
                walks.append(([*walk, kind], after))
    raise AssertionError(f"no walk leads to {goal}")


def every_cell() -> Iterator[Any]:
    for table in lifecycles():
        for state in table.steps:
            for kind in sorted(table.kinds):
                yield pytest.param(table, state, kind, id=f"{table.key}-{state}-{kind}")


def every_step() -> Iterator[Any]:
    for table in lifecycles():
        for kind in sorted(table.kinds - table.opens.keys()):
            yield pytest.param(table, kind, id=f"{table.key}-{kind}")


def rules_of(scenario: Scenario, key: str) -> list[str]:
    return [breach.rule for breach in scenario.standing() if breach.rule.startswith(f"{key}/")]


@pytest.mark.parametrize("table", lifecycles(), ids=lambda table: str(table.key))
def test_a_table_says_what_happens_in_every_state(table: Lifecycle) -> None:
    assert list(flaws_of_lifecycle(table)) == []


@pytest.mark.parametrize(("table", "state", "kind"), list(every_cell()))
def test_a_step_breaks_the_rule_of_a_state_exactly_where_the_table_forbids_it(
    table: Lifecycle, state: str, kind: str
) -> None:
    before = given(*(step(each, table) for each in walk_to(table, state)), company=COMPANY)
    assert rules_of(before, table.key) == []
    after = rules_of(before.when(step(kind, table)), table.key)
    if kind in table.steps[state]:
        of_states = {f"{table.key}/{rule}" for rule in (table.twice, *table.refuses.values())}
        assert not of_states & set(after)
    else:
        assert after == [f"{table.key}/{table.twice if kind in table.opens else table.refuses[state]}"]


@pytest.mark.parametrize(("table", "kind"), list(every_step()))
def test_a_step_of_what_was_never_opened_is_a_breach_until_the_opening_arrives(table: Lifecycle, kind: str) -> None:
    never, early = f"{table.key}/{table.never}", f"{table.key}/{table.early}"
    opening = step(next(iter(table.opens)), table)
    orphan = given(step(kind, table).on("2026-03-10T10:00"), company=COMPANY)
    if kind in FOUND_BY_ANOTHER_LIFE.get(table.key, ()):
        assert rules_of(orphan, table.key) == []
        return
    assert rules_of(orphan, table.key) == [never]
    for in_time in ("2026-03-09T10:00", "2026-03-10"):
        assert not {never, early} & set(rules_of(orphan.when(opening.on(in_time)), table.key))
    assert rules_of(orphan.when(opening.on("2026-03-10T10:01")), table.key) == [early]


@pytest.mark.parametrize("table", [each for each in lifecycles() if each.exclusive], ids=lambda table: str(table.key))
def test_what_was_opened_under_two_customers_who_are_one_is_a_breach(table: Lifecycle) -> None:
    opening = step(next(iter(table.opens)), table)
    both = given(opening, merged("anna", "ben"), company=COMPANY).when(opening.of("ben"))
    assert [(breach.rule, breach.entity.partition("/")[0]) for breach in both.standing() if "merge" in breach.rule] == [
        (f"{table.key}/in both halves of a merge", table.key)
    ]


def test_every_entity_that_a_kind_names_has_a_lifecycle() -> None:
    entities = {entity for kind in KINDS.values() for entity in kind.entity_fields().values()}
    assert entities == {table.key for table in lifecycles() if table.exclusive}


def test_each_lifecycle_comes_after_those_that_it_reads() -> None:
    places = {table.key: place for place, table in enumerate(lifecycles())}
    assert all(places[each] < places[table.key] for table in lifecycles() for each in table.after)
