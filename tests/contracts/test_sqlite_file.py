"""What a SQLite log makes of files that are not as they should be."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from adapters.addresses import create_log, open_log, open_reading
from adapters.audit.rows import open_audit_rows
from adapters.log import LINK_KINDS
from adapters.sqlite import SQLiteLog
from adapters.sqlite.audit import SQLiteAuditRows
from adapters.sqlite.sweep import SQLiteSweep
from adapters.views.sweep import Part, open_sweep
from domain.company import Company
from domain.errors import LogExists, LogNotFound, LogNotWritable, LogUnavailable, NewerLog, NotOurLog
from tests.contracts.drafts import append, draft, group, pages


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def raw(path: Path, url: str) -> "sqlite3.Connection":
    """A log of three touchpoints, opened by any other program."""
    with closing(SQLiteLog.create(url, Company())) as log:
        append(log, draft("C-1", "a"), draft("C-1", "b"), draft("C-2", "c"))
    return sqlite3.connect(path, isolation_level=None)


_INSERT = "INTO touchpoints (bucket, number, stream, version, kind, id, source, recorded, state) VALUES"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE touchpoints SET kind = 'Other'",
        "UPDATE touchpoints SET number = number + 100 WHERE number = 3",
        "DELETE FROM touchpoints WHERE number = 3",
        "DELETE FROM touchpoints",
        f"INSERT OR REPLACE {_INSERT} (1, 3, 'C-2', 1, 'Other', 'c', 'shop', 1, x'00')",
        f"INSERT OR REPLACE {_INSERT} (1, 4, 'C-1', 2, 'Other', 'd', 'shop', 1, x'00')",
        f"INSERT OR REPLACE {_INSERT} (1, 4, 'C-1', 3, 'Other', 'a', 'shop', 1, x'00')",
        f"INSERT OR IGNORE {_INSERT} (1, 3, 'C-2', 1, 'Other', 'c', 'shop', 1, x'00')",
        f"INSERT {_INSERT} (1, 3, 'C-3', 1, 'Other', 'd', 'shop', 1, x'00')",
        f"INSERT {_INSERT} (1, 5, 'C-3', 1, 'Other', 'd', 'shop', 1, x'00')",
    ],
)
def test_the_file_itself_refuses_to_change_what_is_recorded(raw: sqlite3.Connection, statement: str) -> None:
    with closing(raw):
        everything = "SELECT * FROM touchpoints"
        before = raw.execute(everything).fetchall()
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
        assert raw.execute(everything).fetchall() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET format_version = 9",
        "DELETE FROM log",
        "INSERT OR REPLACE INTO log SELECT * FROM log",
        "UPDATE origins SET cut = 'x'",
        "DELETE FROM origins",
        "INSERT OR REPLACE INTO origins SELECT * FROM origins",
    ],
)
def test_the_file_itself_refuses_to_change_what_the_log_is(raw: sqlite3.Connection, statement: str) -> None:
    with closing(raw):
        raw.execute("INSERT INTO origins VALUES (x'00112233445566778899aabbccddeeff', 1, 'a', 'b', 1)")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE touchpoints SET kind = 'Other'",
        "DELETE FROM touchpoints",
        "DELETE FROM settings",
        "UPDATE log SET company = '{}'",
        "DROP TRIGGER touchpoints_never_updated",
        "DROP TABLE touchpoints",
        "DROP INDEX touchpoints_id",
        "ALTER TABLE touchpoints ADD COLUMN more TEXT",
        "PRAGMA writable_schema = ON",
    ],
)
def test_the_programs_own_connections_refuse_it_even_where_the_triggers_are_gone(
    raw: sqlite3.Connection, url: str, statement: str
) -> None:
    with closing(raw):
        if not statement.startswith("DROP TRIGGER"):
            for (trigger,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                raw.execute(f'DROP TRIGGER "{trigger}"')
    with closing(SQLiteLog.open(url)) as log:
        with pytest.raises(LogUnavailable, match="SQLITE_AUTH"), log.transaction(commit=True) as cursor:
            cursor.execute(statement)
        append(log, draft("C-9", "z"))
        assert list(pages(log)) == [1, 2, 3, 4]


def test_who_only_reads_a_file_cannot_write_it(raw: sqlite3.Connection, url: str) -> None:
    raw.close()
    for opened in (open_audit_rows, open_sweep, open_reading):
        with closing(opened(url)) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
            # They offer no way to send a statement, which is the point.
            reader._connection.execute("INSERT INTO tracking VALUES ('me', 1)")  # type: ignore[union-attr]  # noqa: SLF001


def _steps(reader: SQLiteSweep | SQLiteAuditRows, read: Callable[[], object]) -> int:
    """How many steps SQLite's own machine takes to read something."""
    taken = []
    connection = reader._connection  # noqa: SLF001 - they offer no way to count
    connection.set_progress_handler(lambda: taken.append(1), 1)
    read()
    connection.set_progress_handler(None, 1)
    return len(taken)


def test_a_part_costs_what_it_holds_however_long_the_log_is(raw: sqlite3.Connection, url: str) -> None:
    raw.close()
    with closing(SQLiteSweep(url)) as sweep, closing(SQLiteAuditRows(url)) as rows, closing(open_log(url)) as log:
        cut = log.heads()

        def cost() -> list[int]:
            swept = _steps(sweep, lambda: sweep.read(Part(1, "", "C-1"), cut))
            return [swept, _steps(rows, lambda: rows.places(1, b"", b"C-1"))]

        cost()  # the schema is read too
        short = cost()
        append(log, *(draft(f"C-{number}", "a") for number in range(3, 100)))
        assert cost() == short


def test_the_links_index_is_of_the_link_kinds(raw: sqlite3.Connection) -> None:
    with closing(raw):
        (sql,) = raw.execute("SELECT sql FROM sqlite_schema WHERE name = 'touchpoints_link'").fetchone()
    assert sql.endswith(f"WHERE kind IN {LINK_KINDS}")


def _is_refused(url: str) -> None:
    with pytest.raises(NotOurLog):
        open_log(url)
    with pytest.raises(NotOurLog):
        create_log(url, Company())


def test_another_programs_database_is_left_alone(path: Path, url: str) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    before = path.read_bytes()
    _is_refused(url)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["log.db"]


def test_a_file_that_is_no_database_is_left_alone(path: Path, url: str) -> None:
    path.write_text("Dear diary, " * 1_000)
    before = path.read_bytes()
    _is_refused(url)
    assert path.read_bytes() == before


def test_a_folder_is_no_log(path: Path, url: str) -> None:
    path.mkdir()
    _is_refused(url)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="folder"):
        create_log(f"sqlite:///{tmp_path}/nowhere/log.db", Company())


def test_a_newer_log_is_refused(raw: sqlite3.Connection, url: str) -> None:
    with closing(raw):
        raw.execute("DROP TRIGGER log_never_updated")
        raw.execute("UPDATE log SET format_version = 99")
    with pytest.raises(NewerLog, match="99"):
        open_log(url)


def test_an_empty_file_becomes_a_log_when_asked(path: Path, url: str) -> None:
    path.touch()
    with pytest.raises(LogNotFound):
        open_log(url)
    with closing(create_log(url, Company())) as log:
        append(log, draft())
    with pytest.raises(LogExists):
        create_log(url, Company())


def test_a_log_opened_read_only_reads_and_refuses_to_write(raw: sqlite3.Connection, url: str) -> None:
    raw.close()
    with closing(open_log(f"{url}?mode=ro")) as log:
        assert list(pages(log)) == [1, 2, 3]
        with pytest.raises(LogNotWritable, match="read-only"):
            append(log, draft())
        assert list(pages(log)) == [1, 2, 3]
    with pytest.raises(LogNotWritable):
        create_log(f"{url}?mode=ro", Company())


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(url: str) -> None:
    with closing(SQLiteLog.create(url, Company())) as log:
        append(log, draft(state=b"1"))
        with log.datastore.transaction(commit=True) as cursor:
            cursor.execute(
                "PRAGMA max_page_count = 1"
            )  # SQLite takes this for a full disk: no page more than there are
        verdict = group(*(draft(state=os.urandom(5_000)) for _ in range(100)))
        with pytest.raises(LogNotWritable, match="full"):
            log.append([verdict])
        assert list(pages(log)) == [1]
        with log.datastore.transaction(commit=True) as cursor:
            cursor.execute("PRAGMA max_page_count = 1000000")
        log.append([verdict])
        assert list(pages(log)) == list(range(1, 102))


def test_a_writer_waits_for_another_program_to_finish(raw: sqlite3.Connection, url: str) -> None:
    with closing(raw), closing(open_log(url)) as log:
        raw.execute("BEGIN IMMEDIATE")
        waiting = Thread(target=append, args=(log, draft()))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert list(pages(log)) == [1, 2, 3]  # readers never wait
        raw.execute("ROLLBACK")
        waiting.join()
        assert list(pages(log)) == [1, 2, 3, 4]


def test_a_writer_waits_no_longer_than_the_limit(raw: sqlite3.Connection, url: str) -> None:
    with closing(raw), closing(open_log(url)) as log:
        assert isinstance(log, SQLiteLog)
        with log.datastore.transaction(commit=True) as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogUnavailable, match="another writer"):
            append(log, draft())
        raw.execute("ROLLBACK")
        append(log, draft())
        assert list(pages(log)) == [1, 2, 3, 4]


def test_a_closed_log_says_so(url: str) -> None:
    log = create_log(url, Company())
    log.close()
    for attempt in (log.heads, lambda: append(log, draft())):
        with pytest.raises(LogUnavailable, match="closed"):
            attempt()


def test_closing_waits_for_what_another_thread_is_doing(url: str) -> None:
    log = SQLiteLog.create(url, Company())
    append(log, draft())
    with log.datastore.transaction(commit=False) as reader:
        closing_thread = Thread(target=log.close)
        closing_thread.start()
        closing_thread.join(0.2)
        assert closing_thread.is_alive()
        reader.execute("SELECT number FROM touchpoints")
        assert [number for (number,) in reader.fetchall()] == [1]
    closing_thread.join()
    with pytest.raises(LogUnavailable, match="closed"):
        log.heads()


def test_closing_a_factory_leaves_the_log_open(url: str) -> None:
    with closing(create_log(url, Company())) as log:
        log.factory(1).close()
        append(log, draft())
        assert list(pages(log)) == [1]


def test_of_many_processes_that_make_the_log_one_does(url: str) -> None:
    program = (
        "import sys; from adapters.addresses import create_log; from domain.company import Company;"
        "sys.excepthook = lambda kind, *_: print(kind.__name__);"
        "print(create_log(sys.argv[1], Company()).log_id.hex())"
    )
    command = [sys.executable, "-c", program, url]
    root = Path(__file__).parents[2]
    makers = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = sorted(maker.communicate()[0].strip() for maker in makers)
    with closing(open_log(url)) as log:
        assert sorted([log.log_id.hex(), "LogExists", "LogExists", "LogExists"]) == answers


@pytest.mark.parametrize(
    "address",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=memory",
        "mysql://ada:pw@host/db",
        "log.db",
        "",
    ],
)
def test_an_address_that_names_no_log_says_what_one_is(address: str) -> None:
    with pytest.raises(LogNotFound) as refusal:
        open_log(address)
    assert "sqlite:///" in refusal.value.rule
    assert "pw" not in str(refusal.value)
