"""Importing on both databases: nothing twice, nothing lost, every row accounted for, and the commands around it."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.engine import Engine
from adapters.settings import LIMITS
from cli.main import main
from tests.sources.shop import HEADER, ORDERS, accounted, bring_in, stored, write

Command = Callable[..., tuple[int, str, str]]


def orders(count: int, start: int = 0) -> str:
    return "".join(f"c{number % 97},2026-03-01T10:00:00,{number}\n" for number in range(start, start + count))


def test_a_second_import_adds_nothing_and_the_first_loses_nothing(tmp_path: Path, url: str) -> None:
    twin = "anna,2026-03-01T10:00:00,1\n"
    file = write(tmp_path, HEADER + twin + orders(50) + twin + twin)
    with Engine.create(url) as engine:
        first, second = bring_in(engine, file), bring_in(engine, file)
        facts = stored(engine)
    assert (first.stored, first.repeats) == (53, 0)
    assert (second.stored, second.repeats) == (0, 53)
    assert len(facts) == len({fact.id for fact in facts}) == 53


def test_a_file_that_grew_or_was_sorted_anew_adds_only_what_is_new(tmp_path: Path, url: str) -> None:
    twin = "anna,2026-03-01T10:00:00,1\n"
    with Engine.create(url) as engine:
        bring_in(engine, write(tmp_path, HEADER + twin + orders(20) + twin))
        report = bring_in(engine, write(tmp_path, HEADER + twin + orders(25) + twin * 2))
    assert (report.stored, report.repeats) == (6, 22)


def test_rows_alike_are_told_apart_beyond_what_memory_holds(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = orders(100) * 3 + orders(40)
    with Engine.create(sqlite_url) as engine:
        plenty = bring_in(engine, write(tmp_path, HEADER + rows))
        monkeypatch.setattr("adapters.sources.scratch.LIMITS", type(LIMITS)(import_keys_in_memory=7))
        scarce = bring_in(engine, write(tmp_path, HEADER + rows))
    assert (plenty.stored, scarce.stored, scarce.repeats) == (340, 0, 340)


def test_the_same_id_with_other_content_goes_to_quarantine(tmp_path: Path, url: str) -> None:
    mapping = ORDERS.replace('subject = "customer"', 'subject = "customer"\nid = "when"')
    mapping = mapping.replace('order = { derived = "order" }', 'order = "when"')
    row = "anna,2026-03-01T10:00:00,{}\n"
    with Engine.create(url) as engine:
        report = bring_in(engine, write(tmp_path, HEADER + row.format(1) + row.format(1) + row.format(2)), mapping)
        quarantined = engine.log.quarantined(report.batch)
    assert (report.stored, report.repeats, len(quarantined)) == (1, 1, 1)
    assert quarantined[0].row == 4


def test_touchpoints_of_one_row_are_stored_together_or_not_at_all(tmp_path: Path, url: str) -> None:
    second = """
[[touchpoint]]
kind = "PaymentReceived"
subject = "customer"
time = { column = "when" }
[touchpoint.fields]
payment = "payment"
order = { derived = "order" }
amount = { column = "price", type = "amount", currency = "EUR" }
"""
    with Engine.create(url) as engine:
        text = "customer,when,price,payment\nanna,2026-03-01T10:00:00,1,p1\nbert,2026-03-01T10:00:00,1,b@example.org\n"
        report = bring_in(engine, write(tmp_path, text), ORDERS + second)
        facts = stored(engine)
    assert (report.stored, report.quarantined.total()) == (1, 1)
    assert report.touchpoints == {"OrderPlaced": 1, "PaymentReceived": 1}
    assert facts[0].data["order"] == facts[1].data["order"]


def test_one_touchpoint_too_large_does_not_hold_up_the_others(tmp_path: Path, sqlite_url: str) -> None:
    large = "x" * (LIMITS.import_line_max_chars // 4 // 16_000 * 16_000 or 16_000)
    mapping = ORDERS + "[touchpoint.envelope]\n" + "".join(f'custom.n{n} = "note"\n' for n in range(9))
    text = "customer,when,price,note\n" + "a,2026-03-01T10:00:00,1,x\n" + f"b,2026-03-01T10:00:00,1,{large}\n"
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, write(tmp_path, text + "c,2026-03-01T10:00:00,1,x\n"), mapping)
        assert [fact.stream for fact in stored(engine)] == ["a", "c"]
    assert (report.stored, report.quarantined.total()) == (2, 1)


CELL = st.sampled_from(
    ["anna", "bert", "", "a@b.cd", " ", "2026-03-01T10:00:00", "2026-03-29T02:30:00", "1", "x", '"', "\0"]
)
LINES = st.lists(st.lists(CELL, max_size=4).map(",".join), max_size=30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_law_every_row_read_is_stored_or_a_repeat_or_left_out_or_quarantined(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("law")
    mapping = ORDERS.replace(
        "[[touch", '[[leave_out]]\nname = "one"\nwhen = [{ column = "price", equals = "1" }]\n[[touch'
    )
    if data.draw(st.booleans(), label="grouped"):
        mapping = mapping.replace("[[touch", '[group]\nby = ["customer"]\n[[touch')
    good = st.sampled_from(["anna,2026-03-01T10:00:00,2", "bert,2026-03-01,3", "carl,2026-03-01T10:00:00,1"])
    lines = data.draw(st.lists(st.one_of(good, LINES.map("\n".join)), max_size=12), label="lines")
    file = write(folder, HEADER + "\n".join(lines))
    with Engine.create(f"sqlite:///{folder}/log.db") as engine:
        first, second = bring_in(engine, file, mapping), bring_in(engine, file, mapping)
        assert accounted(first)
        assert accounted(second)
        assert len(stored(engine)) == first.touchpoints.total()
        assert (second.rows, second.stored) == (first.rows, 0)
        assert second.repeats == first.stored + first.repeats
        assert len(engine.log.quarantined()) == first.quarantined.total()


@pytest.fixture
def lifecircle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in the test's folder; answers exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_quarantine_is_listed_and_exported(tmp_path: Path, url: str, lifecircle: Command) -> None:
    write(tmp_path, HEADER + "anna,2026-03-01T10:00:00,1\nbert,soon,1\ncarl,2026-03-01T10:00:00\n")
    (tmp_path / "orders.toml").write_text(ORDERS)
    Engine.create(url).close()
    code, report, _ = lifecircle("import", "--log", url, "orders.csv", "--map", "orders.toml")
    assert code == 10
    assert "quarantined" in report
    _, listed, _ = lifecircle("quarantine", "list", "--log", url, "--format", "json")
    rows = json.loads(listed)
    assert [row["row"] for row in rows] == [3, 4]
    assert "bert" not in listed
    assert lifecircle("quarantine", "export", "--log", url, "--batch", rows[0]["batch"], "bad.csv")[0] == 0
    assert "bert,soon,1" in (tmp_path / "bad.csv").read_text()
    _, exported, _ = lifecircle("quarantine", "export", "--log", url, "--format", "json")
    assert [row["raw"] for row in json.loads(exported)] == ["bert,soon,1", "carl,2026-03-01T10:00:00"]
    _, none, _ = lifecircle("quarantine", "export", "--log", url, "--format", "json", "--batch", "other")
    assert json.loads(none) == []


def test_a_file_of_events_needs_no_mapping(tmp_path: Path, url: str, lifecircle: Command) -> None:
    told = {"id": "e1", "source": "shop", "type": "FormSubmitted", "subject": "anna", "time": "2026-03-01T10:00:00Z"}
    write(tmp_path, json.dumps(told | {"data": {"form": "contact"}}) + "\nno event\n", "events.jsonl")
    write(tmp_path, HEADER + orders(3))
    Engine.create(url).close()
    code, report, _ = lifecircle("import", "--log", url, "events.jsonl", "--format", "json")
    found = json.loads(report)
    assert (code, found["stored"], found["touchpoints"]) == (10, 1, {"FormSubmitted": 1})
    assert list(found["quarantined"].values()) == [1]
    code, _, errors = lifecircle("import", "--log", url, "orders.csv")
    assert code == 3
    assert "--map" in errors


@pytest.mark.parametrize(
    ("file", "mapping", "said"),
    [
        ("nowhere.csv", "orders.toml", "cannot be read"),
        ("orders.csv", "nowhere.toml", "no such mapping"),
        ("orders.csv", "olist_leads", "column that the file has not"),
        ("cut.csv.gz", "orders.toml", "cut off"),
    ],
)
def test_what_cannot_be_imported_is_a_clear_error_without_traceback(
    tmp_path: Path, sqlite_url: str, lifecircle: Command, file: str, mapping: str, said: str
) -> None:
    write(tmp_path, HEADER + orders(3))
    cut = write(tmp_path, HEADER + orders(300), "cut.csv.gz", packed=True)
    cut.write_bytes(cut.read_bytes()[:-20])
    (tmp_path / "orders.toml").write_text(ORDERS)
    with Engine.create(sqlite_url) as engine:
        code, _, errors = lifecircle("--log", sqlite_url, "import", file, "--map", mapping)
        assert code == 3
        assert said in errors
        assert "way out" in errors
        assert "Traceback" not in errors
        assert not stored(engine)


def test_memory_does_not_grow_with_the_file(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.sources.importer.LIMITS", type(LIMITS)(import_batch_rows=100))
    with Engine.create(sqlite_url) as engine:
        bring_in(engine, write(tmp_path, HEADER + orders(300)))
        peaks = []
        for count in (300, 2_000):
            rows = "".join(f"d{number},2026-03-01T10:00:00,{number % 100}\n" for number in range(count, 2 * count))
            file = write(tmp_path, HEADER + rows)
            tracemalloc.start()
            bring_in(engine, file)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    # What is left to grow is a small entry per row that tells rows alike apart, up to a limit.
    assert peaks[1] < peaks[0] + 2_000 * 150
