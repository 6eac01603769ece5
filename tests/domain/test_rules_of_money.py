"""Payments, invoices, dunning, schedules and refunds; contracts and subscriptions; points."""

from typing import Any

import pytest

from domain.company import Company
from tests.scenario import Said, cancelled, corrected, given, order, retimed, returned, said


def invoice(amount: str = "100 EUR", due: str = "2026-03-31", name: str = "i", **fields: Any) -> Said:
    return said("InvoiceIssued", invoice=name, amount=amount, due=due, **fields)


def paid(amount: str, payment: str = "p", **fields: Any) -> Said:
    """A payment; of the invoice `i` unless it says for what."""
    return said("PaymentReceived", payment=payment, amount=amount, **(fields or {"invoice": "i"}))


def taken_back(payment: str = "p", **fields: Any) -> Said:
    return said("PaymentReversed", payment=payment, **fields)


def dunned(level: int) -> Said:
    return said("DunningNoticeSent", invoice="i", level=level)


def refunded(amount: str, of: str | None = None) -> Said:
    return said("RefundIssued", amount=amount, **({"order": of} if of else {}))


# Payments


def test_an_invoice_paid_in_parts_and_dunned_in_levels_breaks_nothing() -> None:
    given(
        invoice().on("2026-03-01"),
        paid("40 EUR", "p1").on("2026-03-20"),
        dunned(1).on("2026-04-02"),
        dunned(2).on("2026-04-12"),
        dunned(2).on("2026-04-22"),
        paid("60 EUR", "p2").on("2026-04-30"),
    ).breaches_nothing()


def test_a_payment_above_what_is_open_is_a_breach() -> None:
    given(invoice(), paid("60 EUR", "p1")).when(paid("60 EUR", "p2")).breaches("invoice", "above what is open")
    given(invoice(), paid("100 EUR", "p1")).when(paid("1 EUR", "p2")).breaches("invoice", "above what is open")


def test_the_payment_tolerance_is_the_companys() -> None:
    company = Company(payment_tolerance=0.05)
    given(invoice(), paid("100.05 EUR"), company=company).breaches_nothing()
    given(invoice(), paid("100.06 EUR"), company=company).breaches("invoice", "above what is open")
    almost = given(invoice().on("2026-03-01"), paid("99.95 EUR"), company=company)
    almost.when(dunned(1).on("2026-05-01")).breaches("invoice", "already settled")


def test_what_was_taken_back_may_be_paid_again() -> None:
    bounced = given(invoice(), paid("100 EUR", "p1"), taken_back("p1"))
    bounced.when(paid("100 EUR", "p2")).breaches_nothing()
    given(invoice(), paid("100 EUR", "p1"), taken_back("p1", amount="30 EUR")).when(
        paid("30 EUR", "p2")
    ).breaches_nothing()


def test_a_payment_is_taken_back_once_and_only_as_far_as_it_came_in() -> None:
    given(taken_back()).breaches("payment", "never received")
    given(invoice(), paid("10 EUR"), taken_back()).when(taken_back()).breaches("payment", "already reversed")
    parts = given(invoice(), paid("10 EUR"), taken_back(amount="6 EUR"))
    parts.when(taken_back(amount="4 EUR")).breaches_nothing()
    parts.when(taken_back(amount="5 EUR")).breaches("payment", "more than was received")


def test_a_payment_for_an_invoice_never_issued_heals_when_the_invoice_arrives() -> None:
    early = given(paid("100 EUR").on("2026-03-10T10:00")).breaches("invoice", "never issued")
    early.when(invoice().on("2026-03-09T10:00")).breaches_nothing()
    early.when(invoice().on("2026-03-11T10:00")).breaches("invoice", "before its opening")


def test_a_payment_of_the_day_of_its_invoice_counts_although_it_sorts_before_it() -> None:
    same_day = given(
        order("1"), paid("100 EUR").on("2026-03-10"), invoice(order="1").on("2026-03-10T10:00")
    ).breaches_nothing()
    same_day.when(dunned(1).on("2026-05-01")).breaches("invoice", "already settled")
    same_day.when(refunded("100 EUR", "1").on("2026-05-01")).breaches_nothing()
    same_day.when(refunded("101 EUR", "1").on("2026-05-01")).breaches("order", "refund above what was paid")


def test_money_of_another_currency_is_not_compared() -> None:
    given(invoice(), paid("500 USD", "p1")).when(paid("80 EUR", "p2"), dunned(1).on("2026-05-01")).breaches_nothing()


def test_a_credit_note_lessens_what_is_open() -> None:
    given(invoice(), said("CreditNoteIssued", invoice="i", amount="40 EUR")).when(paid("70 EUR")).breaches(
        "invoice", "above what is open"
    )


def test_a_payment_for_an_order_is_measured_by_its_total() -> None:
    # An order in a scenario comes to 10 EUR.
    given(order("1"), paid("10 EUR", order="1")).breaches_nothing()
    given(order("1"), paid("11 EUR", order="1")).breaches("order", "above what is open")
    discounted = said("DiscountApplied", order="1", rule="loyal", amount="1 EUR")
    given(order("1"), discounted, paid("11 EUR", order="1")).breaches_nothing()


# Dunning


@pytest.mark.parametrize(("day", "early"), [("2026-03-30", True), ("2026-03-31", False), ("2026-04-01", False)])
def test_dunning_before_the_due_date_is_a_breach(day: str, early: bool) -> None:  # noqa: FBT001 - a case
    notice = given(invoice().on("2026-03-01")).when(dunned(1).on(day))
    notice.breaches("invoice", "dunned before it is due") if early else notice.breaches_nothing()


def test_the_due_date_is_a_day_of_the_companys_calendar_with_its_days_of_grace() -> None:
    # 22:30 UTC on the 30th is the 31st in Berlin, in summer time.
    late_evening = dunned(1).on("2026-03-30T22:30")
    issued = invoice().on("2026-03-01")
    given(issued, late_evening, company=Company(zone="Europe/Berlin")).breaches_nothing()
    given(issued, late_evening).breaches("invoice", "dunned before it is due")
    patient = Company(dunning_grace_days=5)
    given(issued, dunned(1).on("2026-04-04"), company=patient).breaches("invoice", "dunned before it is due")
    given(issued, dunned(1).on("2026-04-05"), company=patient).breaches_nothing()


def test_a_due_date_at_the_end_of_the_calendar_breaks_no_judge() -> None:
    given(invoice(due="9999-12-31").on("2026-03-01"), company=Company(dunning_grace_days=5)).when(
        dunned(1).on("2026-04-04")
    ).breaches("invoice", "dunned before it is due")


def test_dunning_on_a_settled_invoice_is_a_breach() -> None:
    given(invoice().on("2026-03-01"), paid("100 EUR")).when(dunned(1).on("2026-05-01")).breaches(
        "invoice", "already settled"
    )
    reopened = given(invoice().on("2026-03-01"), paid("100 EUR"), taken_back())
    reopened.when(dunned(1).on("2026-05-01")).breaches_nothing()


def test_a_dunning_notice_that_skips_a_level_is_a_breach() -> None:
    issued = given(invoice().on("2026-03-01"))
    issued.when(dunned(2).on("2026-05-01")).breaches("invoice", "dunning skips a level")
    late = issued.when(dunned(2).on("2026-05-10"), dunned(1).on("2026-05-01"))
    late.breaches_nothing()


# Refunds


def test_a_refund_above_what_was_paid_for_its_order_is_a_breach() -> None:
    sold = given(order("1"), paid("10 EUR", order="1"))
    sold.when(refunded("4 EUR", "1"), refunded("6 EUR", "1")).breaches_nothing()
    sold.when(refunded("4 EUR", "1"), refunded("7 EUR", "1")).breaches("order", "refund above what was paid")
    sold.when(taken_back(), refunded("10 EUR", "1")).breaches("order", "refund above what was paid")


def test_what_was_paid_by_invoice_or_without_a_name_may_be_refunded() -> None:
    given(order("1"), invoice("10 EUR", order="1"), paid("10 EUR"), refunded("10 EUR", "1")).breaches_nothing()
    given(order("1"), paid("10 EUR", instalment="1"), refunded("10 EUR", "1")).breaches_nothing()
    other = given(order("1"), order("2"), paid("10 EUR", order="2"))
    other.when(refunded("10 EUR", "1")).breaches("order", "refund above what was paid")


def test_a_cancelled_order_may_be_refunded() -> None:
    given(order("1", A=1), paid("10 EUR", order="1"), cancelled("1"), refunded("10 EUR", "1")).breaches_nothing()


def test_refunds_without_an_order_are_measured_by_all_that_was_paid() -> None:
    given(refunded("1 EUR")).breaches("account", "nothing paid")
    both = given(order("1"), paid("10 EUR", "p1", order="1"), paid("5 EUR", "p2", instalment="1"))
    both.when(refunded("15 EUR")).breaches_nothing()
    both.when(refunded("10 EUR", "1"), refunded("6 EUR")).breaches("account", "refund above what was paid")
    both.when(refunded("1 USD")).breaches("account", "nothing paid")


# Contracts and subscriptions


def signed(total: str | None = "100 EUR") -> Said:
    return said("ContractSigned", contract="k", **({"total": total} if total else {}))


def instalment(name: str, amount: str) -> Said:
    return said("PaymentScheduled", contract="k", instalment=name, due="2026-06-01", amount=amount)


def test_a_schedule_that_is_not_the_contracts_total_is_a_breach_until_it_is() -> None:
    half = given(signed(), instalment("1", "40 EUR")).breaches("contract", "schedule is not its total")
    whole = half.when(instalment("2", "60 EUR")).breaches_nothing()
    whole.when(instalment("3", "1 EUR")).breaches("contract", "schedule is not its total")
    whole.when(instalment("2", "50 EUR")).breaches("contract", "schedule is not its total")
    whole.when(instalment("2", "50 EUR"), instalment("3", "10 EUR")).breaches_nothing()


def test_it_stands_on_the_touchpoint_that_left_the_schedule_so() -> None:
    whole = given(signed(), instalment("1", "100 EUR"))
    dearer = whole.when(said("ContractAmended", contract="k", changes={"scope": "more"}, total="120 EUR"))
    renewed = dearer.when(said("ContractRenewed", contract="k", until="2030-01-01"))
    assert [breach.kind for breach in renewed.standing()] == ["ContractAmended"]
    renewed.when(instalment("2", "20 EUR")).breaches_nothing()
    renewed.when(corrected("t3", total="100 EUR")).breaches_nothing()


def test_a_schedule_may_be_told_before_its_contract_of_the_same_day() -> None:
    told = given(instalment("1", "40 EUR").on("2026-03-01"), instalment("2", "50 EUR").on("2026-03-01"))
    told.when(signed().on("2026-03-01T12:00")).breaches("contract", "schedule is not its total")
    told.when(signed("90 EUR").on("2026-03-01T12:00")).breaches_nothing()


def test_a_contract_without_a_total_or_in_another_currency_sets_no_sum() -> None:
    given(signed(None), instalment("1", "40 EUR")).breaches_nothing()
    given(signed("100 USD"), instalment("1", "40 EUR")).breaches_nothing()
    given(signed(), instalment("1", "40 EUR"), said("ContractAmended", contract="k", changes={}, total="9 USD")).when(
        instalment("2", "70 EUR")
    ).breaches_nothing()


def test_a_contract_is_not_amended_after_its_end_but_still_billed() -> None:
    ended = given(signed(), said("ContractTerminated", contract="k"))
    ended.when(said("ContractRenewed", contract="k", until="2030-01-01")).breaches("contract", "already terminated")
    ended.when(invoice(contract="k")).breaches_nothing()
    given(invoice(contract="k")).breaches("contract", "never signed")


def test_a_subscription_that_ended_is_not_changed() -> None:
    started = said("SubscriptionStarted", subscription="u", plan="a", recurring_amount="5 EUR", interval="month")
    ended = given(started, said("SubscriptionPaused", subscription="u"), said("SubscriptionEnded", subscription="u"))
    ended.breaches_nothing()
    ended.when(said("SubscriptionRenewed", subscription="u", until="2027-01-01")).breaches(
        "subscription", "already ended"
    )
    given(said("SubscriptionPaused", subscription="u")).breaches("subscription", "never started")


# Points


def posted(delta: int, reason: str, cause: str | None = None) -> Said:
    return said("LoyaltyPointsPosted", delta=delta, reason=reason, **({"cause": cause} if cause else {}))


def test_points_redeemed_below_zero_are_a_breach() -> None:
    given(posted(-1, "redeem")).breaches("points", "redeemed below zero")
    earned = given(posted(10, "earn"))
    earned.when(posted(-10, "redeem")).breaches_nothing()
    earned.when(posted(-6, "redeem"), posted(-5, "redeem")).breaches("points", "redeemed below zero")
    earned.when(posted(-10, "redeem"), posted(-10, "expire")).breaches_nothing()


def test_points_that_were_earned_earlier_and_told_late_heal_it() -> None:
    below = given(posted(-5, "redeem").on("2026-03-10")).breaches("points", "redeemed below zero")
    below.when(posted(5, "earn").on("2026-03-01")).breaches_nothing()
    below.when(posted(5, "earn").on("2026-03-11")).breaches("points", "redeemed below zero")


@pytest.mark.parametrize("cause", ["1", "t1", "t2", "t3"])
def test_a_reversal_may_rest_on_an_order_or_on_a_touchpoint(cause: str) -> None:
    sold = given(order("1", A=1), posted(10, "earn", "t1"), returned("1", A=1))
    sold.when(posted(-10, "reverse", cause)).breaches_nothing()


def test_a_reversal_without_its_cause_is_a_breach() -> None:
    earned = given(posted(10, "earn"))
    earned.when(posted(-10, "reverse")).breaches("points", "reversed without its cause")
    unknown = earned.when(posted(-10, "reverse", "9").on("2026-03-05")).breaches("points", "reversed without its cause")
    unknown.when(order("9").on("2026-03-04")).breaches_nothing()


def test_a_corrected_time_is_judged_anew() -> None:
    wrong = given(invoice().on("2026-03-01"), dunned(1).on("2026-03-20T10:00").named("d"))
    wrong.breaches("invoice", "dunned before it is due")
    wrong.when(retimed("d", "2026-04-20T10:00")).breaches_nothing()
