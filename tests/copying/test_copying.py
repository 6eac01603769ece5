"""Moving a log to another database or number of buckets: everything comes along, and nothing half."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from adapters.addresses import open_log
from adapters.copying import BESIDE, CopyDiffers, copy_log, translated
from adapters.engine import Engine
from adapters.log import QuarantinedRow, Settings, Stored, bucket_of
from adapters.sqlite import SQLiteLog
from adapters.views.rebuild import rebuild
from adapters.views.tables import open_tables
from domain.company import Company
from domain.errors import CursorInvalid, LogExists, LogNotFound, WrongBuckets
from domain.history import RESHAPING_KINDS
from tests.conftest import fresh_database
from tests.read_side.story import called, contents, merged, moved, ordered, record, retracted, reverted

ROOT = Path(__file__).parents[2]

MOVES = [
    ("sqlite", 1, "postgresql", 4),
    ("postgresql", 4, "sqlite", 1),
    ("sqlite", 4, "sqlite", 4),
    ("postgresql", 1, "postgresql", 3),
]

QUARANTINED = [
    QuarantinedRow("b1", 1, "till.csv", "UnreadableInput", "é", "NUL \x00 and a lone surrogate \udcff", 5),
    QuarantinedRow("b1", 2, "till.csv", "InvalidTouchpoint", "no amount", 'x;"y\\\n', 6),
]

NOT_COPIED = {
    "log": "the copy has an id of its own; number of buckets and company are given when it is made",
    "touchpoints": "they are copied, under new positions",
    "schema_steps": "the copy is made with all that there are",
    "stored_snapshots": "rule state, made anew when it is asked for",
    "tracking": "how far the library's processes had come, in positions of the log before",
    "notification_tracking": "how far the library's processes had come, in positions of the log before",
}


class Place:
    """Addresses of databases without a log."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack, self._made = folder, stack, 0

    def __call__(self, database: str) -> str:
        self._made += 1
        if database == "sqlite":
            return f"sqlite:///{self._folder}/{self._made}.db"
        return self._stack.enter_context(fresh_database())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(tmp_path, stack)


def _tell(engine: Engine) -> None:
    """A life with everything, over many subjects, and what only the library or an import leaves."""
    for n in range(40):
        engine.append([called(f"c{n}", f"a{n}", 1 + n % 28), ordered(f"c{n}", f"o{n}", 3)])
    # A chain of merges whose order counts, reverts, and corrections of corrections.
    record(engine, [merged(f"c{n}", f"c{n + 1}", f"m{n}") for n in range(1, 12, 2)])
    record(engine, [merged("c3", "c1", "m-a"), merged("c5", "c3", "m-b"), reverted("c5", "c3", "r-b", "m-b")])
    record(engine, [moved("c1", "x1", "a1", 20), retracted("c1", "x2", "x1"), retracted("c20", "x3", "nothing-yet")])
    engine.append([called(f"d{n}", f"d{n}") for n in range(300)])
    bucket = bucket_of("bare", engine.log.buckets)
    engine.log.factory(bucket).application_recorder().insert_events([StoredEvent("bare", 1, "Kind", b"\x00\xff")])
    engine.log.quarantine(QUARANTINED)


def _rows(url: str) -> dict[str, list[Stored]]:
    """Every stream, by version, without positions."""
    with closing(open_log(url)) as log:
        streams: dict[str, list[Stored]] = {}
        for row in log.read(log.start(), 10**6):
            streams.setdefault(row.stream, []).append(row._replace(bucket=0, number=0))
        return streams


def _reshaping(url: str) -> list[tuple[str, str]]:
    """Merges, reverts and corrections in the order of recording."""
    with closing(open_log(url)) as log:
        rows = [row for row in log.read(log.start(), 10**6) if row.kind in RESHAPING_KINDS]
        # The two halves of a merge are one act.
        return list(dict.fromkeys((row.kind, row.id) for row in sorted(rows, key=lambda r: (r.recorded, *r[:2]))))


@pytest.mark.parametrize(("source", "before", "target", "after"), MOVES)
def test_a_copy_is_the_same_log_in_another_place(
    place: Place, source: str, before: int, target: str, after: int
) -> None:
    old, new = place(source), place(target)
    told: list[tuple[str, int, int]] = []
    company = Company(name="Ada's", zone="Asia/Tokyo")
    with Engine.create(old, company, before) as engine:
        _tell(engine)
        for version in (2, 3):
            changed = company.model_copy(update={"dunning_grace_days": version})
            assert engine.log.change_settings(Settings(version, 1_000 * version, "ada", changed))
        settings = engine.log.settings()
        cut, log_id = engine.log.heads(), engine.log.log_id
        copied = copy_log(old, new, after, lambda *progress: told.append(progress))
        engine.append([called("later", "l1")])
        views = open_tables(old, company)
        rebuild(engine.log, views, company)
        expected = {name: [row for row in rows if row[0] != "later"] for name, rows in contents(views).items()}
        views.close()
    assert copied == sum(cut.numbers)
    assert {(doing, total) for doing, _, total in told} == {("copying", copied), ("checking", copied)}
    assert told[-1] == ("checking", copied, copied)
    with Engine.open(new) as engine:
        log = engine.log
        assert (log.buckets, log.company) == (after, settings[-1].company)
        assert log.settings() == settings
        assert log.log_id != log_id
        (origin,) = log.origins
        assert (origin.cut, origin.end) == (cut, str(log.heads()))
        assert log.quarantined() == QUARANTINED
        in_order = log.read(log.start(), 10**6)
        for bucket in range(1, after + 1):
            mine = [row for row in in_order if row.bucket == bucket]
            assert [row.number for row in mine] == list(range(1, len(mine) + 1))
            assert all(one.recorded <= other.recorded for one, other in pairwise(mine))
            assert {bucket_of(row.stream, after) for row in mine} == {bucket}
        assert log.cut_at(2**62) == log.heads()
        tables = open_tables(new, log.company)
        rebuild(log, tables, log.company)
        assert contents(tables) == expected
        tables.close()
        again = engine.append([called("c1", "a1", 2)])
        assert (again[0].repeat, again[0].version) == (True, 1)
        assert [receipt.repeat for receipt in engine.append([called("c1", "new")])] == [False]
    held = _rows(old)
    del held["later"]
    found = _rows(new)
    assert found["c1"].pop().id == "new"
    assert found == held
    assert _reshaping(new) == _reshaping(old)


@pytest.mark.parametrize("until", ["copying", "checking"])
@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_copy_that_is_killed_leaves_no_log(place: Place, target: str, until: str) -> None:
    old, new = place("sqlite"), place(target)
    with Engine.create(old) as engine:
        engine.append_each([[called(f"c{n}", f"a{n}")] for n in range(3_000)])
    command = [sys.executable, "-m", "tests.copying.copier", old, new, "4"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as copying:
        assert copying.stdin
        assert copying.stdout
        while not copying.stdout.readline().startswith(until):
            copying.stdin.write("\n")
            copying.stdin.flush()
        copying.kill()
    with pytest.raises(LogNotFound):
        open_log(new)
    assert copy_log(old, new, 4) == 3_000
    assert _rows(new) == _rows(old)


def test_what_a_database_altered_on_the_way_is_found(place: Place) -> None:
    old, new = place("sqlite"), place("postgresql")
    with Engine.create(old) as engine:
        engine.append([called("anna", "a1"), called("bert", "b1")])
    # What a careless administrator may have left: it changes one character of what is inserted.
    meddling = """
        CREATE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.stream = ''bert'' THEN NEW.recordedby := ''else''; END IF; RETURN NEW; END';
        CREATE FUNCTION public.attach() RETURNS event_trigger LANGUAGE plpgsql AS
            'BEGIN
                IF to_regclass(''lifecircle.touchpoints'') IS NOT NULL THEN
                    CREATE OR REPLACE TRIGGER meddle BEFORE INSERT ON lifecircle.touchpoints
                        FOR EACH ROW EXECUTE FUNCTION public.meddle();
                END IF;
            END';
        CREATE EVENT TRIGGER meddles ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.attach();
    """
    with psycopg.connect(new, autocommit=True) as connection:
        connection.execute(meddling.encode())
        with pytest.raises(CopyDiffers):
            copy_log(old, new)
        with pytest.raises(LogNotFound):
            open_log(new)
        connection.execute("DROP EVENT TRIGGER meddles")
    assert copy_log(old, new) == 2


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_what_cannot_be_copied_is_refused_and_leaves_all_as_it_is(place: Place, target: str) -> None:
    old, new = place("sqlite"), place(target)
    with pytest.raises(LogNotFound):
        copy_log(old, new)
    with Engine.create(old) as engine:
        engine.append([called("anna", "a1")])
    with pytest.raises(WrongBuckets):
        copy_log(old, new, 0)
    with pytest.raises(LogNotFound):
        open_log(new)
    with Engine.create(new, Company(name="Another")) as engine:
        before = engine.log.log_id
    with pytest.raises(LogExists):
        copy_log(old, new)
    with Engine.open(new) as engine:
        assert (engine.log.log_id, engine.log.company.name) == (before, "Another")
        assert engine.log.heads() == engine.log.start()


@pytest.mark.parametrize(("source", "before", "target", "after"), MOVES)
def test_whoever_had_a_cursor_goes_on_from_it_and_misses_nothing(
    place: Place, source: str, before: int, target: str, after: int
) -> None:
    old, new = place(source), place(target)
    with Engine.create(old, buckets=before) as engine:
        for n in range(30):
            engine.append([called(f"c{n % 7}", f"a{n}"), called(f"c{n % 5}", f"b{n}")])
        rows = engine.log.read(engine.log.start(), 1_000)
        cursors = [engine.log.start()]
        for row in rows:
            cursors.append(cursors[-1].advanced(row.bucket, row.number))
        copy_log(old, new, after)
    with Engine.open(new) as engine:
        engine.append([called("c1", "since")])
        since = _named(engine.log.read(engine.log.start(), 1_000)) - _named(rows)
        for seen, cursor in enumerate(cursors):
            with pytest.raises(CursorInvalid, match="lifecircle cursor"):
                engine.cursor(str(cursor))
            after_it = engine.log.read(translated(new, engine.log, str(cursor)), 1_000)
            unseen = rows[seen:]
            assert _named(unseen) | since <= _named(after_it)
            first = min((row.recorded for row in unseen), default=2**62)
            again = [row for row in after_it if (row.stream, row.id) in _named(rows[:seen])]
            assert all(row.recorded >= first for row in again)
        assert str(translated(new, engine.log, str(cursors[-1]))) == engine.log.origins[0].end
        with pytest.raises(CursorInvalid):
            translated(new, engine.log, str(engine.log.heads()))
    with Engine.open(old) as engine, pytest.raises(CursorInvalid):
        translated(old, engine.log, str(engine.log.heads()))


def _named(rows: list[Stored]) -> set[tuple[str, str]]:
    return {(row.stream, row.id) for row in rows}


def test_a_copy_of_a_copy_knows_where_all_came_from(place: Place) -> None:
    urls = [place("sqlite") for _ in range(3)]
    ids = list[bytes]()
    with Engine.create(urls[0]) as engine:
        engine.append([called("anna", "a1")])
    for number, (old, new) in enumerate(pairwise(urls)):
        with closing(open_log(old)) as log:
            ids.insert(0, log.log_id)
        copy_log(old, new)
        with Engine.open(new) as engine:
            assert [origin.cut.log_id for origin in engine.log.origins] == ids
            engine.append([called("anna", f"later-{number}")])


def test_no_table_of_a_log_is_forgotten(place: Place) -> None:
    """A table that is added must be copied, or stand here with the reason why not."""
    wanted = set(BESIDE) | NOT_COPIED.keys()
    new = place("sqlite")
    with closing(SQLiteLog.create(new, Company())) as log, log.datastore.transaction(commit=False) as cursor:
        cursor.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        assert {name for (name,) in cursor.fetchall()} <= wanted
    new = place("postgresql")
    Engine.create(new).close()
    with psycopg.connect(new) as connection:
        asked = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'lifecircle'"
        assert {name for (name,) in connection.execute(asked)} <= wanted
