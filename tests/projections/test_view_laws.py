"""What every view must obey, those of tomorrow included."""

import ast
import re
import sys
from collections.abc import Hashable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from inspect import getsource
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.codec import encode, fact_from
from adapters.extensions import load_extensions
from domain.company import Company
from domain.touchpoint import INT64_MAX, KINDS, Envelope, Fact
from projections import view_named, views
from projections.dictionary import relations
from projections.view import Row, View, flaws, fold
from tests.projections.report import Report
from tests.projections.story import PSEUDONYMS, eur, facts_of, happened
from tests.projections.trading import a_trade
from tests.strategies import envelopes

COMPANY = Company(zone="Europe/Berlin", currency="EUR")
# Kinds that move the same rows, drawn together and with few ids, so that they meet.
_TOGETHER = (
    "OpportunityOpened OpportunityChanged OpportunityStageChanged OpportunityWon OpportunityLost OpportunityReopened",
    "OrderPlaced OrderAmended OrderCancelled ReturnReceived RefundIssued",
    "OrderPlaced DeliveryPromised DeliveryWarningIssued ShipmentDispatched ShipmentDelivered DeliveryFailed",
    "FxRateSet",
    "SubjectRequestReceived SubjectRequestAnswered",
    "ConsentGranted ConsentWithdrawn ObjectionRaised PreferenceStated ProfileFieldChanged CustomerRegistered",
    "LeadQualified LeadDisqualified CustomerChurned CustomerWonBack OrderPlaced CustomerValueAssessed RiskAssessed",
    "ContractSigned ContractAmended ContractRenewed ContractTerminated PaymentScheduled",
    "InvoiceIssued PaymentScheduled PaymentReceived PaymentReversed CreditNoteIssued DebtWrittenOff DunningNoticeSent",
    "PaymentReceived PaymentFailed PaymentReversed",
    "SubscriptionStarted SubscriptionChanged SubscriptionPaused SubscriptionRenewed SubscriptionEnded",
    "OrderPlaced LoyaltyPointsPosted ReferralMade CustomerChurned CustomerWonBack",
    "QuoteIssued QuoteAccepted OrderPlaced OrderCancelled ShipmentDispatched ShipmentDelivered ReturnReceived",
    "ContactMade ProductViewed TicketOpened TicketClosed",
    "IdentifierLinked IdentifierUnlinked CustomerRegistered CustomerIdentified",
    "RelationshipLinked RelationshipEnded ReferralMade PartnerRegistered",
    "CustomersMerged CustomerMergeReverted",
    "TicketOpened TicketAssigned TicketPended TicketResumed TicketResolved TicketClosed TicketReopened",
    "TicketOpened FirstResponseGiven ComplaintReceived FieldVisitPerformed DowntimeReported DowntimeEnded TicketPended",
    "TaskAssigned TaskRescheduled TaskClosed StageResponsibilityAssigned",
    "AssetRegistered AssetRetired DowntimeReported DowntimeEnded FieldVisitPerformed",
    "RecommendationIssued OrderPlaced OrderCancelled DiscountApplied MessageSent",
    "SurveyAnswered SegmentAssigned FeedbackGiven ComplaintReceived OpportunityLost",
    "PartnerRegistered CommissionBooked OpportunityWon OrderPlaced OrderCancelled",
    "MarketObservationReported GoalSet",
    "PageViewed ProductViewed MessageSent MessageEngaged InquiryReceived FirstResponseGiven OrderPlaced",
    "AdClicked OrderPlaced OrderCancelled OpportunityOpened OpportunityWon OpportunityLost OpportunityReopened",
    "CampaignLaunched CampaignCostBooked ContactMade SubscriptionStarted ContractSigned CustomerWonBack",
    *(" ".join(sorted(table.kinds)) for extension in load_extensions() for table in extension.lifecycles),
)
# Fields that name no entity, but must be alike for touchpoints to meet.
_ALIKE = frozenset(
    {"value", "identifier", "anonymous_id", "to", "referred", "survivor", "absorbed", "merge", "partner", "goal"}
    | {"instalment", "message", "campaign"}
)
_times = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 9), timezones=st.just(UTC))  # noqa: DTZ001 - gets UTC


@st.composite
def fact_lists(draw: st.DrawFn) -> list[Fact]:
    """Facts of one subject in any order, any kinds, one of them unknown to this program."""
    names = draw(st.sampled_from(_TOGETHER)).split() + draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=2))
    kinds = [KINDS[name] for name in names]
    facts = []
    drawn = draw(st.lists(envelopes(st.just("anna"), kinds, _times), min_size=2, max_size=12))
    for version, envelope in enumerate(drawn, 1):
        currency = draw(st.sampled_from([b"EUR", b"USD"]))
        stored = re.sub(rb'"currency":"[A-Z]{3}"', b'"currency":"%s"' % currency, encode(envelope))
        fact = fact_from("anna", version, stored)
        for field in KINDS[fact.kind].entity_fields():
            if field in fact.data:
                fact.data[field] = draw(st.sampled_from("12"))
        for field in sorted(_ALIKE & fact.data.keys()):
            if isinstance(fact.data[field], str):
                fact.data[field] = draw(st.sampled_from("12"))
        if fact.kind == "CustomersMerged":
            fact = fact._replace(id=draw(st.sampled_from("12")))
        facts.append(fact)
    if draw(st.booleans()):
        facts = PSEUDONYMS.put_into(facts)
    unknown = Fact(0, 0, "anna", len(facts) + 1, "ShowroomVisited", "t", "s", {}, {"time": "1970-01-01T00:00:00+00:00"})
    return draw(st.permutations([*facts, unknown]))


def fits(view: type[View[Any]], row: Row) -> bool:
    """Whether each cell has its column's type, and fits 64 bits."""
    return len(row) == len(view.columns()) and all(
        column.nullable
        if cell is None
        else type(cell) is column.type and not (isinstance(cell, int) and abs(cell) > INT64_MAX)
        for cell, column in zip(row, view.columns(), strict=True)
    )


@settings(max_examples=80, deadline=None)
@given(facts=fact_lists(), cuts=st.sets(st.integers(0, 12)))
def test_folding_in_any_split_with_rows_taken_at_changed_keys_equals_folding_at_once(
    facts: list[Fact], cuts: set[int]
) -> None:
    for view in views().values():
        lens = view(COMPANY)
        at_once = fold(lens, "anna", facts)
        assert kept_by_changes(lens, facts, set(range(len(facts)))) == at_once, view.name
        assert kept_by_changes(lens, facts, cuts) == at_once, view.name


def kept_by_changes(lens: View[Any], facts: list[Fact], cuts: set[int]) -> dict[Hashable, Row]:
    """A table kept as a projector keeps it: after each cut, only the rows at changed keys are written."""
    state, table, changed = lens.initial("anna"), dict[Hashable, Row](), set[Hashable]()
    for place, fact in enumerate(facts):
        state, keys = lens.evolve(state, fact)
        changed.update(keys)
        if place in cuts or place == len(facts) - 1:
            for key in changed:
                row = lens.row(state, key)
                if row is not None:
                    table[key] = row
                else:
                    table.pop(key, None)
            changed.clear()
    return table


@settings(max_examples=60, deadline=None)
@given(facts=fact_lists())
def test_a_fold_is_total_and_its_rows_fit_their_columns_and_are_unique_by_key(facts: list[Fact]) -> None:
    for view in views().values():
        rows = fold(view(COMPANY), "anna", facts).values()
        names = [column.name for column in view.columns()]
        keys = [tuple(row[names.index(name)] for name in view.key) for row in rows]
        assert all(fits(view, row) for row in rows), view.name
        assert all(row[0] == "anna" for row in rows), view.name
        assert len(set(keys)) == len(keys), view.name


@settings(max_examples=20, deadline=None)
@given(facts=fact_lists())
def test_a_view_keeps_nothing_of_one_subject_for_the_next(facts: list[Fact]) -> None:
    for view in views().values():
        used = view(COMPANY)
        first = fold(used, "anna", facts)
        assert fold(used, "anna", facts) == first == fold(view(COMPANY), "anna", facts), view.name


@pytest.mark.parametrize("name", views())
def test_a_view_and_its_questions_say_what_they_and_each_column_mean(name: str) -> None:
    assert list(flaws(view_named(name))) == []


def test_the_cells_of_a_row_that_is_a_plain_tuple_are_named_as_their_columns() -> None:
    plain = [(view, cells) for view in views().values() for cells in plain_rows(view)]
    for view, cells in plain:
        columns = [column.name for column in view.columns()]
        if cells[-1].startswith("*"):  # the last cells together
            del columns[len(cells) - 1 :], cells[-1]
        assert cells == columns, view.name
    assert {"contacts", "orders"} <= {view.name for view, _ in plain}


def plain_rows(view: type[View[Any]]) -> Iterator[list[str]]:
    """The cells of each tuple that answers as a row in the source of a view, as they are written there."""
    for function in ast.walk(ast.parse(getsource(sys.modules[view.__module__]))):
        if isinstance(function, ast.FunctionDef) and ast.unparse(function.returns or function) in ("Row", "Row | None"):
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
                    yield [ast.unparse(cell) for cell in node.value.elts]


def test_names_of_views_and_questions_are_unique() -> None:
    names = [relation.name for relation in relations(views().values())]
    assert len(set(names)) == len(names)


def test_the_columns_of_every_question_are_those_that_its_sql_yields(report: Report) -> None:
    for view in views().values():
        for question in view.questions:
            assert report.names(question.name) == list(question.columns), question.name


def test_every_question_has_the_same_answer_on_both_databases(sqlite_url: str, postgres_url: str) -> None:
    chance = Random(7)  # noqa: S311 - one fixed world, no secret
    lives = {f"customer-{number}": a_life(f"customer-{number}", chance) for number in range(40)}
    for subject, life in lives.items():
        life += a_trade(subject, chance)
    with closing(Report(sqlite_url)) as on_sqlite, closing(Report(postgres_url)) as on_postgres:
        for view in views().values():
            lens = view(COMPANY)
            histories = {subject: PSEUDONYMS.put_into(facts_of(life)) for subject, life in lives.items()}
            made = [row for subject, history in histories.items() for row in fold(lens, subject, history).values()]
            on_sqlite.fill(view.name, made)
            on_postgres.fill(view.name, made)
        on_sqlite.at(1_775_000_000_000_000, "2026-04-01")
        on_postgres.at(1_775_000_000_000_000, "2026-04-01")
        # The lives above tell nothing of a company's own kinds, so its questions are asked where its tests are.
        ours = [view for view in views().values() if view.__module__.startswith("projections.")]
        for question in [question for view in ours for question in view.questions]:
            sql = f"SELECT * FROM {question.name}"
            expected, found = sorted(map(_cells, on_sqlite.ask(sql))), sorted(map(_cells, on_postgres.ask(sql)))
            assert expected == found, question.name
            assert expected, f"{question.name} has no answer, so nothing was compared"


def _cells(row: dict[str, Any]) -> list[tuple[str, str]]:
    """The cells with their types, floats rounded, so that rows can be sorted and compared."""
    return [(type(cell).__name__, f"{cell:.9g}" if isinstance(cell, float) else str(cell)) for cell in row.values()]


def a_life(subject: str, chance: Random) -> list[Envelope]:
    """Some touchpoints of the sale, order, after-sales and service phases, over three months, in order."""
    mug = {"sku": "mug", "quantity": chance.randint(1, 3), "net": eur(f"{chance.randint(0, 90)}.5")}
    due = f"2026-{chance.randint(1, 4):02}-15"
    source = chance.choice([{}, {"lead_source": "fair"}, {"lead_source": "web"}])
    steps: list[tuple[str, dict[str, Any]]] = [
        ("FormSubmitted", {"form": "contact"}),
        ("CampaignLaunched", {"campaign": "spring", "name": "Spring", "channel": "ads", "planned_cost": eur("50")}),
        ("CampaignCostBooked", {"campaign": "spring", "amount": eur("7")}),
        ("PartnerRegistered", {"partner": "p", "role": "intermediary"}),
        ("AdClicked", {"ad": "a", "touch_campaign": "spring", "touch_channel": "ads", "touch_cost": eur("0.35")}),
        ("InquiryReceived", {"inquiry": "i", "source": chance.choice(["fair", "web"]), "touch_channel": "phone"}),
        ("FirstResponseGiven", {"inquiry": "i", "by": chance.choice(["eve", "bob"]), "touch_partner": "p"}),
        ("ContactMade", {"mode": "call", "direction": "inbound"}),
        ("OpportunityOpened", {"opportunity": "1", "stage": "offer", "owner": chance.choice(["eve", "bob"]), **source}),
        chance.choice(
            [
                ("OpportunityWon", {"opportunity": "1"}),
                ("OpportunityLost", {"opportunity": "1", "reason": "price", "competitor": "Cups & Co"}),
            ]
        ),
        ("OrderPlaced", {"order": "a", "lines": [mug], "total": eur("100")}),
        ("OrderPlaced", {"order": "b", "lines": [], "total": eur("20")}),
        ("ShipmentDelivered", {"shipment": "a"}),
        ("OrderCancelled", {"order": chance.choice("abc")}),
        ("ReturnReceived", {"order": "a", "lines": [{"line": "1", "quantity": 1}]}),
        ("IdentifierLinked", {"type": "email", "value": f"{chance.randint(1, 30)}@example.org", "verified": True}),
        ("CustomerIdentified", {"anonymous_id": f"visitor-{chance.randint(1, 90)}"}),
        ("RelationshipLinked", {"to": f"household-{chance.randint(1, 9)}", "type": "household"}),
        ("CustomersMerged", {"survivor": subject, "absorbed": f"visitor-{chance.randint(1, 90)}", "method": "exact"}),
        ("TicketOpened", {"ticket": "t", "due": "2026-02-20T12:00:00Z", **chance.choice([{}, {"sla": "gold"}])}),
        ("TicketAssigned", {"ticket": "t", "agent": chance.choice(["eve", "bob"])}),
        ("FirstResponseGiven", {"ticket": "t"}),
        ("TicketResolved", {"ticket": "t"}),
        ("TaskAssigned", {"task": "k", "concerns": "call", "executor": chance.choice(["eve", "bob"]), "due": due}),
        ("TaskClosed", {"task": chance.choice("kl"), "outcome": "done"}),
        ("StageResponsibilityAssigned", {"process": "sale", "stage": "offer", "executor": "eve"}),
        ("SurveyAnswered", {"question": "q", "metric": "nps", "score": float(chance.randint(0, 10)), "manager": "eve"}),
        ("FeedbackGiven", {"product": "mug", "topic": "handle", "opinion": "!", "sentiment": "negative"}),
        ("AssetRegistered", {"asset": "m", "product": "mug", **chance.choice([{}, {"vendor": "Cups & Co"}])}),
        ("AssetRetired", {"asset": chance.choice("mn"), "reason": "broken"}),
        ("RecommendationIssued", {"kind": chance.choice(["repeat", "discount"]), "product": "mug"}),
        ("MarketObservationReported", {"vendor": "Cups & Co", "price": eur("3"), "countermeasure": "a better mug"}),
        ("GoalSet", {"goal": "g", "indicator": "funnel_total.rate", "target": 1, "due": due}),
        ("CommissionBooked", {"partner": "p", "amount": eur("2"), "touch_partner": "p", "touch_actor": "eve"}),
    ]
    days = sorted(f"2026-{chance.randint(1, 3):02}-{chance.randint(1, 28):02}" for _ in steps)
    return [
        happened(day, kind, subject, **fields)
        for day, (kind, fields) in zip(days, steps, strict=True)
        if chance.random() < 0.8
    ]
