"""A tour through the commands as a newcomer takes it, on both databases and in all three formats."""

import csv
import io
import json
from typing import Any

import pytest

from tests.cli.program import Shell, event

ANNA = ("--subject", "c1")


@pytest.fixture
def toured(shop: Shell) -> Shell:
    """A log with a registered customer and two orders, its views up to date."""
    recorded = [
        shop("record", "CustomerRegistered", *ANNA, "--time", "2026-01-05T09:00:00Z", "party=person", "name=Anna"),
        shop(
            *("record", "OrderPlaced", *ANNA, "--time", "2026-02-01T12:00:00+01:00", "--id", "e1"),
            *("order=o1", "total=12.34 EUR"),
        ),
        shop("record", "--json", json.dumps(event(id="e2", time="2026-03-01T10:00:00Z", data=_ORDER))),
    ]
    assert [done.code for done in recorded] == [0, 0, 0], recorded
    once = shop("run", "--once")
    assert (once.code, once.out) == (0, "3 touchpoints folded\n")
    return shop


_ORDER = {
    "order": "o2",
    "total": {"amount": "20", "currency": "EUR"},
    "lines": [{"line": "1", "sku": "bell", "quantity": "2", "net": "20 EUR"}],
}


def _csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_history_in_three_formats(toured: Shell) -> None:
    kinds = ["CustomerRegistered", "OrderPlaced", "OrderPlaced"]
    told = toured("history", "c1", "--format", "json").json
    assert [fact["type"] for fact in told] == kinds
    assert [fact["version"] for fact in told] == [1, 2, 3]
    assert told[1]["data"]["total"] == {"micros": 12_340_000, "currency": "EUR"}
    assert told[1]["time"] == "2026-02-01T12:00:00+01:00"
    rows = _csv(toured("history", "c1", "--format", "csv").out)
    assert [row["kind"] for row in rows] == kinds
    assert json.loads(rows[1]["what"])["order"] == "o1"
    table = toured("history", "c1").out
    assert "12.34 EUR" in table
    assert "c1: 3 touchpoints" in table


def test_the_history_as_of_a_moment_and_as_known_at_another(toured: Shell) -> None:
    assert len(toured("history", "c1", "--as-of", "2026-02-01", "--format", "json").json) == 2
    assert len(toured("history", "c1", "--as-of", "2026-02-01T10:59:59Z", "--format", "json").json) == 1
    cursor = toured("status", "--format", "json").json["cursor"]
    toured("record", "OrderPlaced", *ANNA, "order=o3", "total=1 EUR")
    assert len(toured("history", "c1", "--format", "json").json) == 4
    assert len(toured("history", "c1", "--known-at", cursor, "--format", "json").json) == 3
    then = toured("history", "c1", "--format", "json").json[2]["recordedtime"]
    assert len(toured("history", "c1", "--known-at", then, "--format", "json").json) == 3
    assert toured("history", "c1", "--known-at", "2026-01-01").code == 6


def test_views_in_three_formats(toured: Shell) -> None:
    row = toured("view", "loyalty", "--format", "json").json[0]
    assert (row["subject"], row["orders"], row["gross_micros"]) == ("c1", 2, 32_340_000)
    assert _csv(toured("view", "loyalty", "--format", "csv").out)[0]["gross_micros"] == "32340000"
    assert "32.34" in toured("view", "loyalty", *ANNA).out
    assert toured("view", "loyalty", "--subject", "c2", "--format", "json").json == []
    earlier = toured("view", "loyalty", *ANNA, "--as-of", "2026-02-15", "--format", "json").json
    assert earlier[0]["gross_micros"] == 12_340_000


def test_the_catalogue_of_views_needs_no_log() -> None:
    listed = Shell("")("view", "--format", "json")
    assert {row["view"] for row in listed.json} >= {"contacts", "phases", "opportunities", "loyalty", "breaches"}


def test_a_query_in_three_formats(toured: Shell) -> None:
    sql = "select subject, orders from loyalty"
    assert toured("query", sql, "--format", "json").json == [{"subject": "c1", "orders": 2}]
    assert toured("query", sql, "--format", "csv").out == "subject,orders\nc1,2\n"
    assert "c1" in toured("query", sql).out
    assert len(toured("query", "select * from contacts", "--limit", "2", "--format", "json").json) == 2


def test_every_question_of_the_catalogue_can_be_asked(toured: Shell) -> None:
    for row in toured("view", "--format", "json").json:
        for question in filter(None, row["questions"].split(", ")):
            assert toured("query", f"select * from {question}", "--format", "json").code == 0, question


def test_status_in_three_formats(toured: Shell) -> None:
    told = toured("status", "--format", "json").json
    assert (told["company"], told["touchpoints"], told["quarantined"]) == ("Shop", 3, 0)
    assert {(view["state"], view["lag"]) for view in told["views"]} == {("live", 0)}
    rows = _csv(toured("status", "--format", "csv").out)
    assert {row["view"] for row in rows} == {view["view"] for view in told["views"]}
    assert told["cursor"] in toured("status").out


def test_status_counts_the_lag_before_and_the_breaches_after_the_views_are_built(shop: Shell) -> None:
    shop("record", "ShipmentDelivered", *ANNA, "shipment=s1")
    told = shop("status", "--format", "json").json
    assert {(view["state"], view["lag"]) for view in told["views"]} == {("missing", 1)}
    assert shop("rebuild").code == 0
    told = shop("status", "--format", "json").json
    assert sum(told["breaches"].values()) == 1
    assert {(view["state"], view["lag"]) for view in told["views"]} == {("live", 0)}


def test_rebuild_makes_the_same_rows_again(toured: Shell) -> None:
    before = toured("view", "loyalty", "--format", "csv").out
    assert toured("rebuild", "loyalty", "phases").out == "rebuilt: loyalty, phases\n"
    assert toured("rebuild").out == "rebuilt: all views\n"
    assert toured("view", "loyalty", "--format", "csv").out == before
    toured("record", "OrderPlaced", *ANNA, "order=o3", "total=1 EUR")
    assert toured("run", "--once").out == "1 touchpoints folded\n"
    assert toured("view", "loyalty", "--format", "json").json[0]["orders"] == 3


def test_follow_prints_each_touchpoint_with_the_cursor_to_go_on_from(toured: Shell) -> None:
    lines = [json.loads(line) for line in toured("follow", "--until-head").out.splitlines()]
    assert [line["position"] for line in lines] == ["1/1", "1/2", "1/3"]
    assert lines[1]["id"] == "e1"
    rest = toured("follow", "--until-head", "--after", lines[1]["cursor"]).out.splitlines()
    assert [json.loads(line)["id"] for line in rest] == ["e2"]
    assert toured("follow", "--until-head", "--after", lines[2]["cursor"]).out == ""
    assert toured("follow", "--until-head", "--tail").out == ""


def test_a_receipt_says_where_and_whether_it_repeats(shop: Shell) -> None:
    typed = ("record", "--json", json.dumps(event()), "--format", "json")
    first, again = shop(*typed).json, shop(*typed).json
    assert [first[0][name] for name in ("subject", "version", "position", "repeat")] == ["c1", 1, "1/1", False]
    assert again == [{**first[0], "repeat": True}]
    assert shop.head() == 1


def test_a_list_from_standard_input(shop: Shell) -> None:
    events = [event(id=f"e{n}", subject=f"c{n}") for n in range(3)]
    assert shop("record", "--json", "-", "--format", "csv", stdin=json.dumps(events)).out.count("\n") == 4
    assert shop.head() == 3


def test_wait_shows_the_breaches_and_strict_refuses_them(shop: Shell) -> None:
    shown = shop("record", "ShipmentDelivered", *ANNA, "shipment=s1", "--wait")
    assert shown.code == 0
    assert "breaches: 1" in shown.out
    refused = shop("record", "ShipmentDelivered", *ANNA, "shipment=s2", "--strict")
    assert refused.code == 5
    assert refused.err.startswith("RuleBroken: ")
    assert shop.head() == 1


def test_the_address_may_come_before_or_after_the_command(shop: Shell) -> None:
    elsewhere = shop.at("")
    assert elsewhere("--log", shop.url, "status").code == 0
    assert elsewhere("status", "--log", shop.url).code == 0


@pytest.mark.parametrize(
    ("arguments", "held"),
    [
        ([], "OrderPlaced"),
        (["--phase", "sale"], "OpportunityWon"),
        (["--phase", "none"], "CustomersMerged"),
        (["OrderPlaced"], "total"),
    ],
)
def test_kinds_in_three_formats(arguments: list[str], held: str) -> None:
    shell = Shell("")
    assert held in shell("kinds", *arguments).out
    assert held in str(shell("kinds", *arguments, "--format", "json").json)
    assert held in str(_csv(shell("kinds", *arguments, "--format", "csv").out))


@pytest.mark.parametrize(("arguments", "held"), [([], "funnel_by_month"), (["loyalty"], "repeat_purchases")])
def test_columns_in_three_formats(arguments: list[str], held: str) -> None:
    shell = Shell("")
    assert held in shell("columns", *arguments).out
    assert held in str(shell("columns", *arguments, "--format", "json").json)
    assert held in str(_csv(shell("columns", *arguments, "--format", "csv").out))


def test_columns_of_what_is_not_there() -> None:
    done = Shell("")("columns", "funnels")
    assert (done.code, done.out) == (6, "")
    assert "lifecircle view" in done.err


def test_the_schema_of_a_kind_is_json() -> None:
    schema: dict[str, Any] = Shell("")("kinds", "OrderPlaced", "--schema").json
    assert schema["properties"]["data"]["properties"]["order"]
