"""Consent, objection, restriction and frequency; tickets, downtime, surveys; tasks, promises and subject requests."""

from dataclasses import replace
from typing import Any

import pytest

from domain.company import Company, FrequencyCap
from tests.scenario import (
    Said,
    accepted,
    cancelled,
    delivered,
    given,
    merged,
    order,
    quote,
    retracted,
    said,
    shipment,
)


def message(purpose: str = "newsletter", channel: str | None = None, **fields: Any) -> Said:
    return replace(said("MessageSent", message="m", purpose=purpose, **fields), channel=channel)


def granted(purpose: str = "newsletter", **fields: Any) -> Said:
    return said("ConsentGranted", purpose=purpose, **fields)


def withdrawn(purpose: str = "newsletter", **fields: Any) -> Said:
    return said("ConsentWithdrawn", purpose=purpose, **fields)


def objected(purpose: str = "newsletter") -> Said:
    return said("ObjectionRaised", purpose=purpose)


# Consent


def test_a_promotional_message_without_a_basis_is_a_breach() -> None:
    given(message()).breaches("consent", "never granted")
    given(granted("promotion"), message()).breaches("consent", "never granted")
    given(granted(), message()).breaches_nothing()


def test_other_messages_need_no_basis() -> None:
    given(message("thanks"), message("survey"), message("reminder")).breaches_nothing()
    given(message("thanks"), company=Company(promotional=frozenset({"thanks"}))).breaches("consent", "never granted")


def test_a_message_after_withdrawal_is_a_breach() -> None:
    given(granted(), withdrawn()).when(message()).breaches("consent", "withdrawn")
    given(withdrawn()).when(message()).breaches("consent", "withdrawn")
    given(granted(), withdrawn(), granted()).when(message()).breaches_nothing()


def test_a_consent_told_late_heals_the_message_and_a_withdrawal_told_late_breaks_it() -> None:
    sent = given(message().on("2026-03-10T10:00")).breaches("consent", "never granted")
    allowed = sent.when(granted().on("2026-03-01T10:00")).breaches_nothing()
    allowed.when(withdrawn().on("2026-03-05T10:00")).breaches("consent", "withdrawn")
    allowed.when(withdrawn().on("2026-03-11T10:00")).breaches_nothing()
    sent.when(granted().on("2026-03-11T10:00")).breaches("consent", "never granted")


def test_a_consent_holds_through_its_last_day_in_the_companys_zone() -> None:
    until = granted(until="2026-03-09").on("2026-03-01")
    last_minute = message().on("2026-03-09T23:30")
    given(until, last_minute).breaches_nothing()
    given(until, last_minute, company=Company(zone="Europe/Berlin")).breaches("consent", "expired")
    longer = given(until, granted(until="2026-04-09").on("2026-03-02"))
    longer.when(message().on("2026-04-09")).breaches_nothing()
    longer.when(message().on("2026-04-10")).breaches("consent", "expired")


def test_a_consent_for_one_channel_allows_no_other() -> None:
    by_mail = given(granted(channel="email"))
    by_mail.when(message(channel="email")).breaches_nothing()
    by_mail.when(message(channel="phone")).breaches("consent", "another channel or country")
    given(granted()).when(message(channel="phone")).breaches_nothing()


def test_a_channel_taken_out_of_a_consent_for_all_stays_out() -> None:
    all_but_phone = given(granted(), withdrawn(channel="phone"))
    all_but_phone.when(message(channel="email")).breaches_nothing()
    all_but_phone.when(message(channel="phone")).breaches("consent", "withdrawn")
    all_but_phone.when(granted(channel="phone"), message(channel="phone")).breaches_nothing()
    all_but_phone.when(granted(), message(channel="phone")).breaches_nothing()
    one_of_two = given(granted(channel="email"), granted(channel="phone"), withdrawn(channel="phone"))
    one_of_two.when(message(channel="email")).breaches_nothing()
    one_of_two.when(message(channel="phone")).breaches("consent", "withdrawn")


def test_a_consent_under_one_countrys_law_allows_none_under_anothers() -> None:
    french = given(granted(jurisdiction="FR"))
    french.when(message(jurisdiction="FR"), message()).breaches_nothing()
    french.when(message(jurisdiction="DE")).breaches("consent", "another channel or country")


def test_a_withdrawal_takes_consents_back_and_no_other_basis() -> None:
    other = given(granted(basis="legitimate interests"), granted(), withdrawn())
    other.when(message()).breaches_nothing()


def test_a_wider_purpose_covers_what_the_company_says() -> None:
    given(granted("marketing"), message("promotion"), message("newsletter")).breaches_nothing()
    given(granted("marketing"), withdrawn("marketing")).when(message("promotion")).breaches("consent", "withdrawn")
    given(granted("marketing"), message(), company=Company(wider_purposes={})).breaches("consent", "never granted")


def test_consents_of_both_halves_of_a_merge_count() -> None:
    given(granted().of("ben"), merged("anna", "ben")).when(message()).breaches_nothing()


# Frequency


def capped(*caps: FrequencyCap) -> Company:
    return Company(frequency_caps=caps)


def test_more_messages_than_the_cap_within_its_days_are_a_breach() -> None:
    two_a_week = capped(FrequencyCap(messages=2, days=7))
    twice = given(granted("marketing").on("2026-01-01"), message().on("2026-03-01"), company=two_a_week)
    twice = twice.when(message("promotion").on("2026-03-04"))
    twice.when(message().on("2026-03-07")).breaches("frequency", "above the cap")
    twice.when(message().on("2026-03-08")).breaches_nothing()
    twice.when(message("thanks").on("2026-03-07")).breaches_nothing()
    over = twice.when(message().on("2026-03-07"))
    over.when(message().on("2026-03-09")).breaches("frequency", "above the cap", times=2)


def test_a_cap_may_hold_for_one_purpose() -> None:
    company = capped(FrequencyCap(messages=1, days=30, purpose="promotion"), FrequencyCap(messages=2, days=1))
    sent = given(granted("marketing").on("2026-01-01"), message("promotion").on("2026-03-01"), company=company)
    sent.when(message().on("2026-03-02"), message().on("2026-03-02")).breaches_nothing()
    (breach,) = sent.when(message("promotion").on("2026-03-02")).standing()
    assert (breach.rule, breach.entity) == ("frequency/above the cap", "frequency/promotion")


def test_a_message_that_never_was_is_not_counted() -> None:
    company = capped(FrequencyCap(messages=1, days=7))
    often = given(granted().on("2026-01-01"), message().named("x"), message(), company=company)
    often.breaches("frequency", "above the cap").when(retracted("x")).breaches_nothing()


# Objection and restriction


def test_a_message_after_an_objection_is_a_breach_whatever_its_basis() -> None:
    basis = given(granted(basis="legitimate interests"), objected())
    basis.when(message()).breaches("objection", "data used all the same")
    basis.when(granted(basis="legitimate interests"), message()).breaches("objection", "data used all the same")
    basis.when(granted(), message()).breaches_nothing()
    basis.when(message("promotion"), granted("promotion").on("2026-01-01")).breaches_nothing()


def test_an_objection_may_be_to_messages_that_need_no_basis() -> None:
    given(objected("survey")).when(message("survey")).breaches("objection", "data used all the same")


@pytest.mark.parametrize(
    "use",
    [
        said("SegmentAssigned", segment="touring"),
        said("RiskAssessed", kind="churn", score=0.5),
        said("RecommendationIssued", kind="repeat"),
    ],
    ids=lambda use: str(use.kind),
)
def test_analysis_after_an_objection_to_profiling_is_a_breach(use: Said) -> None:
    given(use, objected("profiling")).breaches_nothing().when(use).breaches("objection", "data used all the same")


def test_use_of_data_under_restriction_is_a_breach() -> None:
    still = given(message("thanks"), said("ProcessingRestricted", why="contested"))
    still.breaches_nothing()
    still.when(message("thanks")).breaches("restriction", "data used all the same")
    still.when(said("DataExported", recipient="agency", scope="all")).breaches("restriction", "data used all the same")
    still.when(said("DataExported", recipient="anna", scope="all")).breaches_nothing()
    still.when(said("ProcessingRestrictionLifted", why="settled"), message("thanks")).breaches_nothing()
    given(said("ProcessingRestrictionLifted", why="settled")).breaches("restriction", "never placed")


# Subjects' requests


def asked(**fields: Any) -> Said:
    return said("SubjectRequestReceived", request="r", kind="access", **fields)


ANSWER = said("SubjectRequestAnswered", request="r", outcome="granted")


def test_an_answer_after_the_due_date_is_a_breach() -> None:
    due = given(asked(due="2026-04-01").on("2026-03-01"))
    due.when(ANSWER.on("2026-04-01")).breaches_nothing()
    due.when(ANSWER.on("2026-04-02")).breaches("request", "answered late")


def test_where_no_due_date_was_named_the_companys_days_count() -> None:
    open_end = given(asked().on("2026-03-01"), company=Company(request_days=10))
    open_end.when(ANSWER.on("2026-03-11")).breaches_nothing()
    open_end.when(ANSWER.on("2026-03-12")).breaches("request", "answered late")


def test_a_request_is_answered_once_and_only_if_it_came() -> None:
    given(ANSWER).breaches("request", "never received")
    given(asked(), ANSWER).when(ANSWER).breaches("request", "already answered")


# Tickets and downtime


def ticket(step: str, **fields: Any) -> Said:
    return said(f"Ticket{step}", ticket="t", **fields)


def test_a_ticket_worked_on_resolved_closed_and_opened_again_breaks_nothing() -> None:
    given(
        ticket("Opened"), ticket("Assigned", agent="sam"), ticket("Pended"), ticket("Resumed"), ticket("Resolved"),
        ticket("Closed", how="resolved"), ticket("Reopened"), ticket("Resolved"), ticket("Closed", how="resolved"),
    ).breaches_nothing()  # fmt: skip


def test_resolving_an_unopened_ticket_is_a_breach() -> None:
    given(ticket("Resolved")).breaches("ticket", "never opened")


def test_closing_an_unresolved_ticket_as_resolved_is_a_breach() -> None:
    given(ticket("Opened")).when(ticket("Closed", how="resolved")).breaches("ticket", "not resolved")
    given(ticket("Opened")).when(ticket("Closed", how="duplicate")).breaches_nothing()
    again = given(ticket("Opened"), ticket("Resolved"), ticket("Closed", how="resolved"), ticket("Reopened"))
    again.when(ticket("Closed", how="resolved")).breaches("ticket", "not resolved")


def test_reopening_a_ticket_that_is_not_closed_is_a_breach() -> None:
    given(ticket("Opened")).when(ticket("Reopened")).breaches("ticket", "not closed")
    given(ticket("Opened"), ticket("Resolved")).when(ticket("Reopened")).breaches("ticket", "not closed")


def test_downtime_that_ends_before_it_starts_is_a_breach() -> None:
    down, up = said("DowntimeReported", asset="a"), said("DowntimeEnded", asset="a")
    given(down, up, down, up).breaches_nothing()
    given(down.on("2026-03-05T10:00"), up.on("2026-03-05T09:00")).breaches("downtime", "ends before it starts")
    given(down.on("2026-03-05T10:00"), up.on("2026-03-05")).breaches_nothing()
    given(up).breaches("downtime", "never reported")
    given(down, up).when(up).breaches("downtime", "not down")


# Surveys


def test_two_answers_to_one_question_of_a_survey_are_a_breach() -> None:
    answer = said("SurveyAnswered", survey="spring", question="How was it?", metric="csat", score=4.0)
    other = said("SurveyAnswered", survey="spring", question="And the price?", metric="csat", score=4.0)
    given(answer, other).breaches_nothing().when(answer).breaches("answer", "given twice")
    unasked = said("SurveyAnswered", question="How was it?", metric="csat", score=4.0)
    given(unasked, unasked).breaches_nothing()


# Tasks and promises


def test_closing_a_task_twice_is_a_breach() -> None:
    task, closed = (
        said("TaskAssigned", task="w", concerns="call", executor="rosa"),
        said("TaskClosed", task="w", outcome="done"),
    )
    given(task, said("TaskRescheduled", task="w", due="2026-04-01"), closed).breaches_nothing().when(closed).breaches(
        "task", "already closed"
    )
    given(closed).breaches("task", "never assigned")


def test_a_task_on_nobody_is_a_breach() -> None:
    given(said("TaskAssigned", task="w", concerns="call")).breaches("task", "on nobody")


PROMISE = said("DeliveryPromised", order="1", promised_for="2026-06-01")


def test_a_promise_after_its_delivery_is_a_breach() -> None:
    arrived = given(order("1", A=2), PROMISE, shipment("s", "1", A=2), PROMISE, delivered("s")).breaches_nothing()
    arrived.when(PROMISE).breaches("order", "promised after delivery")
    given(order("1", A=1), shipment("s", "1"), delivered("s"), PROMISE).breaches("order", "promised after delivery")


def test_a_promise_for_what_is_still_to_come_is_none() -> None:
    half = given(order("1", A=2, B=1), shipment("s", "1", A=2), delivered("s"))
    half.when(PROMISE).breaches_nothing()
    half.when(cancelled("1", B=1), PROMISE).breaches("order", "promised after delivery")


# Quotes


def test_a_quote_accepted_in_time_holds_for_a_later_order() -> None:
    in_time = given(quote("2026-03-10").on("2026-03-01"), accepted().on("2026-03-10"))
    in_time.when(order("1", quote="q").on("2026-03-20")).breaches_nothing()
    late = given(quote("2026-03-10").on("2026-03-01"), accepted().on("2026-03-11"))
    late.when(order("1", quote="q").on("2026-03-20")).breaches("quote", "expired")
