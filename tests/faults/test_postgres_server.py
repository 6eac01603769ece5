"""The server killed, down, wrong, read-only, full: named errors, and nothing acknowledged is lost."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from time import sleep

import psycopg
import pytest

from adapters.log import Draft, Group, Receipt
from adapters.postgres import PostgresLog
from domain.company import Company
from domain.errors import LogNotFound, LogNotWritable, LogUnavailable, NewerLog, NotOurLog
from tests.cli.program import ROOT
from tests.postgres_server import PostgresServer

KILLS = 2
WRITERS = 4


def _draft(stream: str, at: int) -> Draft:
    return Draft(stream, "ContactMade", f"id-{at}", "shop", 0, "test", b"{}")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.remove()


def test_a_server_whose_program_was_killed_is_removed_by_the_next() -> None:
    begin = "from tests.postgres_server import PostgresServer as P; print(P().home, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", begin], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout
        left = Path(program.stdout.readline().strip())
        program.kill()
    postmaster = int((left / "data" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, 0)  # it is at work still
    PostgresServer().remove()
    assert not left.exists()
    with suppress(ProcessLookupError):
        for _ in range(100):  # it has let go of its files, and ends
            os.kill(postmaster, 0)
            sleep(0.1)
        pytest.fail("the server is at work still")


def test_a_killed_server_loses_nothing_that_was_acknowledged(server: PostgresServer) -> None:
    log = PostgresLog.create(server.url(), Company())
    acknowledged: dict[int, list[Receipt]] = {writer: [] for writer in range(WRITERS)}
    enough = False

    def write(writer: int) -> None:
        while not enough:
            at = len(acknowledged[writer])
            [verdict] = log.append([Group((_draft(f"customer-{writer}", at),), {f"customer-{writer}": at})])
            assert isinstance(verdict, list), verdict
            acknowledged[writer] += verdict

    threads = [Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        so_far = {writer: len(receipts) for writer, receipts in acknowledged.items()}
        while any(len(acknowledged[writer]) < so_far[writer] + 10 for writer in range(WRITERS)):
            sleep(0.01)
            assert all(thread.is_alive() for thread in threads)
        server.kill_and_restart()
    enough = True
    for thread in threads:
        thread.join()

    stored = log.read(log.start(), 1_000_000)
    assert [each.number for each in stored] == list(range(1, len(stored) + 1))
    assert len({(each.stream, each.id) for each in stored}) == len(stored), "doubled"
    places = {(each.stream, each.version): each.number for each in stored}
    receipts = [receipt for each in acknowledged.values() for receipt in each]
    assert len(receipts) == len(stored)
    assert all(places[receipt.stream, receipt.version] == receipt.number for receipt in receipts)
    log.close()


def test_a_server_that_is_down_is_said_to_be_unavailable() -> None:
    with tempfile.TemporaryDirectory() as empty, pytest.raises(LogUnavailable) as caught:
        PostgresLog.open(f"postgresql://postgres:secret@/shop?host={empty}")
    assert caught.value.way_out
    assert "secret" not in str(caught.value)


def test_an_unknown_database_is_unavailable_and_an_empty_one_holds_no_log(postgres_url: str) -> None:
    with pytest.raises(LogUnavailable, match="does not exist"):
        PostgresLog.open(postgres_url.replace("@/t", "@/no"))
    with pytest.raises(LogNotFound):
        PostgresLog.open(postgres_url)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(LogUnavailable):
        PostgresLog.open("postgresql://shop?port=")


@pytest.mark.parametrize("foreign", ["CREATE SCHEMA lifecircle", "CREATE TABLE lifecircle.log (log_id text)"])
def test_something_else_in_the_place_of_a_log_is_not_touched(postgres_url: str, foreign: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS lifecircle" if "TABLE" in foreign else "SELECT 1")
        connection.execute(foreign.encode())
    with pytest.raises(NotOurLog):
        PostgresLog.open(postgres_url)
    with pytest.raises(NotOurLog):
        PostgresLog.create(postgres_url, Company())


def test_a_log_of_a_newer_version_is_refused(postgres_url: str) -> None:
    PostgresLog.create(postgres_url, Company()).close()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE lifecircle.log DISABLE TRIGGER append_only")
        connection.execute("UPDATE lifecircle.log SET format_version = 1000")
    with pytest.raises(NewerLog):
        PostgresLog.open(postgres_url)


def test_a_read_only_database_can_be_read_and_not_written(postgres_url: str) -> None:
    read_only = f"{postgres_url}&options=-c%20default_transaction_read_only%3Don"
    with pytest.raises(LogNotWritable):
        PostgresLog.create(read_only, Company())
    with closing(PostgresLog.create(postgres_url, Company())) as log:
        log.append([Group((_draft("customer", 1),))])
    with closing(PostgresLog.open(read_only)) as log:
        assert log.version("customer") == 1
        with pytest.raises(LogNotWritable):
            log.append([Group((_draft("customer", 2),))])


def test_a_full_disk_stores_nothing_and_says_so(postgres_url: str) -> None:
    with closing(PostgresLog.create(postgres_url, Company())) as log:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
                "CREATE TRIGGER full_disk AFTER INSERT ON lifecircle.touchpoints EXECUTE FUNCTION public.full_disk()"
            )
        with pytest.raises(LogNotWritable, match="disk"):
            log.append([Group((_draft("customer", 1), _draft("customer", 2)))])
        assert log.version("customer") == 0


def test_what_is_stored_cannot_be_changed_or_deleted(postgres_url: str) -> None:
    with closing(PostgresLog.create(postgres_url, Company())) as log:
        log.append([Group((_draft("customer", 1),))])
    for change in ("UPDATE {} SET kind = 'Other'", "DELETE FROM {}", "TRUNCATE {}"):
        with psycopg.connect(postgres_url) as connection, pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute(change.format("lifecircle.touchpoints").encode())


@pytest.mark.parametrize(
    "append",
    [
        "append_v1('{0}', '{1}', '{c}', NULL, '{K}', '{1}', '{s}', '{0}', '{t}', '{x}', '{}', '{}', '{}', '{}', '{}')",
        "append_one_v1(1, 'c', 'K', '1', 's', 0, 't', 'x', NULL, NULL)",
    ],
    ids=["judged", "one"],
)
def test_a_receipt_waits_for_the_disk_whatever_the_session_prefers(postgres_url: str, append: str) -> None:
    with closing(PostgresLog.create(postgres_url, Company())):
        pass
    with psycopg.connect(postgres_url) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(f"SELECT * FROM lifecircle.{append}".encode())
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_statements_that_the_server_no_longer_has_are_prepared_again(postgres_url: str) -> None:
    with closing(PostgresLog.create(postgres_url, Company())) as log:
        for at in range(1, 4):
            [receipts] = log.append([Group((_draft("customer", at),))])
            assert isinstance(receipts, list)
            assert receipts[0].version == at
            with log.datastore.connection() as connection:
                connection.execute("DEALLOCATE ALL")  # as the driver does after a rollback


def test_a_table_without_statistics_is_never_scanned(postgres_url: str) -> None:
    log = PostgresLog.create(postgres_url, Company())
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE lifecircle.touchpoints SET (autovacuum_enabled = false)")
        for batch in range(20):
            log.append(
                [Group((_draft(f"customer-{batch}-{at}", 1), _draft(f"customer-{batch}-{at}", 2))) for at in range(100)]
            )
            for at in range(10):
                log.append([Group((_draft(f"customer-{batch}-{at}", 3),), {f"customer-{batch}-{at}": 2})])
                log.append([Group((_draft(f"customer-{batch}-{at}", 4),))])
                log.append([Group((_draft(f"customer-{batch}-{at}", 3), _draft(f"customer-{batch}-{at}", 1)))])
        log.close()  # a session reports what it did when it ends
        counts = (0, 0, 0, 0)
        while counts[2] < 20 * 220:
            sleep(0.05)
            [counts] = connection.execute(
                "SELECT seq_scan, idx_scan, n_tup_ins, analyze_count + autoanalyze_count FROM pg_stat_user_tables"
                " WHERE relname = 'touchpoints'"
            ).fetchall()
    scans, look_ups, inserted, analysed = counts
    # A repeat that comes with others is tried as new first, so a few more are inserted than stay.
    assert inserted >= 20 * 220
    assert analysed == 0
    assert look_ups > inserted
    assert scans <= 4, "the making of its four indexes scans an empty table; nothing else may"
