"""What a mapping can say, and what is refused of it before a row is read."""

from pathlib import Path

import pytest

from adapters.engine import Engine
from adapters.idkey import IdKeyUnusable, make_id_key
from adapters.settings import LIMITS
from adapters.sources.mapping import kept_mappings, load_mapping
from domain.errors import MappingInvalid
from tests.sources.shop import HEADER, ORDERS, accounted, bring_in, stored, write

INVOICES = """
name = "invoices"
source = "shop"
zone = "Europe/London"

[[leave_out]]
name = "without customer"
when = [{ column = "customer", empty = true }]

[[leave_out]]
name = "free"
when = [{ column = "price", at_most = 0 }, { column = "quantity", more_than = "0" }]

[group]
by = ["invoice"]

[[touchpoint]]
kind = "OrderPlaced"
subject = "customer"
id = { template = "order {invoice}" }
time = { columns = ["day", "hour"], format = "%d.%m.%Y %H:%M" }
when = [{ column = "invoice", not_starts_with = "C" }]

[touchpoint.fields]
order = "invoice"
total = { product = ["quantity", "price"], type = "amount", currency_column = "currency", sum = true }
self_service = { column = "web", type = "boolean", default = "no" }

[touchpoint.each_row.lines]
sku = "sku"
quantity = { column = "quantity", type = "decimal" }
net = { product = ["quantity", "price"], type = "amount", currency_column = "currency" }

[touchpoint.envelope]
channel = { column = "web", default = "shop" }
custom.till = { column = "till", type = "integer" }
custom.note = "note"

[[touchpoint]]
name = "return"
kind = "ReturnReceived"
subject = "customer"
time = { columns = ["day", "hour"], format = "%d.%m.%Y %H:%M" }
when = [{ column = "invoice", starts_with = "C" }]

[touchpoint.each_row.lines]
sku = "sku"
quantity = { column = "quantity", type = "decimal" }
"""
COLUMNS = "invoice,customer,sku,quantity,price,currency,day,hour,web,till,note\n"


def test_lines_of_one_invoice_become_one_order_with_its_sum(tmp_path: Path, sqlite_url: str) -> None:
    rows = (
        "1,anna,hat,2,9.99,GBP,01.03.2026,10:00,yes,7,\n"
        "1,anna,cup,1.5,0.001,GBP,01.03.2026,10:00,yes,7,\n"
        "1,anna,bag,1,0,GBP,01.03.2026,10:00,yes,7,\n"
        "2,bert,hat,1,9.99,GBP,02.07.2026,10:00,,8,gift\n"
        "3,,hat,1,9.99,GBP,02.07.2026,10:00,,8,\n"
        "C1,anna,hat,1,9.99,GBP,05.03.2026,10:00,yes,7,\n"
    )
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, write(tmp_path, COLUMNS + rows), INVOICES)
        first, second, back = stored(engine)
    assert accounted(report)
    assert (report.rows, report.stored) == (6, 4)
    assert report.left_out == {"without customer": 1, "free": 1}
    assert report.touchpoints == {"OrderPlaced": 2, "return": 1}
    assert first.id == "order 1"
    assert first.data["total"] == {"micros": 19_981_500, "currency": "GBP"}
    assert [line["quantity"] for line in first.data["lines"]] == [2, "1.5"]
    assert first.data["self_service"] is True
    assert second.data["self_service"] is False
    assert (second.envelope["channel"], second.envelope["custom"]) == ("shop", {"till": 8, "note": "gift"})
    assert "note" not in first.envelope["custom"]
    assert second.envelope["time"] == "2026-07-02T10:00:00+01:00"
    assert back.kind == "ReturnReceived"


def test_a_group_with_a_row_that_cannot_be_read_goes_to_quarantine_whole(tmp_path: Path, sqlite_url: str) -> None:
    good = "1,anna,hat,2,9.99,GBP,01.03.2026,10:00,yes,7,\n"
    bad = "1,anna,cup,many,1,GBP,01.03.2026,10:00,yes,7,\n"
    other = "2,bert,cup,1,1,GBP,01.03.2026,10:00,yes,7,\n"
    mapping = INVOICES.replace('more_than = "0"', "empty = false")
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, write(tmp_path, COLUMNS + good + bad + good + other), mapping)
        rules = {row.row: row.rule for row in engine.log.quarantined()}
    assert (report.stored, report.quarantined.total()) == (1, 3)
    assert "decimal" in rules[3]
    assert rules[2] == rules[4]
    assert "group" in rules[2]


@pytest.mark.parametrize(("rows", "orders"), [("consecutive", 3), ("all", 2)])
def test_rows_of_a_group_may_be_scattered(tmp_path: Path, sqlite_url: str, rows: str, orders: int) -> None:
    text = HEADER + "".join(f"{who},2026-03-01T10:00:00,{price}\n" for who, price in [("b", 1), ("a", 2), ("b", 4)])
    mapping = ORDERS.replace("[[touch", f'[group]\nby = ["customer"]\nrows = "{rows}"\n[[touch', 1)
    mapping = mapping.replace('currency = "EUR" }', 'currency = "EUR", sum = true }')
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, write(tmp_path, text), mapping)
        found = [(fact.stream, fact.data["total"]["micros"] // 1_000_000) for fact in stored(engine)]
    assert (report.stored, len(found)) == (3, orders)
    assert found == ([("b", 5), ("a", 2)] if rows == "all" else [("b", 1), ("a", 2), ("b", 4)])


RETURNS = """
name = "returns"
source = "shop"
zone = "Europe/London"

[[count]]
name = "notes"
distinct = "note"

[[count]]
name = "large"
when = [{ column = "quantity", at_most = -3 }]

[group]
by = ["note"]

[[touchpoint]]
kind = "ReturnReceived"
per = "row"
subject = { column = "customer", first = true }
time = { column = "day", precision = "date" }
[touchpoint.each_row.lines]
sku = "sku"
quantity = { column = "quantity", type = "decimal", factor = -1 }
net = { product = ["quantity", "price"], type = "amount", currency = "GBP", factor = -1 }
"""
RETURNED = "note,customer,sku,quantity,price,day\n"


def test_each_row_of_a_group_can_be_a_touchpoint_of_the_first_row_s_customer(tmp_path: Path, url: str) -> None:
    twin = "C1,,hat,-1,9.99,2026-03-01\n"
    rows = "C1,anna,hat,-2,9.99,2026-03-01\n" + twin + twin + "C2,bert,cup,-4,0.001,2026-03-01\n"
    with Engine.create(url) as engine:
        first = bring_in(engine, write(tmp_path, RETURNED + rows), RETURNS)
        grown = bring_in(engine, write(tmp_path, RETURNED + rows.replace(twin, twin * 2, 1)), RETURNS)
        facts = stored(engine)
    assert (first.stored, first.touchpoints["ReturnReceived"], grown.touchpoints["ReturnReceived"]) == (4, 4, 1)
    assert (first.counted, grown.counted) == ({"notes": 2, "large": 1}, {"notes": 2, "large": 1})
    assert [(fact.stream, fact.data["lines"][0]["quantity"]) for fact in facts] == [
        ("anna", 2),
        ("anna", 1),
        ("anna", 1),
        ("bert", 4),
        ("anna", 1),
    ]
    assert [fact.data["lines"][0]["net"]["micros"] for fact in facts[:4]] == [19_980_000, 9_990_000, 9_990_000, 4_000]


def test_different_cells_are_counted_beyond_what_memory_holds(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "adapters.sources.scratch.LIMITS", type(LIMITS)(import_distinct_in_memory=3, import_keys_in_memory=5)
    )
    rows = "".join(f"C{number % 40},anna,hat,-1,1,2026-03-01\n" for number in range(200))
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, write(tmp_path, RETURNED + rows), RETURNS)
    assert (report.rows, report.counted["notes"]) == (200, 40)


def test_groups_are_gathered_beyond_what_memory_holds(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.sources.scratch.LIMITS", type(LIMITS)(import_keys_in_memory=3, import_batch_rows=7))
    mapping = ORDERS.replace("[[touch", '[group]\nby = ["customer"]\nrows = "all"\n[[touch', 1)
    mapping = mapping.replace('currency = "EUR" }', 'currency = "EUR", sum = true }')
    rows = "".join(f"c{number % 20},2026-03-01T10:00:00,1\n" for number in range(200))
    with Engine.create(sqlite_url) as engine:
        assert bring_in(engine, write(tmp_path, HEADER + rows), mapping).stored == 200
        found = [(fact.stream, fact.data["total"]["micros"]) for fact in stored(engine)]
    assert found == [(f"c{number}", 10_000_000) for number in range(20)]


def test_a_product_is_never_rounded(tmp_path: Path, sqlite_url: str) -> None:
    mapping = ORDERS.replace('column = "price"', 'product = ["price", "price"]')
    row = "anna,2026-03-01T10:00:00,1.000000000000000000000000000001\n"
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, write(tmp_path, HEADER + row), mapping)
    assert (report.stored, report.quarantined.total()) == (0, 1)


def test_an_ambiguous_time_is_the_first_and_a_date_in_a_gap_is_a_date(tmp_path: Path, sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, write(tmp_path, HEADER + "anna,2026-10-25T02:30:00,1\n"))
        # In São Paulo the clocks of 2017 were put forward at midnight: that day began at one o'clock.
        dates = ORDERS.replace("Europe/Berlin", "America/Sao_Paulo").replace('"when" }', '"when", precision = "date" }')
        bring_in(engine, write(tmp_path, HEADER + "bert,2017-10-15,1\n"), dates)
        anna, bert = stored(engine)
    assert anna.envelope["time"] == "2026-10-25T02:30:00+02:00"
    assert report.as_dict()["ambiguous_times"] == 1
    assert bert.envelope["time"] == "2017-10-15T00:00:00-03:00"
    assert bert.is_date


def test_an_offset_in_the_file_counts_more_than_the_zone(tmp_path: Path, sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        bring_in(engine, write(tmp_path, HEADER + "anna,2026-03-29T02:30:00-05:00,1\n"))
        assert stored(engine)[0].envelope["time"] == "2026-03-29T02:30:00-05:00"


KEYED = ORDERS.replace('subject = "customer"', 'subject = { column = "customer", keyed = true }')


def test_people_named_by_address_or_phone_get_keyed_ids(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFECIRCLE_ID_KEY", str(tmp_path / "log.key"))
    names = ["Anna@Example.org", " anna@example.org", "+49 30 1234567", "+49-30-123.45.67", "bert@example.org"]
    rows = "".join(f"{name},2026-03-0{day}T10:00:00,1\n" for day, name in enumerate(names, start=1))
    with Engine.create(url) as engine:
        path = make_id_key(url)
        assert path.stat().st_mode & 0o777 == 0o600
        report = bring_in(engine, write(tmp_path, HEADER + rows), KEYED)
        subjects = [fact.stream for fact in stored(engine)]
        states = b"".join(each.state for each in engine.log.read(engine.log.start(), 10))
    assert report.stored == 5
    assert subjects[0] == subjects[1]
    assert subjects[2] == subjects[3]
    assert len(set(subjects)) == 3
    assert b"example" not in states


def test_another_log_derives_other_ids(tmp_path: Path) -> None:
    subjects = set()
    for name in ("one", "two"):
        url = f"sqlite:///{tmp_path}/{name}.db"
        with Engine.create(url) as engine:
            make_id_key(url)
            bring_in(engine, write(tmp_path, HEADER + "anna@example.org,2026-03-01T10:00:00,1\n"), KEYED)
            subjects.add(stored(engine)[0].stream)
    assert len(subjects) == 2


@pytest.mark.parametrize("trouble", ["missing", "open", "damaged"])
def test_without_a_sound_key_nothing_is_imported(tmp_path: Path, sqlite_url: str, trouble: str) -> None:
    with Engine.create(sqlite_url) as engine:
        key = make_id_key(sqlite_url)
        if trouble == "missing":
            key.unlink()
        elif trouble == "open":
            key.chmod(0o644)
        else:
            key.write_text("none\n")
        with pytest.raises(IdKeyUnusable):
            bring_in(engine, write(tmp_path, HEADER + "anna@example.org,2026-03-01T10:00:00,1\n"), KEYED)
        assert not stored(engine)


def test_a_key_is_never_overwritten(sqlite_url: str) -> None:
    before = make_id_key(sqlite_url).read_bytes()
    with pytest.raises(IdKeyUnusable, match="already"):
        make_id_key(sqlite_url)
    assert Path(sqlite_url.removeprefix("sqlite:///")).with_suffix(".key").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "where", "rule"),
    [
        ('name = "orders"\n', "", "name", "required"),
        ("Europe/Berlin", "Europe/Atlantis", "zone", "IANA"),
        ('"OrderPlaced"', '"OrderPlacd"', "touchpoint.0", "did you mean OrderPlaced"),
        ('order = { derived = "order" }', "", "touchpoint.0", "OrderPlaced needs order"),
        ("order = {", "ordr = {", "touchpoint.0", "has no field ordr"),
        ('derived = "order"', 'derived = "order", column = "a"', "fields.order", "exactly one of"),
        ('currency = "EUR"', 'currency = "EUX"', "fields.total.currency", "ISO 4217"),
        (', currency = "EUR"', "", "fields.total", "currency"),
        ('time = { column = "when" }', "time = { }", "touchpoint.0.time", "column"),
        ('type = "amount"', 'type = "money"', "fields.total.type", "amount"),
        ('zone = "', 'zones = "', "zones", "not permitted"),
        ("[[touchpoint]]", '[file]\nencoding = "klingon"\n[[touchpoint]]', "file.encoding", "encoding"),
        ("[[touchpoint]]", "[file]\nheader = false\n[[touchpoint]]", "file", "header = false"),
        ("[[touchpoint]]", '[[leave_out]]\nname = "x"\nwhen = []\n[[touchpoint]]', "leave_out.0.when", "at least 1"),
        ("[[touchpoint]]", '[[leave_out]]\nname = "x"\nwhen = [{ column = "a" }]\n[[touchpoint]]', "when.0", "one of"),
        ('{ derived = "order" }', "{ constant = 0.1 }", "fields.order.constant", "text"),
        ("[[touchpoint]]", '[file]\nformat = "xes"\nencoding = "utf-8"\n[[touchpoint]]', "file", "xes says all"),
        ('{ derived = "order" }', '{ column = "a", factor = 2 }', "fields.order", "factor"),
        ('{ derived = "order" }', '{ column = "a", first = true }', "touchpoint.0", "first row anyway"),
        ('kind = "OrderPlaced"', 'kind = "OrderPlaced"\nper = "row"', "the whole", "within one"),
        ("[[touchpoint]]", '[[count]]\nname = "a"\n[[count]]\nname = "a"\n[[touchpoint]]', "the whole", "count"),
        ('"EUR" }', '"EUR" }\n[touchpoint.envelope]\nsubject = "a"', "touchpoint.0", "envelope has no subject"),
    ],
)
def test_a_mapping_that_says_nonsense_is_refused_with_its_key_and_rule(
    tmp_path: Path, old: str, new: str, where: str, rule: str
) -> None:
    assert old in ORDERS
    place = tmp_path / "mapping.toml"
    place.write_text(ORDERS.replace(old, new, 1))
    with pytest.raises(MappingInvalid) as refused:
        load_mapping(str(place))
    assert where in refused.value.where
    assert rule in refused.value.rule
    assert refused.value.way_out


@pytest.mark.parametrize("text", ["name = ", "\xff"])
def test_a_mapping_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    place = tmp_path / "mapping.toml"
    place.write_bytes(text.encode("latin-1"))
    with pytest.raises(MappingInvalid, match="TOML"):
        load_mapping(str(place))


def test_a_mapping_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(MappingInvalid) as refused:
        load_mapping("nowhere")
    assert "cdnow_sample" in refused.value.rule


@pytest.mark.parametrize("name", sorted(kept_mappings()))
def test_every_mapping_kept_here_is_sound_and_bears_its_file_s_name(name: str) -> None:
    assert load_mapping(name).name == name
