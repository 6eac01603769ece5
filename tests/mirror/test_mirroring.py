"""A mirror holds what the log holds, however often and however roughly it was brought up to it."""

import random
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from adapters.data_subjects.erasure import erase
from adapters.durable_files import leading
from adapters.engine import Engine
from adapters.mirror.manifest import LogPart, MirrorBusy, MirrorUnusable, read_manifest
from adapters.mirror.mirroring import mirror
from adapters.views.projector import Projector
from adapters.views.tables import open_tables
from tests.cli.program import ROOT
from tests.mirror.reading import mirrored_history, recorded, rows, told_history, touchpoints
from tests.privacy.people import registered
from tests.read_side.story import called, merged, moved, ordered, record, retracted, reverted


def _tell(engine: Engine, place: int) -> None:
    """Something of everything: new customers, late arrivals, corrections before and after their targets, merges."""
    a, b = f"a{place}", f"b{place}"
    record(engine, [called(a, f"{a}-1", 9), ordered(a, f"{a}-2", 10), called(b, f"{b}-1", 3), called(a, f"{a}-0", 2)])
    record(engine, [moved(a, f"{a}-m", f"{a}-1", 20), retracted(b, f"{b}-r", f"{b}-9")])
    if place:
        record(engine, [merged(a, f"b{place - 1}", f"m{place}"), called(f"b{place - 1}", f"late-{place}", 5)])
        record(engine, [called(f"b{place}", f"{b}-9", 6), moved("a0", f"again-{place}", "a0-1", place + 1)])
    if place % 2:
        record(engine, [reverted(a, f"b{place - 1}", f"r{place}", f"m{place}")])


@pytest.mark.usefixtures("small")
def test_it_is_the_log_after_every_run(engine: Engine, folder: Path) -> None:
    manifest = mirror(engine, folder)
    assert touchpoints(folder) == []
    for place in range(3):
        _tell(engine, place)
        manifest = mirror(engine, folder)
        assert touchpoints(folder) == recorded(engine)
        assert mirrored_history(folder) == told_history(engine)
        assert manifest.cursor == manifest.history.cursor == str(engine.log.heads())
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}
    assert manifest.named() <= files
    again = mirror(engine, folder)
    assert (again.touchpoints, again.history) == (manifest.touchpoints, manifest.history)
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")} == again.named()
    assert all(part.rows == 9 or part is of[-1] for of in _by_bucket(again.touchpoints) for part in of)


def _by_bucket(parts: Sequence[LogPart]) -> list[list[LogPart]]:
    return [[part for part in parts if part.bucket == bucket] for bucket in {part.bucket for part in parts}]


@pytest.mark.usefixtures("small")
def test_rows_that_count_no_more_are_cleared_away_when_they_are_many(sqlite_url: str, folder: Path) -> None:
    with Engine.create(sqlite_url) as engine:
        record(engine, [called("anna", f"c{day}", day) for day in range(1, 9)])
        manifest = mirror(engine, folder)
        for place in range(4):
            record(engine, [moved("anna", f"m{place}", "c1", 10 + place)])
            manifest = mirror(engine, folder)
            assert mirrored_history(folder) == told_history(engine)
    assert manifest.history.dead == 0
    assert sum(part.rows for part in manifest.history.parts) < 2 * len(told_history(Engine.open(sqlite_url)))


def test_a_run_that_is_killed_at_any_moment_loses_and_doubles_nothing(sqlite_url: str, folder: Path) -> None:
    with Engine.create(sqlite_url) as engine:
        for place in range(6):
            _tell(engine, place)
        chance, killed = random.Random(7), Counter[int]()  # noqa: S311 - when to kill
        for _ in range(3):
            words = [sys.executable, "-m", "tests.mirror.killed", sqlite_url, str(folder)]
            done = subprocess.run([*words, f"{chance.uniform(0.02, 0.25):.3f}"], cwd=ROOT, check=False)
            killed[done.returncode] += 1
            if (folder / "manifest.json").exists():
                rest = touchpoints(folder)
                assert rest == recorded(engine)[: len(rest)]
        assert set(killed) <= {0, -14}
        mirror(engine, folder)
        assert touchpoints(folder) == recorded(engine)
        assert mirrored_history(folder) == told_history(engine)


def test_views_are_written_anew_only_where_they_moved(engine: Engine, folder: Path) -> None:
    record(engine, [ordered("anna", "o1", 3), called("bert", "c1", 4)])
    assert mirror(engine, folder).views == ()
    with closing(open_tables(engine.url, engine.company)) as tables:
        Projector(engine.log, tables, engine.company).run_once()
        first = {part.view: part for part in mirror(engine, folder).views}
        assert set(first) == set(tables.views)
        names, wanted = tables.rows("loyalty")
        assert [part.file for part in mirror(engine, folder).views] == [part.file for part in first.values()]
        record(engine, [ordered("anna", "o2", 5)])
        assert {part.view: part for part in mirror(engine, folder).views} == first
        Projector(engine.log, tables, engine.company).run_once()
        second = mirror(engine, folder).views
        assert {part.file for part in second}.isdisjoint(part.file for part in first.values())
    (row,) = rows(folder, "SELECT subject, currency, orders, gross_micros FROM loyalty WHERE orders > 0")
    assert row == ("anna", "EUR", 2, 20_000_000)
    assert wanted[0][names.index("orders")] == 1


def test_nobody_else_may_read_it(sqlite_url: str, folder: Path) -> None:
    with Engine.create(sqlite_url) as engine:
        record(engine, [ordered("anna", "o1", 3)])
        mirror(engine, folder)
    for path in (folder, *folder.rglob("*")):
        allowed = stat.S_IMODE(path.stat().st_mode)
        assert path.name == "lock" or not allowed & 0o077, path


def test_strangers_read_typed_columns(sqlite_url: str, folder: Path) -> None:
    with Engine.create(sqlite_url) as engine:
        record(engine, [ordered("anna", "o1", 3)])
        manifest = mirror(engine, folder)
    (part,) = manifest.history.parts
    table = pq.ParquetFile(folder / part.file).read()
    types = {field.name: str(field.type) for field in table.schema}
    assert types["occurred"] == types["recorded"] == "timestamp[us, tz=UTC]"
    assert (types["total_micros"], types["day"]) == ("int64", "date32[day]")
    assert types["total_currency"].startswith("dictionary<values=string")
    assert table.to_pylist()[0]["total_micros"] == 10_000_000
    assert table.schema.field("day").metadata[b"meaning"]


def test_no_personal_field_comes_into_the_history(sqlite_url: str, folder: Path) -> None:
    from tests.read_side.story import touch

    with Engine.create(sqlite_url) as engine:
        record(engine, [touch("CustomerRegistered", "anna", "r", party="person", name="Anna Ash", language="en")])
        record(engine, [touch("TouchpointCorrected", "anna", "c", target="x", replacement={"name": "Ash"}, reason="r")])
        mirror(engine, folder)
    assert rows(folder, "SELECT party, language FROM CustomerRegistered") == [("person", "en")]
    assert not any(b"Ash" in path.read_bytes() for path in (folder / "history").rglob("*.parquet"))


def test_a_folder_of_something_else_is_left_alone(sqlite_url: str, folder: Path, tmp_path: Path) -> None:
    with Engine.create(sqlite_url) as engine, Engine.create(f"sqlite:///{tmp_path}/other.db") as other:
        folder.mkdir()
        (folder / "letter.txt").write_text("dear")
        with pytest.raises(MirrorUnusable, match="something else"):
            mirror(engine, folder)
        (folder / "letter.txt").unlink()
        mirror(engine, folder)
        with pytest.raises(MirrorUnusable, match="another log"):
            mirror(other, folder)
        with leading(folder), pytest.raises(MirrorBusy):
            mirror(engine, folder)
        (folder / "manifest.json").write_text('{"format": 99}')
        with pytest.raises(MirrorUnusable, match="newer"):
            read_manifest(folder)


def test_what_cannot_be_folded_is_told_of_and_the_others_are_there(sqlite_url: str, folder: Path) -> None:
    from adapters.log import Draft, Group

    with Engine.create(sqlite_url) as engine:
        record(engine, [called("anna", "c1"), called("bert", "c2")])
        broken = b'{"type":"ContactMade","dataschema":"urn:lifecircle:ContactMade:99","data":{}}'
        engine.log.append([Group((Draft("bert", "ContactMade", "c3", "shop", 0, "t", broken),))])
        assert mirror(engine, folder).history.parked == {"bert": "UnknownKind"}
        assert [row[0] for row in mirrored_history(folder)] == ["anna"]
        assert touchpoints(folder) == recorded(engine)


def test_no_file_shows_the_bands_of_somebody_who_was_forgotten_once_the_views_know(
    tmp_path: Path, folder: Path
) -> None:
    def files() -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}

    with (
        Engine.create(f"sqlite:///{tmp_path}/shop.db") as engine,
        closing(open_tables(engine.url, engine.company)) as tables,
    ):
        engine.append([registered(engine), registered(engine, "bert")])
        Projector(engine.log, tables, engine.company).run_once()
        before = {part.file for part in mirror(engine, folder).views}
        assert before
        erase(engine, "anna", basis="request", by="rosa", recordedby="rosa")
        assert mirror(engine, folder).erased, "the views still show what they showed"
        Projector(engine.log, tables, engine.company).run_once()
        after = mirror(engine, folder)
        assert after.erased is None
        assert files() == after.named()
        assert before.isdisjoint(files())
