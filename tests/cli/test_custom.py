"""A company's own fields: what its JSON Schema admits, refuses and tells, at every door."""

import json
import pickle
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from jsonschema_rs import validator_for
from pydantic import ValidationError

from adapters.engine import Engine
from adapters.views.tables import fingerprint
from domain.company import Company
from domain.schema import json_schema
from domain.touchpoint import KINDS
from projections import views
from tests.cli.program import Shell, event

REGION = {"enum": ["north", "south"]}
CUSTOM: dict[str, Any] = {
    "*": {
        "type": "object",
        "properties": {"region": {"$ref": "#/$defs/region"}, "sizes": {"items": {"type": "integer", "minimum": 1}}},
        "additionalProperties": False,
        "$defs": {"region": REGION},
    },
    "TicketOpened": {"required": ["shift"], "properties": {"shift": {"pattern": "^(a+)+$", "maxLength": 90_000}}},
    "TicketResumed": False,
}
SECRET = "anna-s-secret"  # noqa: S105 - no password


@pytest.fixture
def shop_of(url: str) -> Shell:
    with Engine.create(url, Company(custom=CUSTOM)):
        return Shell(url)


def ticket(kind: str = "TicketOpened", **changes: Any) -> dict[str, Any]:
    return event(type=kind, data={"ticket": "t1"}, **changes)


def test_custom_fields_that_fit_the_schema_are_stored(shop_of: Shell) -> None:
    fitting = [
        event(custom={"region": "north", "sizes": [1, 2]}),
        ticket(id="e2", custom={"shift": "aaa", "whatever": SECRET}),
        event(id="e3"),
        ticket("TicketResumed", id="e4"),
    ]
    assert shop_of("record", "--json", json.dumps(fitting)).code == 0
    stored = shop_of("history", "c1", "--format", "json").json
    assert stored[0]["custom"] == {"region": "north", "sizes": [1, 2]}


@pytest.mark.parametrize(
    ("sent", "where", "rule"),
    [
        (event(custom={"region": SECRET}), "/custom/region", 'it is not one of "north" or "south"'),
        (
            event(custom={"sizes": [3, 0, SECRET]}),
            "/custom/sizes/1, /custom/sizes/2",
            "it is less than the minimum of 1",
        ),
        (event(custom={"a/b~c": SECRET}), "/custom", "Additional properties are not allowed"),
        (ticket(custom={}), "/custom", '"shift" is a required property'),
        (ticket(custom={"shift": SECRET}), "/custom/shift", 'it does not match "^(a+)+$"'),
        (ticket("TicketResumed", custom={"a": SECRET}), "/custom", "False schema does not allow it"),
    ],
)
def test_what_does_not_fit_is_refused_by_pointer_and_rule_and_never_by_value(
    shop_of: Shell, sent: dict[str, Any], where: str, rule: str
) -> None:
    refused = shop_of("record", "--format", "json", "--json", json.dumps([event(id="e0"), sent]))
    assert (refused.code, refused.error["error"]) == (3, "InvalidTouchpoint")
    assert refused.error["where"] == f"touchpoint 2 of 2: {where}"
    assert rule in refused.error["rule"]
    assert SECRET not in refused.err
    assert shop_of.head() == 0


def test_at_most_ten_problems_are_told(shop_of: Shell) -> None:
    sent = event(custom={"sizes": [0] * 500})
    refused = shop_of("record", "--format", "json", "--json", json.dumps(sent))
    assert refused.error["rule"].count("minimum") == 10


def test_without_a_schema_any_object_is_taken(shop: Shell) -> None:
    assert shop("record", "--json", json.dumps(event(custom={"any": [{"thing": None}]}))).code == 0


def test_an_import_fills_custom_fields_and_quarantines_what_does_not_fit(shop_of: Shell, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(f"who,no,sum,region\nc1,1,3,north\nc2,2,4,{SECRET}\nc3,3,5,\n")
    (tmp_path / "orders.toml").write_text("""
        name = "orders"
        source = "till"
        zone = "UTC"
        [[touchpoint]]
        kind = "OrderPlaced"
        subject = "who"
        time = { column = "no", format = "%d" }
        [touchpoint.fields]
        order = "no"
        total = { column = "sum", type = "amount", currency = "EUR" }
        [touchpoint.envelope]
        custom.region = { column = "region" }
    """)
    done = shop_of("import", "orders.csv", "--map", "orders.toml", "--format", "json")
    assert (done.code, done.json["stored"]) == (10, 2)
    assert [each.get("custom") for each in shop_of("history", "c1", "--format", "json").json] == [{"region": "north"}]
    (row,) = shop_of("quarantine", "list", "--format", "json").json
    assert "/custom/region" in str(row)


def test_the_schema_of_a_kind_has_the_companys_part_where_a_log_is_named(shop_of: Shell) -> None:
    assert "enum" not in str(shop_of("kinds", "OrderPlaced", "--schema").json["properties"]["custom"])
    for named in (["kinds", "OrderPlaced", "--schema", "--log", shop_of.url],
                  ["--log", shop_of.url, "kinds", "OrderPlaced", "--schema"]):  # fmt: skip
        whole = shop_of(*named).json
        assert whole["properties"]["custom"]["$defs"] == {"region": REGION}
        check = validator_for(whole, offline=True)
        order = event(data={"order": "o", "total": {"amount": "3", "currency": "EUR"}})
        assert check.is_valid(order | {"custom": {"region": "north"}})
        assert not check.is_valid(order | {"custom": {"region": "east"}})


@pytest.mark.parametrize("kind", ["TicketOpened", "TicketResumed"])
def test_every_embedded_schema_is_one(kind: str) -> None:
    validator_for(json_schema(KINDS[kind], Company(custom=CUSTOM)), offline=True)


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        ({"type": "strin"}, "/type"),
        ({"$ref": "https://example.com/schema"}, "refers to nothing outside itself"),
        ({"$ref": "file:///etc/hostname"}, "refers to nothing outside itself"),
        ({"$ref": "#/$defs/none"}, "does not exist"),
        ({"$schema": "https://example.com/dialect"}, "refers to nothing outside itself"),
        ({"properties": {"a": {"pattern": "(?=x)y"}}}, "/properties/a/pattern"),
        ({"properties": {"a": {"pattern": r"(x)\1"}}}, "/properties/a/pattern"),
        ({"properties": {"a": {"pattern": "((x{1,1000}){1,1000}){1,1000}"}}}, "/properties/a/pattern"),
        ({"properties": {"a": {"format": "shoe-size"}}}, "/properties/a/format"),
        ({"description": "x" * 100_000}, "at most 100000 characters"),
        ({"const": float("nan")}, "an object, or true or false"),
        ([], "an object, or true or false"),
        ("{}", "an object, or true or false"),
    ],
)
def test_a_setting_that_is_no_schema_of_its_own_is_refused(schema: Any, rule: str) -> None:
    with pytest.raises(ValidationError, match=r"custom\.\*") as refused:
        Company(custom={"*": schema})
    assert rule in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("key", ["orderPlaced", "Order Placed", "", "**"])
def test_a_schema_is_set_for_a_kind_or_for_all(key: str) -> None:
    with pytest.raises(ValidationError, match="custom"):
        Company.model_validate({"custom": {key: {}}})


def test_a_pattern_takes_linear_time(shop_of: Shell) -> None:
    # A backtracking engine would need 2 to the 80,000 steps for this.
    sent = json.dumps(ticket(custom={"shift": "a" * 80_000 + "!"}))
    began = process_time()
    assert shop_of("record", "--json", sent).code == 3
    assert process_time() - began < 5


def test_settings_with_schemas_are_stored_sent_to_workers_and_read_again() -> None:
    company = Company(custom=CUSTOM)
    assert Company.model_validate_json(company.model_dump_json()) == company
    assert pickle.loads(pickle.dumps(company)) == company  # noqa: S301 - our own
    assert company.model_dump()["custom"] == CUSTOM
    assert Company(custom={}) != company


def test_settings_of_a_log_made_before_there_were_schemas_are_read() -> None:
    assert Company.model_validate_json('{"name": "Shop", "zone": "Europe/London"}').custom == {}


def test_no_view_depends_on_the_schema() -> None:
    for view in views().values():
        assert fingerprint(view, Company(custom=CUSTOM), b"log", "") == fingerprint(view, Company(), b"log", "")
