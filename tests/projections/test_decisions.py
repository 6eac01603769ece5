"""Decisions in the customer's language: given what happened, on a day, this is proposed and rests on that."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.acting import question_of
from adapters.extensions import load_extensions
from adapters.views.moments import beneath
from domain.company import Company
from domain.decision import Decision, Estimate, Now, Proposal, decision_named, decisions
from domain.history import effective_histories
from domain.laws import flaws_of_decision
from domain.touchpoint import Envelope, Fact, microseconds
from projections import views
from projections.models import ESTIMATES
from tests.projections.report import Report
from tests.projections.story import corrected, eur, facts_of, happened, merged, order, rows


class World:
    """What happened to customers, in the tables of a real database."""

    def __init__(self, report: Report, company: Company) -> None:
        self._report, self._company = report, company

    def decides(self, name: str, when: str, *story: Envelope, alive: float | None = None) -> list[tuple[Any, ...]]:
        """What a decision proposes at a moment: subject, key, each touchpoint's fields, the id that it rests on.

        `alive` is what a model tells of everybody, where it tells anything.
        """
        decision, moment = decision_named(name), datetime.fromisoformat(when).replace(tzinfo=UTC)
        self._report.undo()
        for view, definition in beneath([decision.reads], views()).items():
            self._report.fill(view, rows(definition, *story))
        now = Now(microseconds(moment), when[:10])
        self._report.at(*now)
        answers = self._report.ask(question_of(decision, self._company, now))
        told = dict.fromkeys(decision.estimates, Estimate(alive, "the model" if alive is not None else "too few"))
        proposals = decision.decide([decision.row(**row, **told) for row in answers], self._company, now)
        histories = effective_histories(facts_of(story))
        return [self._told(decision, proposal, histories, now) for proposal in proposals]

    @staticmethod
    def _told(
        decision: Decision[Any], proposal: Proposal, histories: dict[str, list[Fact]], now: Now
    ) -> tuple[Any, ...]:
        cause = proposal.cause.latest(histories[proposal.subject])
        assert cause is not None
        told = decision.envelopes(proposal, cause, now)
        assert {each.causationid for each in told} == {cause.id}
        fields = [each.data.model_dump(mode="json", exclude_none=True, exclude={"message"}) for each in told]
        return proposal.subject, proposal.key, *fields, cause.id


@pytest.fixture
def world(report: Report) -> World:
    return World(report, Company(escalate_to="boss", privacy_officer="dora"))


def billed(number: str = "1", due: str = "2026-03-01") -> Envelope:
    return happened("2026-02-01", "InvoiceIssued", invoice=number, amount=eur("10"), due=due)


def paid(number: str = "1", when: str = "2026-03-02") -> Envelope:
    return happened(when, "PaymentReceived", payment=f"p{number}", invoice=number, amount=eur("10"))


def dunned(when: str, level: int) -> Envelope:
    return happened(when, "DunningNoticeSent", invoice="1", level=level)


def test_an_overdue_invoice_is_dunned_level_by_level_up_to_the_last(world: World) -> None:
    bill = billed()
    assert world.decides("dunning", "2026-03-01", bill) == []
    first = ("anna", ("1", "1"), {"invoice": "1", "level": 1}, bill.id)
    assert world.decides("dunning", "2026-03-02", bill) == [first]
    again = [bill, dunned("2026-03-02", 1)]
    assert world.decides("dunning", "2026-03-15", *again) == []
    assert world.decides("dunning", "2026-03-16", *again) == [
        ("anna", ("1", "2"), {"invoice": "1", "level": 2}, bill.id)
    ]
    last = [bill, *(dunned(f"2026-03-0{day}", day) for day in (1, 2, 3))]
    assert world.decides("dunning", "2026-05-01", *last) == []


def test_what_was_paid_late_or_was_a_mistake_is_not_dunned(world: World) -> None:
    bill = billed()
    assert world.decides("dunning", "2026-03-10", bill, paid()) == []
    assert world.decides("dunning", "2026-03-10", bill, corrected(bill, "2026-03-05", retraction=True)) == []


def promised(day: str, number: str = "1", when: str = "2026-03-01") -> Envelope:
    return happened(when, "DeliveryPromised", order=number, promised_for=day)


def test_a_promise_that_a_dispatch_of_today_cannot_keep_is_warned_of_before_its_day(world: World) -> None:
    story = [order("2026-03-01", "1", "10"), promise := promised("2026-03-10")]
    warned = {"order": "1", "reason": "not dispatched in time"}
    key = ("1", "2026-03-10")
    assert world.decides("promise-at-risk", "2026-03-08", *story) == []
    expected = ("anna", key, {**warned, "expected_delay": 1}, promise.id)
    assert world.decides("promise-at-risk", "2026-03-09", *story) == [expected]
    today = ("anna", key, {**warned, "expected_delay": 2}, promise.id)
    assert world.decides("promise-at-risk", "2026-03-10", *story) == [today]
    assert world.decides("promise-at-risk", "2026-03-11", *story) == []


def test_no_warning_where_goods_left_or_the_customer_knows_and_another_for_another_day(world: World) -> None:
    story = [order("2026-03-01", "1", "10"), promised("2026-03-10")]
    left = happened("2026-03-09", "ShipmentDispatched", order="1", shipment="s")
    assert world.decides("promise-at-risk", "2026-03-09", *story, left) == []
    told = happened("2026-03-08", "DeliveryWarningIssued", order="1", expected_delay=3)
    assert world.decides("promise-at-risk", "2026-03-09", *story, told) == []
    moved = promised("2026-03-13", when="2026-03-08")
    ((_, key, warning, cause),) = world.decides("promise-at-risk", "2026-03-12", *story, told, moved)
    assert (key, warning["expected_delay"], cause) == (("1", "2026-03-13"), 1, moved.id)


def asked(form: str, when: str = "2026-03-01T10:00:00Z", number: str = "7") -> Envelope:
    kind = "InquiryReceived" if form == "inquiry" else "TicketOpened"
    return happened(when, kind, **{form: number})


@pytest.mark.parametrize("form", ["inquiry", "ticket"])
def test_whoever_hears_nothing_for_a_day_becomes_a_task(world: World, form: str) -> None:
    question = asked(form)
    assert world.decides("first-response", "2026-03-02T09:59:59", question) == []
    ((_, key, task, cause),) = world.decides("first-response", "2026-03-02T10:00:00", question)
    assert (key, cause) == ((f"{form}/7",), question.id)
    assert (task["concerns"], task["executor"], task["due"]) == (f"first response to {form} 7", "boss", "2026-03-02")
    answer = happened("2026-03-02T09:00:00Z", "FirstResponseGiven", **{form: "7"})
    assert world.decides("first-response", "2026-03-03", question, answer) == []


def test_a_ticket_is_its_agents_and_one_that_was_solved_at_once_needs_no_answer(world: World) -> None:
    given = happened("2026-03-01T11:00:00Z", "TicketAssigned", ticket="7", agent="eve")
    ((*_, task, _),) = world.decides("first-response", "2026-03-03", asked("ticket"), given)
    assert task["executor"] == "eve"
    solved = happened("2026-03-01T12:00:00Z", "TicketResolved", ticket="7")
    assert world.decides("first-response", "2026-03-03", asked("ticket"), solved) == []


def test_an_overdue_task_goes_to_whom_tasks_are_escalated_to_once_for_each_day(world: World) -> None:
    given = happened("2026-03-01", "TaskAssigned", task="1", concerns="call", executor="eve", due="2026-03-05")
    assert world.decides("task-overdue", "2026-03-05", given) == []
    ((_, key, task, cause),) = world.decides("task-overdue", "2026-03-06", given)
    assert (key, cause) == (("1", "2026-03-05"), given.id)
    assert task == {"task": "1", "concerns": "call", "executor": "boss", "due": "2026-03-05"}
    escalated = happened("2026-03-06", "TaskAssigned", task="1", concerns="call", executor="boss", due="2026-03-05")
    assert world.decides("task-overdue", "2026-03-07", given, escalated) == []
    done = happened("2026-03-05", "TaskClosed", task="1", outcome="done")
    assert world.decides("task-overdue", "2026-03-07", given, done) == []


def test_a_subjects_request_is_a_task_before_it_falls_due(world: World) -> None:
    received = happened("2026-03-01", "SubjectRequestReceived", request="r", kind="erasure")
    assert world.decides("subject-request", "2026-03-23", received) == []
    ((_, key, task, cause),) = world.decides("subject-request", "2026-03-24", received)
    assert (key, cause) == (("r",), received.id)
    assert (task["executor"], task["due"], task["concerns"]) == ("dora", "2026-03-31", "answer request r for erasure")
    named = happened("2026-03-01", "SubjectRequestReceived", request="r", kind="access", due="2026-03-05")
    assert len(world.decides("subject-request", "2026-03-09", named)) == 1
    answered = happened("2026-03-04", "SubjectRequestAnswered", request="r")
    assert world.decides("subject-request", "2026-03-09", named, answered) == []


def test_a_purchase_day_is_thanked_for_once_and_in_time(world: World) -> None:
    story = [first := order("2026-03-01", "1", "10"), order("2026-03-01", "2", "10"), order("2026-03-04", "3", "10")]
    assert world.decides("thanks", "2026-03-01", *story) == []
    assert world.decides("thanks", "2026-03-02", *story) == [("anna", ("2026-03-01",), {"purpose": "thanks"}, first.id)]
    assert [key for _, key, *_ in world.decides("thanks", "2026-03-16", *story)] == [("2026-03-01",), ("2026-03-04",)]
    assert [key for _, key, *_ in world.decides("thanks", "2026-03-17", *story)] == [("2026-03-04",)]
    off = happened("2026-03-05", "OrderCancelled", order="3")
    assert world.decides("thanks", "2026-03-17", *story, off) == []


def test_a_survey_follows_a_delivery_of_the_whole_order(world: World) -> None:
    goods = [{"sku": "mug", "quantity": 1}]
    story = [placed := order("2026-03-01", "1", "10")]
    story.append(happened("2026-03-02", "ShipmentDispatched", order="1", shipment="s", lines=goods))
    assert world.decides("survey-after-delivery", "2026-03-20", *story) == []
    story.append(happened("2026-03-03", "ShipmentDelivered", shipment="s"))
    assert world.decides("survey-after-delivery", "2026-03-09", *story) == []
    expected = ("anna", ("1",), {"purpose": "survey"}, placed.id)
    assert world.decides("survey-after-delivery", "2026-03-10", *story) == [expected]
    assert world.decides("survey-after-delivery", "2026-03-25", *story) == []


def test_a_survey_follows_a_resolution_that_lasted(world: World) -> None:
    story = [asked("ticket"), solved := happened("2026-03-02T10:00:00Z", "TicketResolved", ticket="7")]
    expected = ("anna", ("7",), {"purpose": "survey"}, solved.id)
    assert world.decides("survey-after-resolution", "2026-03-09", *story) == [expected]
    again = happened("2026-03-05T10:00:00Z", "TicketReopened", ticket="7")
    assert world.decides("survey-after-resolution", "2026-03-09", *story, again) == []


def bought_on(*days: int) -> list[Envelope]:
    return [order(f"2026-03-{day:02}", f"o{day}", "10") for day in days]


def test_a_regular_customers_discount_is_due_at_each_multiple(world: World) -> None:
    assert world.decides("regular-discount", "2026-04-01", *bought_on(1, 2, 3, 4)) == []
    five = bought_on(1, 2, 3, 4, 5)
    advice = {"kind": "discount", "basis": "regular customer: bought on 5 days"}
    assert world.decides("regular-discount", "2026-04-01", *five) == [("anna", ("5",), advice, five[-1].id)]
    (after,) = world.decides("regular-discount", "2026-04-01", *bought_on(*range(1, 13)))
    assert after[1] == ("10",)
    gone = happened("2026-03-20", "CustomerChurned")
    assert world.decides("regular-discount", "2026-04-01", *five, gone) == []


def test_purchases_of_an_absorbed_customer_count_for_the_survivor(world: World) -> None:
    theirs = [order(f"2026-03-{day:02}", f"b{day}", "10", subject="bert") for day in (1, 2)]
    story = [*theirs, *bought_on(3, 4, 5), *merged("2026-03-10", "anna", "bert")]
    assert [(who, key) for who, key, *_ in world.decides("regular-discount", "2026-04-01", *story)] == [
        ("anna", ("5",))
    ]


def test_without_a_model_a_customer_silent_for_three_times_their_own_rhythm_is_at_risk(world: World) -> None:
    story = bought_on(1, 5, 9)  # every four days
    assert world.decides("churn-risk", "2026-03-20", *story) == []
    ((_, key, risk, reminder, cause),) = world.decides("churn-risk", "2026-03-21", *story)
    assert (key, cause) == (("2026-03-09",), story[-1].id)
    assert risk == {"kind": "churn", "score": 3.0, "source": "silence by own mean interval"}
    basis = "silent for 3.00 times their mean interval; no P(alive): too few"
    assert reminder == {"kind": "reminder", "basis": basis}
    back = order("2026-03-20", "back", "10")
    assert world.decides("churn-risk", "2026-03-25", *story, back) == []
    assert world.decides("churn-risk", "2026-05-01", *bought_on(1, 5)) == [], "one interval is no rhythm"
    assert world.decides("churn-risk", "2026-05-01", *story, happened("2026-04-01", "CustomerChurned")) == []


def test_a_customer_who_has_probably_left_by_a_model_is_at_risk_whatever_their_rhythm(world: World) -> None:
    story = bought_on(1, 5)
    assert world.decides("churn-risk", "2026-03-06", *story, alive=0.5) == []
    ((_, key, risk, reminder, cause),) = world.decides("churn-risk", "2026-03-06", *story, alive=0.25)
    assert (key, cause) == (("2026-03-05",), story[-1].id)
    assert risk == {"kind": "churn", "score": 0.75, "source": "1 - P(alive)"}
    assert reminder == {"kind": "reminder", "basis": "P(alive) 0.2500 by the model"}
    assert world.decides("churn-risk", "2027-03-06", *bought_on(1, 5, 9), alive=0.9) == [], (
        "long silent, and likely there"
    )
    assert world.decides("churn-risk", "2026-03-06", *bought_on(1), alive=0.1) == [], "who bought once has no rhythm"
    gone = happened("2026-03-20", "CustomerChurned")
    assert world.decides("churn-risk", "2026-04-01", *story, gone, alive=0.1) == []


def test_an_offer_that_waits_is_sent_and_a_reminder_is_not(world: World) -> None:
    offer = happened("2026-03-01", "RecommendationIssued", kind="cross-sell", product="pot")
    reminder = happened("2026-03-01", "RecommendationIssued", kind="reminder")
    expected = ("anna", ("cross-sell", "pot", "2026-03-01"), {"purpose": "promotion", "template": "cross-sell"})
    assert world.decides("send-offer", "2026-03-02", offer, reminder) == [(*expected, offer.id)]
    sent = happened("2026-03-02", "MessageSent", message="m", purpose="promotion")
    assert world.decides("send-offer", "2026-03-03", offer, sent) == []


load_extensions()  # of the laws a company's own decisions are no exception


@pytest.mark.parametrize("name", decisions())
def test_every_decision_obeys_the_laws_reads_columns_that_there_are_and_says_its_rule(
    report: Report, name: str
) -> None:
    decision, now = decision_named(name), Now(0, "2026-03-01")
    assert list(flaws_of_decision(decision)) == []
    assert set(decision.estimates) <= set(ESTIMATES)
    assert set(decision.columns) <= set(report.names(decision.reads)), decision.name
    assert report.ask(question_of(decision, Company(), now)) == []
    assert len(decision.rule) > 40


def basket(subject: str, number: str, *skus: str) -> Envelope:
    goods = [{"sku": sku, "quantity": 1, "net": eur("5"), "category": "tea"} for sku in skus]
    return order("2026-03-01", number, "10", subject=subject, lines=goods)


def test_the_next_offer_is_what_buyers_of_the_same_bought_too(report: Report) -> None:
    world = World(report, Company(offer_customers_min=3))
    both = [basket(f"c{place}", f"b{place}", "mug", "pot") for place in range(3)]
    others = [basket(f"d{place}", f"d{place}", "oolong") for place in range(4)]
    mine = basket("anna", "mine", "mug")
    ((who, key, advice, cause),) = world.decides("next-offer", "2026-03-02", *both, *others, mine)
    # Of 8 buyers 4 bought the mug, 3 the pot, 3 both: lift is (3/4) / (3/8).
    assert (who, key, cause) == ("anna", ("pot",), mine.id)
    assert advice == {
        "kind": "cross-sell",
        "product": "pot",
        "basis": "bought with mug by 3 customers: support 0.3750, lift 2.00",
    }
    assert World(report, Company()).decides("next-offer", "2026-03-02", *both, *others, mine) == [], "too few"


def test_of_several_offers_the_one_of_the_greatest_lift_is_next(report: Report) -> None:
    world = World(report, Company(offer_customers_min=2, offer_lift_min=1))
    story = [
        *(basket(f"c{place}", f"c{place}", "mug", "pot") for place in range(2)),
        *(basket(f"d{place}", f"d{place}", "mug", "oolong") for place in range(3)),
        *(basket(f"e{place}", f"e{place}", "oolong") for place in range(4)),
        *(basket(f"f{place}", f"f{place}", "sencha") for place in range(10)),
        basket("anna", "mine", "mug"),
    ]
    found = world.decides("next-offer", "2026-03-02", *story)
    # With the mug goes the pot, (2/6) / (2/20), and less so the oolong, (3/6) / (7/20).
    assert [(key, advice["basis"]) for who, key, advice, _ in found if who == "anna"] == [
        (("pot",), "bought with mug by 2 customers: support 0.1000, lift 3.33")
    ]
    assert len({who for who, *_ in found}) == len(found)
