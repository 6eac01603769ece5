"""Exports: read by programs that we did not write, and back by ourselves."""

import csv
import hashlib
import json
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
import r4pm.df
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.data_subjects.opening import open_facts
from adapters.engine import Engine
from adapters.export.delimited import as_it_was, harmless
from adapters.export.exporting import Form, export
from adapters.sources.importer import import_file
from domain.company import Company
from domain.touchpoint import EPOCH
from tests.cli.program import Shell
from tests.domain.worlds import World
from tests.identity.worlds import envelope, shared_worlds
from tests.mirror.reading import replayed
from tests.read_side.story import called, merged, moved, ordered, record, retracted, touch

STRANGE = '=cmd|"/c calc"!A1 <&> \x01 "quoted"\r\nnext; ümlaut'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A few customers, one of them merged, with a correction, a late arrival and a text that is out for trouble."""
    place = tmp_path_factory.mktemp("export")
    with Engine.create(f"sqlite:///{place}/log.db", Company(name="Tea & Sons"), buckets=2) as engine:
        record(engine, [ordered("anna", "o1", 3), called("bert", "c1", 4, STRANGE), called("bert", "c0", 2)])
        record(engine, [moved("bert", "m", "c1", 9), retracted("bert", "r", "c0"), merged("anna", "bert", "m1")])
        record(engine, [touch("LoyaltyPointsPosted", "carl", "l", 5, delta=-7, reason="redeem", cause="-1+1")])
        record(engine, [touch("CustomerRegistered", "carl", "g", 6, party="person", name="Carl Coe")])
    return Shell(f"sqlite:///{place}/log.db")


def _told(shop: Shell) -> dict[str, list[Any]]:
    with Engine.open(shop.url) as engine:
        return {root: facts for root, facts in replayed(engine).items() if not root.startswith("log/")}


def _export(shop: Shell, form: str, path: Path, *words: str) -> Path:
    done = shop("export", str(path), "--to", form, *words)
    assert done.code == 0, done.err
    return path


def test_an_independent_reader_finds_every_event_of_the_event_log(shop: Shell, tmp_path: Path) -> None:
    events, about = r4pm.df.import_xes(str(_export(shop, "xes", tmp_path / "shop.xes")))
    told = _told(shop)

    mine = events.filter(~pl.col("case:concept:name").str.starts_with("log/"))
    found = list(zip(mine["case:concept:name"], mine["concept:name"], mine["time:timestamp"], mine["id"], strict=True))
    assert sorted(found) == sorted(
        (root, fact.kind, _naive(fact.at), fact.id) for root, facts in told.items() for fact in facts
    )
    assert "Carl Coe" not in (tmp_path / "shop.xes").read_text()
    (points,) = mine.filter(pl.col("concept:name") == "LoyaltyPointsPosted")["delta"]
    (said,) = mine.filter(pl.col("id") == "c1")["result"]
    assert (int(points), said) == (-7, STRANGE.replace("\x01", "\ufffd"))
    assert "Tea & Sons" in json.dumps(json.loads(about), ensure_ascii=False)


def _naive(us: int) -> datetime:
    """An instant as that reader has it: UTC, without saying so."""
    return (EPOCH + timedelta(microseconds=us)).replace(tzinfo=None)


def test_an_independent_reader_finds_every_event_and_object_of_the_object_centric_log(
    shop: Shell, tmp_path: Path
) -> None:
    read = r4pm.df.import_ocel_json(str(_export(shop, "ocel2", tmp_path / "shop.json")))
    told = _told(shop)

    events = {row["ocel:eid"]: row for row in read["events"].iter_rows(named=True)}
    mine = {name: row["ocel:activity"] for name, row in events.items() if not name.startswith("log/")}
    assert mine == {f"{fact.stream}/{fact.version}": fact.kind for facts in told.values() for fact in facts}
    objects = dict(zip(read["objects"]["ocel:oid"], read["objects"]["ocel:type"], strict=True))
    assert {name for name, type_ in objects.items() if type_ == "subject"} >= {"subject/anna", "subject/carl"}
    assert objects["order/o1"] == "order"
    assert "subject/bert" not in objects
    related = {row[:2] for row in read["relations"].select("ocel:eid", "ocel:oid").iter_rows()}
    assert {("anna/1", "order/o1"), ("anna/1", "subject/anna"), ("bert/1", "subject/anna")} <= related
    assert ("order/o1", "subject/anna", "of") in set(read["o2o"].iter_rows())
    assert "Carl Coe" not in (tmp_path / "shop.json").read_text()


def test_a_spreadsheet_runs_nothing_and_numbers_stay_numbers(shop: Shell, tmp_path: Path) -> None:
    with _export(shop, "csv", tmp_path / "shop.csv").open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file) if not row["subject"].startswith("log/")}
    told = {fact.id: (root, fact) for root, facts in _told(shop).items() for fact in facts}

    assert {name: row["subject"] for name, row in rows.items()} == {name: root for name, (root, _) in told.items()}
    assert {name: json.loads(row["data"]) for name, row in rows.items()} == {
        n: fact.data for n, (_, fact) in told.items()
    }
    assert rows["c1"]["occurred"] == "2026-03-09T10:00:00.000000+00:00"
    for row in rows.values():
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


@given(st.text())
def test_a_harmless_cell_is_the_text_again_without_its_quote(text: str) -> None:
    assert as_it_was(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_a_column_that_begins_like_a_formula_is_quoted_and_a_negative_number_is_not(tmp_path: Path) -> None:
    with Engine.create(f"sqlite:///{tmp_path}/log.db") as engine:
        given_ = {"id": "-1", "source": "@shop", "type": "OrderPlaced", "subject": "=anna", "channel": "+49"}
        order = {"order": "o", "total": "1 EUR"}
        from adapters.codec import read_envelope

        cost = {"amount": "-2.5", "currency": "EUR"}
        event = {**given_, "time": "2026-03-01T10:00:00Z", "data": order, "cost": cost}
        engine.append([read_envelope(event, 10**18, engine.company)])
    with _export(Shell(f"sqlite:///{tmp_path}/log.db"), "csv", tmp_path / "a.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert [row[name] for name in ("subject", "id", "source", "channel")] == ["'=anna", "'-1", "'@shop", "'+49"]
    assert row["cost_micros"] == "-2500000"


def test_polars_reads_the_table(shop: Shell, tmp_path: Path) -> None:
    table = pl.read_parquet(_export(shop, "parquet", tmp_path / "shop.parquet"))
    told = _told(shop)
    assert table.schema["occurred"] == pl.Datetime("us", "UTC")
    mine = table.filter(~pl.col("subject").cast(pl.String).str.starts_with("log/"))
    assert sorted(mine["id"]) == sorted(fact.id for facts in told.values() for fact in facts)
    assert json.loads(mine.row(by_predicate=pl.col("id") == "o1", named=True)["data"])["order"] == "o1"


@settings(max_examples=6, deadline=None)
@given(shared_worlds(24), st.sampled_from([1, 3]))
def test_what_is_exported_is_imported_with_the_same_histories(world: World, buckets: int) -> None:
    with TemporaryDirectory() as place, Engine.create(f"sqlite:///{place}/log.db", buckets=buckets) as engine:
        record(engine, map(envelope, world))
        before, file = replayed(engine), Path(place) / "log.jsonl"
        export(engine, "jsonl", file, recipient="us", recordedby="test", parked=_never, purpose="moving")
        with Engine.create(f"sqlite:///{place}/copy.db") as copy:
            report = import_file(copy, file, None, recordedby="test")
            assert (report.stored, report.quarantined) == (report.rows, {})
            after = {root: open_facts(copy, facts, purpose="test", by="test") for root, facts in replayed(copy).items()}
        before = {root: open_facts(engine, facts, purpose="test", by="test") for root, facts in before.items()}
    assert {root: [fact[:9] for fact in facts] for root, facts in after.items()} == {
        root: [fact[:9] for fact in facts] for root, facts in before.items()
    }


def test_every_form_on_every_database(url: str, buckets: int, tmp_path: Path) -> None:
    with Engine.create(url, buckets=buckets) as engine:
        record(engine, [ordered("anna", "o1", 3), called("bert", "c1", 4), merged("anna", "bert", "m1")])
        forms: tuple[Form, ...] = ("parquet", "csv", "jsonl", "ocel2", "xes")
        for earlier, form in enumerate(forms):
            exported = export(engine, form, tmp_path / form, recipient="us", recordedby="test", parked=_never)
            assert exported.touchpoints == 3 + earlier  # a merge once, and the evidence of those before


def _never(stream: str, error: str) -> None:
    raise AssertionError(f"{stream}: {error}")


def test_personal_data_is_sealed_unless_it_is_opened_which_is_noted(shop: Shell, tmp_path: Path) -> None:
    for form in ("jsonl", "csv"):
        assert "Carl Coe" not in _export(shop, form, tmp_path / f"sealed.{form}", "--subject", "carl").read_text()
        words = ("--subject", "carl", "--open", "--purpose", "request of carl")
        assert "Carl Coe" in _export(shop, form, tmp_path / f"opened.{form}", *words).read_text()
    with Engine.open(shop.url) as engine:
        notes = engine.history(f"log/{engine.log.log_id.hex()}")
    opened = [fact.data for fact in notes if fact.kind == "PersonalDataOpened"]
    assert [(told["person"], told["purpose"]) for told in opened] == [("carl", "request of carl")] * 2
    for wrong in (["--to", "xes", "--open", "--purpose", "p"], ["--to", "csv", "--open"]):
        assert shop("export", str(tmp_path / "none"), *wrong).code == 2


def _evidence(shop: Shell, subject: str) -> Iterator[dict[str, Any]]:
    for fact in shop("history", subject, "--format", "json").json:
        if fact["type"] == "DataExported":
            yield fact["data"]


def test_the_log_knows_what_left_the_house(shop: Shell, tmp_path: Path) -> None:
    path = _export(shop, "jsonl", tmp_path / "bert.jsonl", "--subject", "bert", "--recipient", "bert")
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert {line["subject"] for line in lines} == {"anna", "bert"}
    assert sum(line["type"] == "CustomersMerged" for line in lines) == 1
    assert [told for told in _evidence(shop, "bert") if told["recipient"] == "bert"] == [
        {"recipient": "bert", "scope": "the history as jsonl", "digest": hashlib.sha256(path.read_bytes()).hexdigest()}
    ]
    whole = _export(shop, "csv", tmp_path / "all.csv")
    with Engine.open(shop.url) as engine:
        log = f"log/{engine.log.log_id.hex()}"
    digests = [told["digest"] for told in _evidence(shop, log)]
    assert hashlib.sha256(whole.read_bytes()).hexdigest() in digests
    assert stat.S_IMODE(whole.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--subject", "nobody"], 6, "UnknownSubject"),
        (["--recipient", "bert@example.org"], 3, "InvalidTouchpoint"),
        ([], 8, "ExportExists"),
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_cannot_be_exported_leaves_nothing(
    shop: Shell, tmp_path: Path, words: list[str], code: int, error: str, form: str
) -> None:
    if not words:
        (tmp_path / "there").write_text("kept")
    head = shop.head()
    ended = shop("export", str(tmp_path / "there"), "--to", form, *words)
    assert (ended.code, ended.err.partition(":")[0], shop.head()) == (code, error, head)
    assert [path.read_text() for path in tmp_path.iterdir()] == ([] if words else ["kept"])
