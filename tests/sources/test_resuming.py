"""An import that was interrupted, or whose file has grown, goes on where it was; nothing is stored twice or lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.engine import Engine
from adapters.settings import LIMITS
from adapters.sources.importer import GREW, import_file
from adapters.sources.mapping import load_mapping
from adapters.sources.report import Report
from adapters.sources.resume import CHANGED
from domain.errors import LogUnavailable, UnreadableInput
from tests.sources.shop import HEADER, ORDERS, accounted, bring_in, stored, write

DIES_ON_THE_WAY = """
import os, signal, sys
from pathlib import Path
import adapters.sources.importer as importer
from adapters.engine import Engine
from adapters.settings import LIMITS
from adapters.sources.mapping import load_mapping

importer.LIMITS = type(LIMITS)(import_checkpoint_rows=1_000)

def die_after_half(done, size):
    if done > size // 2:
        os.kill(os.getpid(), signal.SIGKILL)

with Engine.open(sys.argv[1]) as engine:
    mapping = load_mapping("orders.toml")
    importer.import_file(engine, Path("orders.csv"), mapping, recordedby="test", progress=die_after_half)
"""
ROW_BY_ROW = """
name = "steps"
source = "desk"
zone = "UTC"
[group]
by = ["customer"]
rows = "all"
[[touchpoint]]
kind = "PageViewed"
per = "row"
subject = { column = "customer", first = true }
time = { column = "when" }
fields.url = "price"
"""
"""Each row of a group is a touchpoint, with an ordinal of its own."""
GROUPED = ORDERS.replace("[[touch", '[group]\nby = ["customer"]\nrows = "all"\n[[touch', 1)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports store every 10 rows, and keep how far they have come."""
    limits = type(LIMITS)(import_batch_rows=10, import_checkpoint_rows=10)
    monkeypatch.setattr("adapters.sources.importer.LIMITS", limits)


def rows(count: int, start: int = 0) -> str:
    """Rows of which every fourth one has a twin far away, and every seventh one is bad."""
    lines = [f"c{n % 25},2026-03-01T10:00:00,{'bad' if n % 7 == 3 else n % 40}\n" for n in range(start, start + count)]
    return "".join(lines)


def interrupted(engine: Engine, file: Path, mapping: str, after_bytes: int) -> None:
    """Import a file until that much of it is read, and then lose the log."""

    def lose(done: int, _: int) -> None:
        if done >= after_bytes:
            raise LogUnavailable("lost")

    place = file.with_name("mapping.toml")
    place.write_text(mapping)
    with pytest.raises(LogUnavailable):
        import_file(engine, file, load_mapping(str(place)), recordedby="test", progress=lose)


def ids(engine: Engine) -> set[str]:
    found = [fact.id for fact in stored(engine)]
    assert len(set(found)) == len(found)
    return set(found)


def same_but_for_repeats(report: Report, whole: Report) -> bool:
    assert accounted(report)
    assert report.stored + report.repeats == whole.stored
    return (report.rows, report.left_out, report.quarantined) == (whole.rows, whole.left_out, whole.quarantined)


def test_an_import_that_was_killed_goes_on_where_it_was(tmp_path: Path, url: str) -> None:
    file = write(tmp_path, HEADER + "".join(f"c{n % 97},2026-03-01T10:00:00,{n}\n" for n in range(6_000)))
    (tmp_path / "orders.toml").write_text(ORDERS)
    Engine.create(url).close()
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run([sys.executable, "-c", DIES_ON_THE_WAY, url], cwd=tmp_path, env=environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    with Engine.open(url) as engine:
        before = len(stored(engine))
        again = bring_in(engine, file)
        assert 0 < before < 6_000
        assert 0 < again.earlier <= before
        assert (again.stored, again.repeats) == (6_000 - before, before)
        assert len(ids(engine)) == 6_000


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("mapping", [ORDERS, GROUPED, ROW_BY_ROW], ids=["alone", "grouped", "row by row"])
def test_rows_that_are_alike_keep_their_ordinals_over_an_interruption(
    tmp_path: Path, sqlite_url: str, mapping: str
) -> None:
    file = write(tmp_path, HEADER + rows(400))
    with Engine.create(sqlite_url) as engine, Engine.create(f"sqlite:///{tmp_path}/whole.db") as other:
        other.sealing.row_key = engine.sealing.row_key  # both derive the ids of one log
        whole = bring_in(other, file, mapping)
        interrupted(engine, file, mapping, 1)
        interrupted(engine, file, mapping, file.stat().st_size // 2)
        before = len(stored(engine))
        report = bring_in(engine, file, mapping)
        assert report.earlier >= before > 0
        assert same_but_for_repeats(report, whole)
        assert ids(engine) == ids(other)
        waiting = [(row.row, row.rule) for row in engine.log.quarantined()]
        assert waiting == [(row.row, row.rule) for row in other.log.quarantined()]


@pytest.mark.usefixtures("often")
def test_a_file_that_grew_since_is_read_on_and_one_that_changed_is_read_anew(tmp_path: Path, url: str) -> None:
    with Engine.create(url) as engine:
        first = bring_in(engine, write(tmp_path, HEADER + rows(100)))
        grown = bring_in(engine, write(tmp_path, HEADER + rows(150)))
        assert (grown.batch, grown.earlier, grown.notes) == (first.batch, 100, [])
        assert accounted(grown)
        again = bring_in(engine, write(tmp_path, HEADER + rows(150)))
        assert (again.earlier, again.stored, again.repeats) == (150, 0, grown.stored + grown.repeats)
        changed = bring_in(engine, write(tmp_path, HEADER + "new,2026-03-01T10:00:00,1\n" + rows(150)))
        assert (changed.earlier, changed.stored, changed.notes) == (0, 1, [CHANGED])


def test_a_row_that_is_added_to_a_group_that_was_read_is_not_lost(tmp_path: Path, sqlite_url: str) -> None:
    text = HEADER + "anna,2026-03-01T10:00:00,1\nbert,2026-03-01T10:00:00,2\n"
    mapping = ROW_BY_ROW.replace('rows = "all"', 'rows = "consecutive"')
    with Engine.create(sqlite_url) as engine:
        bring_in(engine, write(tmp_path, text), mapping)
        report = bring_in(engine, write(tmp_path, text + "bert,2026-03-01T11:00:00,3\n"), mapping)
        assert (report.earlier, report.notes) == (0, [CHANGED])
        assert [fact.data["url"] for fact in stored(engine)] == ["1", "2", "3"]


def test_another_mapping_reads_the_file_anew(tmp_path: Path, sqlite_url: str) -> None:
    file = write(tmp_path, HEADER + rows(30))
    with Engine.create(sqlite_url) as engine:
        bring_in(engine, file)
        other = bring_in(engine, file, ORDERS.replace('source = "shop"', 'source = "till"'))
        assert (other.earlier, other.repeats, other.notes) == (0, 0, [])


def test_a_gzip_that_has_another_end_is_read_anew(tmp_path: Path, sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        bring_in(engine, write(tmp_path, HEADER + rows(20), packed=True))
        same = bring_in(engine, write(tmp_path, HEADER + rows(20), packed=True))
        more = bring_in(engine, write(tmp_path, HEADER + rows(21), packed=True))
    assert (same.earlier, more.earlier, more.stored) == (20, 0, 1)


class Growing:
    """Somebody who writes to a file while it is imported."""

    def __init__(self, file: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from adapters.sources.plan import Plan

        key, self.wrote = Plan.key, False

        def write_and_go_on(plan: Plan, cells: list[str]) -> str:
            if not self.wrote:
                self.wrote = True
                with file.open("a") as end:
                    end.write(text)
            return key(plan, cells)

        monkeypatch.setattr(Plan, "key", write_and_go_on)


def test_a_file_that_grows_while_it_is_read_is_said_and_its_new_rows_are_next(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, HEADER + "anna,2026-03-01T10:00:00,1\nbert,2026-03-01T10:00:00,2")
    Growing(file, "5\ncarl,2026-03-01T10:00:00,3\n", monkeypatch)
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, file)
        assert (report.rows, report.stored, report.notes) == (1, 1, [GREW])
        rest = bring_in(engine, file)
        assert (rest.rows, rest.earlier, rest.stored, rest.notes) == (3, 1, 2, [])
        totals = {fact.stream: fact.data["total"]["micros"] // 1_000_000 for fact in stored(engine)}
    assert totals == {"anna": 1, "bert": 25, "carl": 3}


def test_a_half_written_line_that_was_taken_for_whole_is_found_out(tmp_path: Path, sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        bring_in(engine, write(tmp_path, HEADER + "anna,2026-03-01T10:00:00,1"))
        whole = bring_in(engine, write(tmp_path, HEADER + "anna,2026-03-01T10:00:00,15\n"))
    assert (whole.earlier, whole.stored, whole.notes) == (0, 1, [CHANGED])


@pytest.mark.usefixtures("often")
def test_a_file_that_is_changed_while_it_is_read_is_refused(tmp_path: Path, sqlite_url: str) -> None:
    file = write(tmp_path, HEADER + rows(2_000))
    place = tmp_path / "mapping.toml"
    place.write_text(ORDERS)

    def change(_: int, __: int) -> None:
        file.write_text(file.read_text().replace("2026", "2025"))

    with Engine.create(sqlite_url) as engine, pytest.raises(UnreadableInput, match="changed while it was read"):
        import_file(engine, file, load_mapping(str(place)), recordedby="test", progress=change)
