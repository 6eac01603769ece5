"""Rows in quarantine are corrected and let in, once, under the ids that they would have had."""

from pathlib import Path

import pytest

from adapters.codec import fact_of
from adapters.engine import Engine
from adapters.evidence import amend, quarantined
from adapters.notes import log_subject
from adapters.sources.importer import import_file
from adapters.sources.release import Corrected, release
from domain.errors import NotInQuarantine
from tests.cli.program import Shell
from tests.sources.shop import HEADER, ORDERS, bring_in, stored, write
from tests.sources.test_events import event, lines
from tests.sources.test_xes import DESK, trace, xes_event
from tests.sources.test_xes import log as xes_log

GOOD = "anna,2026-03-01T10:00:00,1\n"
LINES = """
name = "lines"
source = "shop"
zone = "UTC"
[group]
by = ["order"]
[[touchpoint]]
kind = "OrderPlaced"
subject = "customer"
time = { column = "when" }
[touchpoint.fields]
order = "order"
total = { column = "price", type = "amount", currency = "EUR", sum = true }
"""
KEY_BY_ID = ORDERS.replace('source = "shop"', 'source = "shop"\nkey = ["customer"]')


def evidence(engine: Engine) -> list[tuple[str, int]]:
    facts = map(fact_of, engine.log.stream(log_subject(engine.log.log_id)))
    return [(fact.kind, fact.data["row"]) for fact in facts]


def test_what_is_quarantined_and_released_is_evidence_and_noted_once(tmp_path: Path, url: str) -> None:
    file = write(tmp_path, HEADER + GOOD + "bert,soon,1\n")
    with Engine.create(url) as engine:
        batch = bring_in(engine, file).batch
        bring_in(engine, file, ORDERS + "\n")
        assert evidence(engine) == [("RowQuarantined", 3)]
        bad = Corrected(batch, 3, cells={"when": "later"})
        assert release(engine, [bad], recordedby="ada").still == {"it is a time in the format iso": 1}
        assert evidence(engine) == [("RowQuarantined", 3)]
        bad = Corrected(batch, 3, cells={"price": "x", "when": "2026-03-02T10:00:00"})
        assert release(engine, [bad], recordedby="ada").released == 0
        (waiting,) = quarantined(engine)
        assert "decimal" in waiting.rule
        good = Corrected(batch, 3, cells={"when": "2026-03-02T10:00:00"})
        report = release(engine, [good], recordedby="ada")
        assert (report.released, report.touchpoints, report.still) == (1, {"OrderPlaced": 1}, {})
        assert evidence(engine) == [("RowQuarantined", 3), ("RowQuarantined", 3), ("RowReleased", 3)]
        assert quarantined(engine) == []
        (row,) = quarantined(engine, released=True)
        assert (row.released_by, row.raw) == ("ada", "bert,soon,1")
        again = release(engine, [good], recordedby="ada")
        assert (again.released, again.earlier) == (0, 1)
        assert [fact.stream for fact in stored(engine)] == ["anna", "bert"]


@pytest.mark.parametrize("mapping", [ORDERS, KEY_BY_ID], ids=["key of all", "key of some"])
def test_importing_the_corrected_file_adds_nothing_to_what_was_released(
    tmp_path: Path, sqlite_url: str, mapping: str
) -> None:
    twins = "bert,soon,1\nbert,soon,1\nanna,when,1\nbert,2026-03-05T10:00:00,2\n"
    with Engine.create(sqlite_url) as engine:
        batch = bring_in(engine, write(tmp_path, HEADER + GOOD + twins), mapping).batch
        rows = [Corrected(batch, row.row, cells={"when": "2026-03-02T10:00:00"}) for row in quarantined(engine)]
        assert release(engine, rows, recordedby="ada").released == 3
        corrected = write(
            tmp_path,
            (HEADER + GOOD + twins).replace("soon", "2026-03-02T10:00:00").replace(",when,1", ",2026-03-02T10:00:00,1"),
        )
        again = bring_in(engine, corrected, mapping)
        assert (again.stored, again.repeats) == (0, 5)


def test_a_group_is_released_whole(tmp_path: Path, sqlite_url: str) -> None:
    orders = [("anna", "1", 7), ("anna", "x", 7), ("anna", "y", 7), ("bert", "4", 8)]
    text = "customer,when,price,order\n" + "".join(f"{who},2026-03-01,{price},{of}\n" for who, price, of in orders)
    with Engine.create(sqlite_url) as engine:
        batch = bring_in(engine, write(tmp_path, text), LINES).batch
        first = release(engine, [Corrected(batch, 3, cells={"price": "2"})], recordedby="ada")
        assert (first.released, first.still.total()) == (0, 3)
        rest = [Corrected(batch, 3, cells={"price": "2"}), Corrected(batch, 4, raw="anna,2026-03-01,3,7")]
        assert release(engine, rest, recordedby="ada").released == 3
        totals = {fact.data["order"]: fact.data["total"]["micros"] // 1_000_000 for fact in stored(engine)}
        assert totals == {"7": 6, "8": 4}
        again = bring_in(engine, write(tmp_path, text.replace(",x,", ",2,").replace(",y,", ",3,")), LINES)
        assert (again.stored, again.repeats) == (0, 4)


def test_a_release_that_was_cut_off_after_recording_is_completed(tmp_path: Path, url: str) -> None:
    with Engine.create(url) as engine:
        batch = bring_in(engine, write(tmp_path, HEADER + "bert,soon,1\n")).batch
        good = Corrected(batch, 2, cells={"when": "2026-03-02T10:00:00"})
        release(engine, [good], recordedby="ada")
        (row,) = quarantined(engine, released=True)
        amend(engine, [row._replace(released=None, released_by="")])
        report = release(engine, [good], recordedby="ada")
        assert (report.released, report.touchpoints) == (1, {})
        assert len(stored(engine)) == 1
        assert quarantined(engine) == []


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (r"J\xfcrgen,2026-03-02T10:00:00,1", "cannot be decoded"),
        (None, "utf-8"),
        ("Jürgen,2026-03-02T10:00:00", "as many cells"),
        ("a,b\nc,d", "one row"),
        ('"a,b', "quotes"),
    ],
)
def test_a_row_that_could_not_be_told_apart_needs_a_text_that_can(
    tmp_path: Path, sqlite_url: str, raw: str | None, rule: str
) -> None:
    with Engine.create(sqlite_url) as engine:
        batch = bring_in(engine, write(tmp_path, HEADER.encode() + b"J\xfcrgen,soon,1\n")).batch
        (found,) = release(engine, [Corrected(batch, 2, raw)], recordedby="ada").still
        assert rule in found
        assert release(engine, [Corrected(batch, 2, "Jürgen,2026-03-02T10:00:00,1")], recordedby="ada").released == 1


def test_a_row_that_is_left_out_as_corrected_waits_no_longer(tmp_path: Path, sqlite_url: str) -> None:
    mapping = ORDERS + '[[leave_out]]\nname = "test"\nwhen = [{ column = "customer", equals = "test" }]\n'
    with Engine.create(sqlite_url) as engine:
        batch = bring_in(engine, write(tmp_path, HEADER + "bert,soon,1\n"), mapping).batch
        assert release(engine, [Corrected(batch, 2, cells={"customer": "test"})], recordedby="ada").left_out == {
            "test": 1
        }
        assert quarantined(engine) == []
        assert stored(engine) == []


def test_what_is_not_in_quarantine_cannot_be_released(tmp_path: Path, sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        batch = bring_in(engine, write(tmp_path, HEADER + "bert,soon,1\n")).batch
        for wrong in (Corrected("other", 2), Corrected(batch, 9), Corrected(batch, 2, cells={"colour": "red"})):
            with pytest.raises(NotInQuarantine):
                release(engine, [wrong], recordedby="ada")


def test_an_event_of_a_line_is_corrected_as_a_line(tmp_path: Path, sqlite_url: str) -> None:
    file = write(tmp_path, lines(event(1), event(2, data={"order": "o2"})), "events.jsonl")
    with Engine.create(sqlite_url) as engine:
        batch = import_file(engine, file, None, recordedby="test").batch
        good = Corrected(batch, 2, raw=lines(event(2)).rstrip())
        assert release(engine, [good], recordedby="ada").released == 1
        file.write_text(lines(event(1), event(2)))
        assert import_file(engine, file, None, recordedby="test").repeats == 2


def test_a_case_of_an_event_log_is_corrected_cell_by_cell(tmp_path: Path, sqlite_url: str) -> None:
    good = xes_log(trace("1", xes_event("open"), xes_event("wait"), xes_event("wait")))
    bad = good.replace('value="2026-03-01T10:00:00+01:00"', 'value="soon"', 1)
    assert bad != good
    with Engine.create(sqlite_url) as engine:
        batch = bring_in(engine, write(tmp_path, bad, "log.xes"), DESK).batch
        assert len(quarantined(engine)) == 3
        mended = Corrected(batch, 1, cells={"time:timestamp": "2026-03-01T10:00:00+01:00"})
        assert release(engine, [mended], recordedby="ada").touchpoints == {"TicketOpened": 1, "TicketProgressed": 2}
        again = bring_in(engine, write(tmp_path, good, "log.xes"), DESK)
        assert (again.stored, again.repeats) == (0, 3)


@pytest.mark.parametrize("style", ["csv", "json"])
def test_an_export_is_corrected_and_released(tmp_path: Path, url: str, style: str) -> None:
    shell = Shell(url)
    shell("init")
    write(tmp_path, HEADER + GOOD + 'bert,soon,1\n"ca""rl",2026-03-01T10:00:00,much\n')
    (tmp_path / "orders.toml").write_text(ORDERS)
    files = [str(tmp_path / name) for name in ("orders.csv", "orders.toml", "bad")]
    assert shell("import", files[0], "--map", files[1]).code == 10
    assert shell("quarantine", "export", "--format", style, files[2]).code == 0
    bad = tmp_path / "bad"
    bad.write_text(bad.read_text().replace("soon", "2026-03-02T10:00:00"))
    half = shell("quarantine", "release", files[2], "--format", "json")
    assert (half.code, half.json["released"], half.json["still_in_quarantine"].popitem()[1]) == (10, 1, 1)
    (row,) = shell("quarantine", "list", "--format", "json").json
    done = shell("quarantine", "release", "--batch", row["batch"], "--row", str(row["row"]), "--set", "price=5")
    assert done.code == 0
    assert shell("quarantine", "list", "--format", "json").json == []
    every = shell("quarantine", "list", "--all", "--format", "json").json
    assert [each["by"].startswith("cli:") for each in every] == [True, True]
    assert shell("history", 'ca"rl').code == 0


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "[1]", '[{"batch":"x"}]', "batch,row,raw\nx,one,y\n"])
def test_what_is_no_export_is_a_clear_error(tmp_path: Path, sqlite_url: str, text: str) -> None:
    shell = Shell(sqlite_url)
    shell("init")
    done = shell("quarantine", "release", str(write(tmp_path, text)))
    assert "Traceback" not in done.err
    assert done.code == (0 if not text else 3)
