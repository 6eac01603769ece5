"""What customers owe, what they paid of it, and whom to remind, in whatever order it is told."""

from random import Random
from typing import Any

from domain.company import Company
from domain.touchpoint import Envelope
from projections.contracts import Contracts
from projections.payments import Payments
from projections.receivables import Receivables
from projections.view import fold
from tests.projections.report import Report
from tests.projections.story import corrected, eur, facts_of, happened, merged, row, rows


def invoice(when: str, amount: str = "100", number: str = "i", **more: Any) -> Envelope:
    return happened(when, "InvoiceIssued", **{"invoice": number, "amount": _money(amount), "due": "2026-02-10"} | more)


def paid(when: str, amount: str, payment: str = "p", **more: Any) -> Envelope:
    return happened(when, "PaymentReceived", **{"payment": payment, "amount": _money(amount), "invoice": "i"} | more)


def instalment(number: str, due: str, amount: str, **of: str) -> Envelope:
    return happened(
        "2026-01-01", "PaymentScheduled", **{"instalment": number, "due": due, "amount": _money(amount)} | of
    )


def dunned(when: str, level: int) -> Envelope:
    return happened(when, "DunningNoticeSent", invoice="i", level=level)


def _money(amount: str) -> str:
    return amount if " " in amount else eur(amount)


def test_an_invoice_paid_in_parts_is_settled_on_the_day_of_the_last() -> None:
    story = [invoice("2026-01-10", order="o"), paid("2026-02-01", "60")]
    found = row(Receivables, *story)
    assert (found.status, found.paid_micros, found.open_micros, found.paid_day) == (
        "open",
        60_000_000,
        40_000_000,
        "2026-02-01",
    )
    found = row(Receivables, *story, paid("2026-02-15", "40", "q"))
    assert (found.status, found.open_micros, found.settled_day, found.days_late, found.payments) == (
        "settled",
        0,
        "2026-02-15",
        5,
        2,
    )


def test_what_is_paid_too_much_is_the_customer_s_credit() -> None:
    found = row(Receivables, invoice("2026-01-10"), paid("2026-02-01", "130"))
    assert (found.status, found.open_micros, found.credit_micros) == ("settled", 0, 30_000_000)


def test_money_that_is_taken_back_opens_the_invoice_again() -> None:
    story = [invoice("2026-01-10"), paid("2026-02-01", "100")]
    found = row(Receivables, *story, happened("2026-02-20", "PaymentReversed", payment="p"))
    assert (found.status, found.open_micros, found.settled_day, found.paid_micros) == ("open", 100_000_000, None, 0)
    part = happened("2026-02-20", "PaymentReversed", payment="p", amount=eur("30"))
    assert row(Receivables, *story, part).open_micros == 30_000_000


def test_credit_notes_and_write_offs_lessen_what_is_open() -> None:
    credit = happened("2026-01-20", "CreditNoteIssued", invoice="i", amount=eur("30"))
    lost = happened("2026-09-01", "DebtWrittenOff", invoice="i", amount=eur("70"))
    found = row(Receivables, invoice("2026-01-10"), credit, lost)
    assert (found.status, found.open_micros, found.credited_micros, found.written_off_micros) == (
        "written off",
        0,
        30_000_000,
        70_000_000,
    )


def test_a_payment_told_before_its_invoice_counts_when_that_is_told() -> None:
    early = paid("2026-01-05", "100")
    found = row(Receivables, early)
    assert (found.status, found.amount_micros, found.open_micros, found.paid_micros) == (
        "unissued",
        None,
        None,
        100_000_000,
    )
    found = row(Receivables, early, invoice("2026-01-10"))
    assert (found.status, found.open_micros, found.settled_day) == ("settled", 0, "2026-01-10")


def test_money_of_another_currency_leaves_open_unknown() -> None:
    found = row(Receivables, invoice("2026-01-10"), paid("2026-02-01", "100 USD"))
    assert (found.status, found.open_micros, found.paid_micros, found.currency) == ("open", None, 0, "EUR")


def test_corrections_and_merges_count_as_they_stand() -> None:
    bill, money = invoice("2026-01-10"), paid("2026-02-01", "100")
    fix = corrected(bill, "2026-03-01", replacement={"amount": {"micros": 120_000_000, "currency": "EUR"}})
    assert row(Receivables, bill, money, fix).open_micros == 20_000_000
    assert row(Receivables, bill, money, corrected(money, "2026-03-01", retraction=True)).open_micros == 100_000_000
    theirs = money.model_copy(update={"subject": "a.smith"})
    assert row(Receivables, bill, theirs, *merged("2026-03-01", "anna", "a.smith")).status == "settled"


def test_instalments_of_a_contract_are_plan_against_actual() -> None:
    plan = [instalment("1", "2026-02-01", "50", contract="c"), instalment("2", "2026-03-01", "50", contract="c")]
    first, second = rows(Receivables, *plan, paid("2026-02-03", "50", instalment="1", invoice=None))
    assert (first.plan, first.number, first.status, first.days_late, first.counted) == (
        "contract/c",
        "1",
        "settled",
        2,
        1,
    )
    assert (second.status, second.open_micros, second.due_day) == ("open", 50_000_000, "2026-03-01")


def test_an_instalment_of_what_is_invoiced_is_owed_by_its_invoice_alone() -> None:
    plan = instalment("1", "2026-02-01", "50", contract="c")
    bill, part = rows(Receivables, plan, invoice("2026-01-10", "50", contract="c"))
    assert [(each.form, each.counted) for each in (bill, part)] == [("invoice", 1), ("instalment", 0)]
    bill, part = rows(
        Receivables, plan, invoice("2026-01-10", "50", contract="c"), paid("2026-02-01", "50", instalment="1")
    )
    assert (bill.status, part.status, part.paid_apart_micros) == ("settled", "settled", 0)


def test_an_instalment_number_that_two_plans_have_is_only_paid_where_it_is_told_which() -> None:
    plans = [instalment("1", "2026-02-01", "50", contract="c"), instalment("1", "2026-02-01", "20", order="o")]
    untold = paid("2026-02-01", "20", instalment="1", invoice=None)
    assert [each.paid_micros for each in rows(Receivables, *plans, untold)] == [0, 0]
    told = paid("2026-02-01", "20", instalment="1", invoice=None, order="o")
    assert [each.paid_micros for each in rows(Receivables, *plans, told)] == [0, 20_000_000]


def test_dunning_is_due_after_the_days_of_grace_and_then_at_the_interval() -> None:
    company = Company(zone="Europe/Berlin", dunning_grace_days=5, dunning_interval_days=10)

    def due(*story: Envelope) -> str:
        (found,) = fold(Receivables(company), "anna", facts_of(story)).values()
        return str(found[-1])

    late = invoice("2026-03-01", due="2026-03-20")
    assert due(late) == "2026-03-25"
    assert (
        due(late, dunned("2026-03-28T23:30:00Z", 1)) == "2026-04-08"
    )  # in Berlin it was the 29th, and the clocks changed
    assert due(late, paid("2026-03-21", "100")) == "None"
    assert due(invoice("2026-03-01", due="9999-12-31")) == "None"


def test_receivables_by_age_and_the_dunning_that_is_due(report: Report) -> None:
    story = [
        invoice("2026-01-10"),
        dunned("2026-02-20", 1),
        paid("2026-02-11", "30"),
        invoice("2026-01-10", "10", "j", due="2026-05-01", touch_subject="bert"),
        invoice("2026-01-10", "7", "k", due=None, touch_subject="bert"),
        invoice("2026-01-10", "9", "paid", touch_subject="bert"),
        paid("2026-02-01", "9", "p9", invoice="paid", touch_subject="bert"),
        instalment("1", "2026-03-20", "50", contract="c"),
    ]
    report.fill("receivables", rows(Receivables, *story))
    report.at(0, "2026-04-01")
    aged = report.ask("SELECT age, receivables, open_micros FROM receivables_due ORDER BY place")
    assert [tuple(each.values()) for each in aged] == [
        ("not due", 1, 10_000_000),
        ("1-30 days", 1, 50_000_000),
        ("31-60 days", 1, 70_000_000),
        ("no due day", 1, 7_000_000),
    ]
    (due,) = report.ask("SELECT * FROM dunning_due")
    assert (due["invoice"], due["level"], due["overdue_days"], due["open_micros"]) == ("i", 2, 50, 70_000_000)
    anna, bert = report.ask("SELECT * FROM receivables_by_customer")
    assert (anna["subject"], anna["open_micros"], anna["overdue_micros"], anna["overdue_days"]) == (
        "anna",
        120_000_000,
        120_000_000,
        50,
    )
    assert (bert["open_micros"], bert["overdue_micros"], bert["settled"], bert["mean_days_late"]) == (
        17_000_000,
        0,
        1,
        -9,
    )


def test_payment_plans_against_what_was_paid(report: Report) -> None:
    story = [
        instalment("1", "2026-02-01", "50", contract="c"),
        instalment("2", "2026-03-01", "50", contract="c"),
        instalment("3", "2026-04-01", "50", contract="c"),
        invoice("2026-01-20", "50", contract="c"),
        paid("2026-02-01", "50", instalment="1"),
        paid("2026-03-01", "20", "q", instalment="2", invoice=None),
    ]
    report.fill("receivables", rows(Receivables, *story))
    report.at(0, "2026-03-15")
    (plan,) = report.ask("SELECT * FROM payment_plans")
    assert (plan["instalments"], plan["planned_micros"], plan["fallen_due_micros"]) == (3, 150_000_000, 100_000_000)
    assert (plan["invoiced_micros"], plan["paid_micros"], plan["behind_micros"]) == (50_000_000, 70_000_000, 30_000_000)


def signed(when: str, **more: Any) -> Envelope:
    return happened(when, "ContractSigned", **{"contract": "c", "total": eur("150")} | more)


def test_a_contract_shows_its_terms_as_amended_and_its_plan() -> None:
    story = [
        signed("2026-01-01T23:30:00Z", product="crane", payment_schedule="three parts", touch_actor="eve"),
        instalment("1", "2026-02-01", "50", contract="c"),
        happened("2026-01-20", "ContractAmended", contract="c", changes={"site": "north"}, total=eur("160")),
        happened("2026-02-20", "ContractRenewed", contract="c", until="2027-12-31"),
    ]
    found = row(Contracts, *story, zone="Europe/Berlin")
    assert (found.status, found.signed_day, found.until, found.owner) == ("running", "2026-01-02", "2027-12-31", "eve")
    assert (found.total_micros, found.scheduled_micros, found.instalments) == (160_000_000, 50_000_000, 1)
    ended = row(
        Contracts, *story, happened("2026-03-01", "ContractTerminated", contract="c", by="customer", reason="price")
    )
    assert (ended.status, ended.terminated_day, ended.terminated_by) == ("terminated", "2026-03-01", "customer")


def test_a_plan_told_before_the_signing_counts_once_it_is_signed() -> None:
    early = instalment("1", "2026-02-01", "50", contract="c")
    assert (row(Contracts, early).status, row(Contracts, early).scheduled_micros) == ("unsigned", None)
    assert row(Contracts, early, signed("2026-01-10")).scheduled_micros == 50_000_000


def test_contracts_against_what_was_done(report: Report) -> None:
    story = [
        signed("2026-01-01"),
        instalment("1", "2026-02-01", "50", contract="c"),
        instalment("2", "2026-04-01", "100", contract="c"),
        invoice("2026-01-20", "50", contract="c"),
        paid("2026-02-01", "40", instalment="1"),
        paid("2026-03-01", "25", "q", instalment="2", invoice=None),
    ]
    report.fill("contracts", rows(Contracts, *story))
    report.fill("receivables", rows(Receivables, *story))
    report.at(0, "2026-03-15")
    (plan,) = report.ask("SELECT * FROM contract_plans")
    assert (plan["total_micros"], plan["scheduled_micros"], plan["fallen_due_micros"]) == (
        150_000_000,
        150_000_000,
        50_000_000,
    )
    assert (plan["invoiced_micros"], plan["paid_micros"], plan["left_micros"]) == (50_000_000, 65_000_000, 85_000_000)


def test_a_payment_that_failed_came_in_and_was_taken_back_in_part() -> None:
    failed = happened("2026-01-30", "PaymentFailed", payment="p", reason="no funds", amount=eur("100"))
    found = row(Payments, failed)
    assert (found.status, found.amount_micros, found.kept_micros, found.reason) == (
        "failed",
        100_000_000,
        0,
        "no funds",
    )
    story = [failed, paid("2026-02-01", "100", method="card")]
    found = row(Payments, *story)
    assert (found.status, found.failures, found.kept_micros, found.assigned) == ("received", 1, 100_000_000, 1)
    part = happened("2026-02-20", "PaymentReversed", payment="p", amount=eur("30"))
    found = row(Payments, *story, part)
    assert (found.status, found.kept_micros, found.reversed_day, found.day) == (
        "received",
        70_000_000,
        "2026-02-20",
        "2026-02-01",
    )
    assert row(Payments, *story, happened("2026-02-20", "PaymentReversed", payment="p")).status == "reversed"


def test_a_reversal_told_before_its_payment_waits_for_it() -> None:
    early = happened("2026-01-20", "PaymentReversed", payment="p", amount=eur("30"))
    assert row(Payments, early).status == "unknown"
    assert row(Payments, early, paid("2026-02-01", "100")).kept_micros == 70_000_000


def test_money_by_month_and_money_that_nobody_knows_the_purpose_of(report: Report) -> None:
    theirs = paid("2026-02-27", "7", "u", invoice=None, touch_subject="a.smith")
    story = [paid("2026-02-01", "100"), happened("2026-02-02", "PaymentFailed", payment="f"), theirs]
    report.fill("payments", rows(Payments, *story, *merged("2026-03-01", "anna", "a.smith")))
    report.at(0, "2026-03-02")
    found = report.ask("SELECT currency, payments, failed, kept_micros FROM payments_by_month")
    assert [tuple(each.values()) for each in found] == [("EUR", 2, 0, 107_000_000), (None, 1, 1, 0)]
    assert report.ask("SELECT subject, payment, days FROM payments_unassigned") == [
        {"subject": "anna", "payment": "u", "days": 3}
    ]


def a_bill(name: str, customer: str, chance: Random) -> tuple[list[Envelope], int, str, int]:
    """A made-up invoice and what became of it; what is truly left to pay of it, its due day, its dunning level."""
    who: dict[str, Any] = {"touch_subject": customer}
    left, due, level = chance.randrange(50, 500), f"2026-0{chance.randint(1, 6)}-15", 0
    told = [invoice("2026-01-01", str(left), name, due=due, **who)]
    for place in range(chance.randrange(4)):
        part = chance.randrange(10, 200)
        match chance.choice(["pay", "pay", "take back", "credit", "dun"]):
            case "credit":
                told.append(happened("2026-07-02", "CreditNoteIssued", invoice=name, amount=eur(str(part)), **who))
                left -= part
            case "dun":
                level += 1
                told.append(happened("2026-07-03", "DunningNoticeSent", invoice=name, level=level, **who))
            case what:
                told.append(paid("2026-07-01", str(part), f"{name}-{place}", invoice=name, **who))
                left -= part
                if what == "take back":
                    told.append(happened("2026-07-04", "PaymentReversed", payment=f"{name}-{place}", **who))
                    left += part
    return told, left, due, level


def test_what_many_customers_owe_comes_to_what_made_it(report: Report) -> None:
    chance = Random(5)  # noqa: S311 - one fixed world, no secret
    bills = {f"i{place}": a_bill(f"i{place}", f"customer-{place % 30}", chance) for place in range(90)}
    report.fill("receivables", rows(Receivables, *[each for told, *_ in bills.values() for each in told]))
    report.at(0, "2026-07-10")
    owed = {name: left for name, (_, left, _, _) in bills.items() if left > 0}
    (total,) = report.ask(
        "SELECT CAST(SUM(open_micros) AS BIGINT) AS owed, SUM(receivables) AS bills FROM receivables_due"
    )
    assert (total["owed"], total["bills"]) == (sum(owed.values()) * 1_000_000, len(owed))
    overdue = {name for name in owed if bills[name][2] < "2026-04-11"}
    (old,) = report.ask("SELECT receivables FROM receivables_due WHERE age = 'over 90 days'")
    assert old["receivables"] == len(overdue)
    # Whoever was dunned a week ago is left alone for the fortnight between two notices.
    due = {each["invoice"] for each in report.ask("SELECT invoice FROM dunning_due")}
    assert due == {name for name in owed if not bills[name][3]}
