"""Bad input: a clear error with its exit code, nothing half stored, no traceback, and no customer's value echoed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.program import Done, Shell, event, orders

SECRET = "Mary-Jane"  # noqa: S105 - a customer's, who must not be named


def _nothing_came_of(shell: Shell, done: Done, code: int, *names: str) -> None:
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert SECRET not in done.err + done.out
    assert done.out == ""
    name, _, said = done.err.partition(": ")
    assert name in names
    assert "\n  " in said, "it says where, which rule, or the way out"
    assert shell.head() == 0


INVALID: dict[str, tuple[str, dict[str, Any]]] = {
    "unknown field": ("InvalidTouchpoint", event(data={"order": "o1", "total": "1 EUR", "colour": SECRET})),
    "unknown attribute": ("InvalidTouchpoint", event(mood=SECRET)),
    "missing field": ("InvalidTouchpoint", event(data={"order": SECRET})),
    "missing subject": ("InvalidTouchpoint", event(subject=None)),
    "missing data": ("InvalidTouchpoint", event(data=None)),
    "data is no object": ("InvalidTouchpoint", event(data=SECRET)),
    "wrong type of a field": ("InvalidTouchpoint", event(data={"order": [SECRET], "total": "1 EUR"})),
    "wrong type of an attribute": ("InvalidTouchpoint", event(sequence=SECRET)),
    "a kind that is no text": ("UnknownKind", event(type=[SECRET])),
    "an older specversion": ("InvalidTouchpoint", event(specversion="0.3")),
    "data of another media type": ("InvalidTouchpoint", event(datacontenttype="text/xml")),
    "data of another schema": ("InvalidTouchpoint", event(dataschema="urn:lifecircle:OrderPlaced:2000")),
    "data of schema version 0": ("InvalidTouchpoint", event(dataschema="urn:lifecircle:OrderPlaced:0")),
    "data of schema version 10^5000": (
        "InvalidTouchpoint",
        event(dataschema=f"urn:lifecircle:OrderPlaced:1{'0' * 5000}"),
    ),
    "a time before all calendars": ("InvalidTouchpoint", event(time="0001-01-01T00:00:00+14:00")),
    "schema without a number": ("InvalidTouchpoint", event(dataschema="urn:lifecircle:OrderPlaced:x")),
    "schema that is no text": ("InvalidTouchpoint", event(dataschema={"a": SECRET})),
    "a time without offset": ("InvalidTouchpoint", event(time="2026-03-01T10:00:00")),
    "a time that is a number": ("InvalidTouchpoint", event(time=1_700_000_000)),
    "a day that is none": ("InvalidTouchpoint", event(time="2026-02-30T10:00:00Z")),
    "a time far in the future": ("TimeInFuture", event(time="2999-01-01T00:00:00Z")),
    "the last moment of all": ("TimeInFuture", event(time="9999-12-31T23:59:59.999999-14:00")),
    "a currency that is none": ("InvalidTouchpoint", event(data={"order": "o1", "total": "1 XYZ"})),
    "an amount without currency": ("InvalidTouchpoint", event(data={"order": "o1", "total": "1"})),
    "an amount that is a number": ("InvalidTouchpoint", event(data={"order": "o1", "total": 1.5})),
    "an amount that is not a number": ("InvalidTouchpoint", event(data={"order": "o1", "total": "NaN EUR"})),
    "an endless amount": ("InvalidTouchpoint", event(data={"order": "o1", "total": "Infinity EUR"})),
    "an amount beyond all memory": ("InvalidTouchpoint", event(data={"order": "o1", "total": "1e999999 EUR"})),
    "a tiny amount": ("InvalidTouchpoint", event(data={"order": "o1", "total": "1e-999999 EUR"})),
    "an amount of 2^64": ("InvalidTouchpoint", event(data={"order": "o1", "total": f"{2**64} EUR"})),
    "seven decimals": ("InvalidTouchpoint", event(data={"order": "o1", "total": "1.0000001 EUR"})),
    "an e-mail as subject": ("InvalidTouchpoint", event(subject=f"{SECRET}@example.com")),
    "a phone number as subject": ("InvalidTouchpoint", event(subject="+49 30 1234567")),
    "an e-mail as entity": ("InvalidTouchpoint", event(data={"order": f"{SECRET}@example.com", "total": "1 EUR"})),
    "an empty subject": ("InvalidTouchpoint", event(subject="")),
    "a subject of a thousand letters": ("InvalidTouchpoint", event(subject=SECRET * 1000)),
    "a custom field that is no JSON object": ("InvalidTouchpoint", event(custom=[SECRET])),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_touchpoint(file_shop: Shell, case: str) -> None:
    name, given = INVALID[case]
    done = file_shop("record", "--json", json.dumps(given))
    _nothing_came_of(file_shop, done, 3, name)


@pytest.mark.parametrize("case", ["an endless amount", "unknown field", "a time far in the future"])
def test_one_invalid_touchpoint_of_a_list_keeps_all_of_it_out(shop: Shell, case: str) -> None:
    name, given = INVALID[case]
    done = shop("record", "--json", json.dumps([event(id="first", subject="c9"), given]))
    _nothing_came_of(shop, done, 3, name)
    if name == "InvalidTouchpoint":
        assert "touchpoint 2 of 2" in done.err


def test_an_unknown_kind_suggests_the_nearest(file_shop: Shell) -> None:
    for typed in (("OrderPlacd", "--subject", "c1", "order=o1"), ("--json", json.dumps(event(type="OrderPlacd")))):
        done = file_shop("record", *typed)
        _nothing_came_of(file_shop, done, 3, "UnknownKind")
        assert "did you mean OrderPlaced" in done.err
    assert "did you mean OrderPlaced" in file_shop("kinds", "OrderPlacd").err
    assert "lifecircle kinds" in file_shop("record", "Zzz", "--subject", "c1").err


NO_JSON: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{'id': 1}",
    "half of it": b'{"id": "e1", "data": {',
    "two of them": b"{} {}",
    "not UTF-8": b'{"id": "\xff"}',
    "NaN": json.dumps(event(custom={"a": float("nan")})).encode(),
    "Infinity": json.dumps(event(custom={"a": float("inf")})).encode(),
    "a number beyond a double": json.dumps(event(custom={"a": 1})).replace('"a": 1', '"a": 1.5e999').encode(),
    "2^64": json.dumps(event(sequence=2**64)).encode(),
    "a million digits": b'{"id": ' + b"9" * 900_000 + b"}",
    "NUL": json.dumps(event(id="a\0b")).encode(),
    "a lone surrogate": json.dumps(event(subject="\ud800")).encode(),
    "a lone surrogate as a key": json.dumps(event(custom={"\udfff": 1})).encode(),
    "a key twice": b'{"id": "a", "id": "b"}',
    "a key twice, deep within": json.dumps(event(custom={"a": 1})).replace('"a": 1', '"a": 1, "a": 2').encode(),
    "100 deep": json.dumps(event(custom={"a": json.loads("[" * 100 + "]" * 100)})).encode(),
    "100,000 deep": b"[" * 100_000,
    "10 MB": json.dumps(event(custom={"a": "x" * 10_000_000})).encode(),
}


@pytest.mark.parametrize("case", NO_JSON)
def test_what_is_no_strict_json(file_shop: Shell, case: str) -> None:
    done = file_shop("record", "--json", "-", stdin=NO_JSON[case])
    _nothing_came_of(file_shop, done, 3, "UnreadableInput")


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"', "[1]", "[[]]", "[{}, 1]"])
def test_json_that_is_no_cloudevent(file_shop: Shell, text: str) -> None:
    _nothing_came_of(file_shop, file_shop("record", "--json", text), 3, "InvalidTouchpoint")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("total=NaN EUR", "InvalidTouchpoint"),
        ("total=12.34", "InvalidTouchpoint"),
        (f"total={2**64}", "UnreadableInput"),
        ('total={"amount": "1"', "UnreadableInput"),
        (f"lines=[{SECRET}", "UnreadableInput"),
        (f"colour={SECRET}", "InvalidTouchpoint"),
    ],
)
def test_a_bad_field_on_the_command_line(file_shop: Shell, value: str, names: str) -> None:
    done = file_shop("record", "OrderPlaced", "--subject", "c1", "order=o1", value)
    _nothing_came_of(file_shop, done, 3, names)


@pytest.mark.parametrize(
    "typed",
    [
        ("OrderPlaced", "--subject", "c1", "order=o1", SECRET),
        ("OrderPlaced", "--subject", "c1", "order=o1", f"order={SECRET}"),
        ("OrderPlaced", "--json", "{}"),
        ("--subject", SECRET, "--json", "{}"),
        (),
        ("OrderPlaced", "--subject", "c1", "--precision", "hour"),
        ("OrderPlaced", "--expected", "many"),
    ],
)
def test_wrong_usage_of_record(file_shop: Shell, typed: tuple[str, ...]) -> None:
    done = file_shop("record", *typed)
    assert (done.code, done.out, file_shop.head()) == (2, "", 0)
    assert "Error: " in done.err
    assert SECRET not in done.err


def test_an_id_used_again_with_other_content(shop: Shell) -> None:
    shop("record", "--json", json.dumps(event()))
    done = shop("record", "--json", json.dumps(event(data={"order": "o2", "total": "99 EUR"})))
    assert (done.code, shop.head()) == (4, 1)
    assert done.err.startswith("IdReused: ")
    done = shop("record", "--json", json.dumps([event(id="new"), event(data={"order": "o2", "total": "99 EUR"})]))
    assert (done.code, shop.head()) == (4, 1)


def test_a_stale_expected_version(shop: Shell) -> None:
    shop("record", "--json", json.dumps(event()))
    done = shop("record", "--json", json.dumps(event(id="e2")), "--expected", "0")
    assert (done.code, done.out, shop.head()) == (4, "", 1)
    assert done.err.startswith("VersionConflict: ")
    assert shop("record", "--json", json.dumps(event(id="e2")), "--expected", "1").code == 0
    mixed = shop("record", "--json", json.dumps([event(id="e2"), event(id="e3")]), "--expected", "2")
    assert (mixed.code, shop.head()) == (4, 2)
    assert mixed.err.startswith("RepeatMixedWithNew: ")


def _merge(id: str, survivor: str, absorbed: str) -> str:  # noqa: A002
    data = {"survivor": survivor, "absorbed": absorbed, "method": "manual"}
    return json.dumps(event(id=id, type="CustomersMerged", subject=survivor, data=data))


def test_a_merge_with_itself(shop: Shell) -> None:
    done = shop("record", "--json", _merge("m1", "c1", "c1"))
    _nothing_came_of(shop, done, 5, "MergeRefused")


def test_a_merge_in_a_cycle(shop: Shell) -> None:
    shop("record", "--json", "-", stdin=orders(["a", "b"]))
    assert shop("record", "--json", _merge("m1", "a", "b")).code == 0
    head = shop.head()
    for again in (_merge("m2", "b", "a"), _merge("m3", "c", "b"), _merge("m4", "b", "c")):
        done = shop("record", "--json", again)
        assert (done.code, done.out, shop.head()) == (5, "", head), done
        assert done.err.startswith("MergeRefused: ")
        assert "Traceback" not in done.err


def test_a_correction_of_a_merge(shop: Shell) -> None:
    shop("record", "--json", _merge("m1", "a", "b"))
    head = shop.head()
    correction = {"target": "m1", "retraction": True, "reason": "mistake"}
    done = shop(
        "record", "--json", json.dumps(event(id="t1", type="TouchpointCorrected", subject="a", data=correction))
    )
    assert (done.code, done.out, shop.head()) == (5, "", head)
    assert done.err.startswith("CorrectionRefused: ")


BAD_QUERIES = [
    "select 1; select 2",
    "select 1; drop view funnel",
    "insert into moment values (1, 'x', 1)",
    "update moment set at = 1",
    "delete from moment",
    "drop view funnel",
    "create table mine (x int)",
    "attach 'other.db' as other",
    "pragma journal_mode = delete",
    "vacuum into 'copy.db'",
    "copy (select 1) to program 'touch stolen'",
    "copy moment to '/tmp/stolen'",
    "set default_transaction_read_only = off",
    "with gone as (delete from moment returning *) select * from gone",
    "select load_extension('x')",
    "select lo_import('/etc/passwd')",
    "select * from nonsense",
    "selekt 1",
    "select 1/0 from nonsense",
    "select '\0'",
    "",
    ";",
    "/* nothing */",
    "select 1 -- ; select 2\n; select 3",
    "explain analyze delete from moment",
    "begin",
    "listen lifecircle",
    "notify lifecircle",
]


@pytest.fixture
def built(shop: Shell) -> Shell:
    assert shop("run", "--once").code == 0
    return shop


def test_a_query_that_is_not_one_reading_statement(built: Shell) -> None:
    before = built("query", "select day from moment").out
    for sql in BAD_QUERIES:
        done = built("query", sql)
        assert (done.code, done.out) == (3, ""), (sql, done)
        assert done.err.startswith("QueryRefused: "), (sql, done)
        assert "Traceback" not in done.err
    assert built("query", "select day from moment").out == before


def test_a_query_before_anything_is_built(shop: Shell) -> None:
    for typed in (("view", "loyalty"), ("query", "select * from loyalty"), ("query", "select * from funnel")):
        done = shop(*typed)
        assert (done.code, done.out) == (6, ""), done
        assert "lifecircle rebuild" in done.err


def test_names_that_are_none(built: Shell) -> None:
    for typed, name in [
        (("view", "loyalti"), "UnknownView"),
        (("rebuild", "loyalti"), "UnknownView"),
        (("view", "loyalti", "--subject", "c1", "--as-of", "2026-01-01"), "UnknownView"),
        (("history", "nobody"), "UnknownSubject"),
        (("view", "loyalty", "--subject", "nobody", "--as-of", "2026-01-01"), "UnknownSubject"),
    ]:
        done = built(*typed)
        assert (done.code, done.out) == (6, ""), (typed, done)
        assert done.err.startswith(f"{name}: ")


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "2026-01-01T10:00:00", "20260101T10", "", "1", "٣"])
def test_a_bad_moment(file_shop: Shell, moment: str) -> None:
    for typed in (("history", "c1"), ("view", "loyalty", "--subject", "c1")):
        done = file_shop(*typed, "--as-of", moment)
        assert (done.code, done.out) == (2, "")
        known = file_shop(*typed, "--known-at", moment)
        assert (known.code in (2, 3), known.out) == (True, "")
        assert "Traceback" not in done.err + known.err


def test_a_moment_before_the_log_begins_says_so(file_shop: Shell) -> None:
    placed = ("OrderPlaced", "--subject", "c1", "--time", "2026-03-01T10:00:00Z", "order=o", "total=3 EUR")
    assert file_shop("record", *placed).code == 0
    for typed in (("query", "select count(*) as customers from loyalty"), ("view", "loyalty")):
        done = file_shop(*typed, "--as-of", "2026-02-28")
        assert (done.code, "by this moment nothing had occurred" in done.err) == (0, True)
        assert file_shop(*typed, "--as-of", "2026-03-01").err == ""


def test_a_cursor_of_another_log(shop: Shell, tmp_path: Any) -> None:
    other = shop.at(f"sqlite:///{tmp_path}/other.db")
    assert other("init").code == 0
    foreign = other("status", "--format", "json").json["cursor"]
    for typed in (("history", "c1", "--known-at"), ("follow", "--until-head", "--after")):
        for cursor in (foreign, foreign[:-1], "Zm9v", "=", "*"):
            done = shop(*typed, cursor)
            assert (done.code, done.out) == (3, ""), (typed, cursor, done)
            assert done.err.startswith("CursorInvalid: ")


def test_errors_are_json_where_json_was_asked_for(file_shop: Shell) -> None:
    told = file_shop("record", "--format", "json", "--json", json.dumps(event(type="OrderPlacd"))).error
    assert told["error"] == "UnknownKind"
    assert {"what", "where", "rule", "way_out"} <= set(told)
    assert file_shop("history", "nobody", "--format=json").error["error"] == "UnknownSubject"
    assert file_shop("history", "--format", "json").error["error"] == "MissingParameter"
    assert file_shop("view", "nope", "--format", "json").error["error"] == "UnknownView"


@pytest.mark.parametrize("zone", ["Nowhere/Land", "", "../../etc/passwd", "UTC\0", "x" * 5000])
def test_a_company_in_no_time_zone(sqlite_url: str, zone: str, tmp_path: Any) -> None:
    done = Shell(sqlite_url)("init", "--zone", zone)
    assert done.code == 3
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_moments_at_the_edge_of_the_calendar(shop: Shell) -> None:
    """What passes the door can be shown in every zone, by both databases."""
    for at, time in enumerate(["0001-01-02T00:00:00Z", "1582-10-10T00:00:00-12:00", "1969-12-31T23:59:59.999999Z"]):
        assert shop("record", "--json", json.dumps(event(id=f"e{at}", time=time))).code == 0
    assert shop("run", "--once").code == 0
    told = shop("status", "--format", "json").json
    assert {view["parked"] for view in told["views"]} == {0}
    for view in ("contacts", "loyalty"):
        assert shop("view", view).code == 0
    assert shop("history", "c1").code == 0


def test_a_clock_that_was_set_back_refuses_no_repeat(shop: Shell) -> None:
    ahead = event(time=(datetime.now(UTC) + timedelta(seconds=200)).isoformat())  # within what is allowed
    first = shop("record", "--format", "json", "--json", json.dumps(ahead)).json
    shop("settings", "future_limit_s=0")  # from now on it is too far ahead, as if the clock were behind
    again = shop("record", "--format", "json", "--json", json.dumps(ahead))
    assert (again.code, again.json) == (0, [first[0] | {"repeat": True}])
    assert shop("record", "--json", json.dumps(ahead | {"id": "e2"})).err.startswith("TimeInFuture: ")
