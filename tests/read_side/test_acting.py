"""Acting on a real log: once for each cause, strictly by the rules, and never on what is no longer so."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from random import Random
from threading import Barrier

import pytest

from adapters.acting import Outcome, act
from adapters.engine import Engine
from adapters.views.moments import beneath
from adapters.views.projector import Projector
from adapters.views.tables import Tables, ViewNotBuilt, open_tables
from domain.company import Company, FrequencyCap
from domain.decision import decision_named
from domain.touchpoint import Envelope, Fact, microseconds
from projections import views
from tests.moment import pin
from tests.projections.story import corrected, eur, happened, merged, order

MARCH_10_DAY = date(2026, 3, 10)
MARCH_10 = microseconds(datetime(2026, 3, 10, 12, tzinfo=UTC))
CHOSEN = ("dunning", "thanks", "send-offer", "task-overdue", "churn-risk")
READ = [decision_named(name).reads for name in CHOSEN]


class Desk:
    """A log, the views that some decisions read, and a calendar that stands at the 10th of March."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        self.engine, self.tables = engine, tables

    def given(self, *touchpoints: Envelope) -> None:
        """Record what happened, and let the views show it."""
        self.engine.append(touchpoints)
        self.follow()

    def follow(self) -> None:
        Projector(self.engine.log, self.tables, self.engine.company).run_once()
        pin(self.tables, MARCH_10)

    def acts(self, *names: str, dry_run: bool = False) -> list[Outcome]:
        chosen = [decision_named(name) for name in names]
        return list(act(self.engine, self.tables, chosen, recordedby="test", dry_run=dry_run))

    def results(self, *names: str, dry_run: bool = False) -> list[tuple[str, str | None]]:
        return [(each.result, each.refused_by) for each in self.acts(*names, dry_run=dry_run)]

    def made(self, kind: str, subject: str = "anna") -> list[Fact]:
        return [fact for fact in self.engine.history(subject) if fact.kind == kind]


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    capped = Company(frequency_caps=(FrequencyCap(messages=1, days=7),))
    chosen = beneath(READ, views())
    with Engine.create(url, capped) as engine, closing(open_tables(url, capped, chosen)) as tables:
        yield Desk(engine, tables)


def billed(number: str = "1", subject: str = "anna") -> Envelope:
    return happened("2026-02-01", "InvoiceIssued", subject, invoice=number, amount=eur("10"), due="2026-03-01")


def paid(number: str = "1") -> Envelope:
    return happened("2026-03-02", "PaymentReceived", payment="p", invoice=number, amount=eur("10"))


def test_acting_twice_acts_once_and_names_what_it_rests_on(desk: Desk) -> None:
    bill = billed()
    desk.given(bill)
    assert desk.results("dunning", dry_run=True) == [("proposed", None)]
    assert desk.made("DunningNoticeSent") == []
    (first,) = desk.acts("dunning")
    assert (first.result, first.about, first.kinds) == ("recorded", "1 1", "DunningNoticeSent")
    # The views have not seen it yet, so the row says the same.
    assert desk.results("dunning") == [("done before", None)]
    desk.follow()
    assert desk.results("dunning") == []
    (notice,) = desk.made("DunningNoticeSent")
    assert (notice.id, notice.envelope["causationid"], notice.envelope["correlationid"]) == (
        first.ids,
        bill.id,
        bill.id,
    )
    assert (notice.source, notice.envelope["actor"]) == ("urn:lifecircle:decision:dunning", "lifecircle act")
    assert (notice.envelope["time"], notice.at) == ("2026-03-10T12:00:00Z", MARCH_10)


def test_what_the_views_have_not_seen_yet_takes_the_cause_away(desk: Desk) -> None:
    desk.given(billed("1"), billed("2", "bert"))
    desk.engine.append([paid()])
    assert [(each.subject, each.result) for each in desk.acts("dunning")] == [
        ("anna", "moved on"), ("bert", "recorded")
    ]  # fmt: skip
    desk.follow()
    assert desk.acts("dunning") == []
    assert desk.made("DunningNoticeSent") == []


def test_two_processes_that_act_at_once_act_once(desk: Desk) -> None:
    desk.given(*(billed(f"i{place}", f"c{place}") for place in range(8)))
    ready = Barrier(2)

    def at_once() -> list[str]:
        with (
            Engine.open(desk.engine.url) as engine,
            closing(open_tables(engine.url, engine.company, desk.tables.views)) as tables,
        ):
            ready.wait()
            return [each.result for each in act(engine, tables, [decision_named("dunning")], recordedby="test")]

    with ThreadPoolExecutor(2) as pool:
        both = [future.result() for future in [pool.submit(at_once) for _ in range(2)]]
    assert sorted(result for results in both for result in results if result == "recorded") == ["recorded"] * 8
    assert {result for results in both for result in results} <= {"recorded", "done before", "moved on"}
    assert [len(desk.made("DunningNoticeSent", f"c{place}")) for place in range(8)] == [1] * 8


def test_what_a_rule_forbids_is_refused_by_that_rule_beforehand_and_in_earnest(desk: Desk) -> None:
    late = happened("2026-03-01", "TaskAssigned", task="1", concerns="call", executor="eve", due="2026-03-05")
    desk.given(late)
    nobody = ("refused", "task/on nobody: it names nobody who is to do it")
    assert desk.results("task-overdue", dry_run=True) == [nobody]
    assert desk.results("task-overdue") == [nobody]
    desk.engine.change_settings({"escalate_to": "boss"})
    assert desk.results("task-overdue") == [("recorded", None)]
    assert desk.made("TaskAssigned")[-1].data["executor"] == "boss"


def test_what_is_refused_each_time_anew_does_not_fill_the_log(desk: Desk) -> None:
    desk.given(happened("2026-03-01", "RecommendationIssued", kind="cross-sell", product="pot"))
    before = desk.engine.log.heads()
    assert [desk.results("send-offer")[0][0] for _ in range(3)] == ["refused"] * 3
    desk.engine.refusals.close()  # what waits to be noted is noted then
    assert desk.engine.log.heads() == before


def test_no_offer_without_consent_after_its_withdrawal_or_above_the_cap(desk: Desk) -> None:
    desk.given(happened("2026-03-01", "RecommendationIssued", kind="cross-sell", product="pot"))
    ((never, told),) = desk.results("send-offer")
    assert (never, told) == ("refused", "consent/never granted: no opening of this consent is known")
    desk.given(happened("2026-03-02", "ConsentGranted", purpose="promotion", channel="email"))
    assert desk.results("send-offer", dry_run=True) == [("proposed", None)]
    desk.given(happened("2026-03-03", "ConsentWithdrawn", purpose="promotion"))
    ((_, withdrawn),) = desk.results("send-offer")
    assert withdrawn is not None
    assert withdrawn.startswith("consent/withdrawn")
    desk.given(
        happened("2026-03-04", "ConsentGranted", purpose="promotion"),
        happened("2026-03-05", "RecommendationIssued", kind="discount"),
    )
    results = desk.results("send-offer")
    assert results == [
        ("recorded", None),
        ("refused", "frequency/above the cap: more messages came within the days than the cap allows"),
    ]
    (message,) = desk.made("MessageSent")
    assert (message.data["purpose"], message.envelope["channel"]) == ("promotion", "email")


def test_no_thanks_to_whom_processing_is_restricted(desk: Desk) -> None:
    desk.given(order("2026-03-05", "o", "10"), happened("2026-03-06", "ProcessingRestricted", why="dispute"))
    ((result, rule),) = desk.results("thanks")
    assert (result, str(rule).partition(":")[0]) == ("refused", "restriction/data used all the same")


def test_what_was_done_under_an_absorbed_id_is_done(desk: Desk) -> None:
    desk.given(order("2026-03-05", "o", "10"))
    assert desk.results("thanks") == [("recorded", None)]
    desk.given(merged("2026-03-09", "bert", "anna")[0])
    assert [(each.subject, each.result) for each in desk.acts("thanks")] == [("bert", "done before")]


def test_views_that_were_never_built_are_named(desk: Desk) -> None:
    with pytest.raises(ViewNotBuilt):
        desk.acts("dunning")


def bought(subject: str, *days_ago: int) -> list[Envelope]:
    days = (MARCH_10_DAY - timedelta(days=ago) for ago in days_ago)
    return [order(day.isoformat(), f"{subject}-{day}", "10", subject=subject) for day in days]


def crowd(customers: int) -> Iterator[Envelope]:
    """Purchases of customers with paces and ends of their own."""
    chance = Random(7)  # noqa: S311 - one fixed world, no secret
    for place in range(customers):
        pace, leaving = chance.gammavariate(0.9, 1 / 30), chance.betavariate(0.9, 2.5)
        ago: float = 360 - chance.randrange(150)
        days = [int(ago)]
        while (ago := ago - chance.expovariate(pace)) >= 0 and chance.random() >= leaving:
            days.append(int(ago))
        yield from bought(f"c{place}", *dict.fromkeys(days))


def test_a_customer_about_to_be_lost_is_told_by_the_model_of_all_or_else_by_their_own_rhythm(desk: Desk) -> None:
    desk.given(*bought("anna", 100, 95, 90, 85, 80), *bought("bert", 90, 60, 30, 1))
    (found,) = desk.acts("churn-risk", dry_run=True)
    assert (found.subject, found.result) == ("anna", "proposed")
    desk.given(*crowd(60))
    cursor = desk.engine.log.heads()
    results = {each.subject: each for each in desk.acts("churn-risk")}
    assert {each.result for each in results.values()} == {"recorded"}
    assert "anna" in results
    assert "bert" not in results
    assessed, reminder = desk.made("RiskAssessed")[0], desk.made("RecommendationIssued")[0]
    assert (assessed.data["kind"], assessed.data["source"]) == ("churn", "1 - P(alive)")
    assert 0.5 < assessed.data["score"] <= 1
    told = r"P\(alive\) 0\.[0-4]\d+ by BG/NBD over 62 customers \(r \S+, alpha \S+, a \S+, b \S+\), cursor (\S+)"
    basis = re.fullmatch(told, reminder.data["basis"])
    assert basis
    assert basis[1] == str(cursor)
    assert {each.result for each in desk.acts("churn-risk")} == {"done before"}


def test_what_rests_on_nothing_that_stands_is_told_and_not_done(desk: Desk) -> None:
    goods = [{"sku": "mug", "quantity": 1}]
    placed = order("2026-02-20", "o", "10")
    desk.given(
        placed,
        happened("2026-02-25", "ShipmentDispatched", order="o", shipment="s", lines=goods),
        happened("2026-03-01", "ShipmentDelivered", shipment="s"),
    )
    assert desk.results("survey-after-delivery", dry_run=True) == [("proposed", None)]
    desk.given(corrected(placed, "2026-03-02", retraction=True))
    assert desk.results("survey-after-delivery") == [("cause gone", None)]
    assert desk.made("MessageSent") == []
