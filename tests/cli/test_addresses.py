"""Addresses at which there is no log of ours, or none that can be used now."""

import json
import resource
import socket
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from adapters.settings import LIMITS
from tests.cli.program import Shell, event, orders

READING = [
    ("status",),
    ("history", "c1"),
    ("view", "loyalty"),
    ("view", "loyalty", "--subject", "c1", "--as-of", "2026-01-01"),
    ("query", "select 1"),
    ("follow", "--until-head"),
    ("quarantine", "list"),
]
WRITING = [("record", "--json", json.dumps(event())), ("run", "--once"), ("rebuild",), ("run",)]


def _refused(shell: Shell, code: int, name: str, *commands: tuple[str, ...]) -> None:
    for typed in commands:
        done = shell(*typed)
        assert (done.code, done.out) == (code, ""), (typed, done)
        assert done.err.startswith(f"{name}: "), (typed, done)
        assert "Traceback" not in done.err
        assert "secret" not in done.err


def test_no_log_at_that_address(nowhere: Shell, tmp_path: Path) -> None:
    _refused(nowhere, 7, "LogNotFound", *READING, *WRITING)
    assert list(tmp_path.iterdir()) == [], "looking made nothing"
    assert "lifecircle init" in nowhere("status").err


@pytest.mark.parametrize(
    "url",
    [
        "shop.db",
        "mysql://me:secret@db/shop",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "oracle",
        "://",
        "host=db password=secret",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    _refused(Shell(url), 7, "LogNotFound", ("init",), ("status",), ("record", "--json", json.dumps(event())))


def test_a_log_is_made_once(shop: Shell) -> None:
    shop("record", "--json", json.dumps(event()))
    _refused(shop, 8, "LogExists", ("init",))
    assert shop.head() == 1


def test_another_programs_file(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    for made in ("text", "sqlite"):
        if made == "text":
            path.write_text("dear diary " * 1000)
        else:
            path.unlink()
            with closing(sqlite3.connect(path)) as other:
                other.execute("CREATE TABLE log (x)")
        before = path.read_bytes()
        _refused(Shell(sqlite_url), 8, "NotOurLog", ("init",), *READING, *WRITING)
        assert path.read_bytes() == before
        assert [each.name for each in tmp_path.iterdir()] == ["log.db"]


def test_a_folder_in_the_files_place_and_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in ("folder", "none/log.db"):
        for typed in (("init",), ("status",), ("record", "--json", json.dumps(event()))):
            done = Shell(f"sqlite:///{tmp_path}/{place}")(*typed)
            assert done.code in (7, 8), done
            assert "Traceback" not in done.err
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_another_programs_schema(postgres_url: str, tmp_path: Path) -> None:
    shell = Shell(postgres_url)
    with psycopg.connect(postgres_url) as other:
        other.execute("CREATE SCHEMA lifecircle CREATE TABLE log (x int)")
    _refused(shell, 8, "NotOurLog", ("init",), *READING, *WRITING)
    with psycopg.connect(postgres_url) as other:
        other.execute("ALTER TABLE lifecircle.log RENAME TO other")
    _refused(shell, 8, "NotOurLog", ("init",), *READING, *WRITING)
    assert list(tmp_path.iterdir()) == []


def test_a_log_from_a_newer_version(shop: Shell, tmp_path: Path) -> None:
    if shop.url.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as raw:
            for (trigger,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                raw.execute(f'DROP TRIGGER "{trigger}"')
            raw.execute("UPDATE log SET format_version = 99")
    else:
        with psycopg.connect(shop.url) as raw:
            raw.execute("ALTER TABLE lifecircle.log DISABLE TRIGGER append_only")
            raw.execute("UPDATE lifecircle.log SET format_version = 99")
    _refused(shop, 8, "NewerLog", *READING, *WRITING)


def test_a_server_that_is_not_there(postgres_url: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        elsewhere = [
            f"postgresql://me:secret@127.0.0.1:{port}/shop",
            "postgresql://me:secret@/shop?host=/nowhere",
            "postgresql://me:secret@no-such-host.invalid/shop",
            postgres_url.replace("@/", "@/none"),
            postgres_url.replace("postgres@", "nobody-we-know@"),
        ]
        for url in elsewhere:
            _refused(Shell(url), 7, "LogUnavailable", ("status",), ("init",), ("run", "--once"))
    _refused(Shell("postgresql://me:secret@[::1/shop"), 7, "LogUnavailable", ("status",), ("init",))


def test_a_read_only_file(file_shop: Shell, tmp_path: Path) -> None:
    file_shop("record", "--json", json.dumps(event()))
    file_shop("run", "--once")
    reader = file_shop.at(f"{file_shop.url}?mode=ro")
    assert [reader(*typed).code for typed in READING] == [0] * len(READING)
    _refused(reader, 7, "LogNotWritable", ("record", "--json", json.dumps(event(id="e2"))), ("init",))
    assert file_shop.head() == 1


def test_a_read_only_database(postgres_url: str) -> None:
    shell = Shell(postgres_url)
    shell("init")
    shell("record", "--json", json.dumps(event()))
    shell("run", "--once")
    reader = shell.at(f"{postgres_url}&options={quote('-c default_transaction_read_only=on')}")
    assert [reader(*typed).code for typed in READING] == [0] * len(READING)
    _refused(reader, 7, "LogNotWritable", ("record", "--json", json.dumps(event(id="e2"))), ("rebuild",))
    assert shell.head() == 1


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_keep_every_text(postgres_url: str, encoding: str) -> None:
    url = postgres_url.replace("/t", "/narrow_t")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        narrow = Identifier(f"narrow_{server.info.dbname}")
        made = SQL("CREATE DATABASE {} TEMPLATE template0 LOCALE 'C' ENCODING {}")
        server.execute(made.format(narrow, Literal(encoding)))
        try:
            _refused(Shell(url), 7, "LogNotWritable", ("init",))
            assert "createdb" in Shell(url)("init").err
            _refused(Shell(url), 7, "LogNotFound", ("status",))
        finally:
            server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(narrow))


def test_a_disk_that_is_full(file_shop: Shell, tmp_path: Path) -> None:
    """A quota on the size of files, as the disk's end: what was taken is kept, and the rest can be sent again."""
    room = (tmp_path / "log.db").stat().st_size + 500_000

    def quota() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    some, many = orders(["first"]).encode(), orders([f"c{n}" for n in range(1500)]).encode()
    typed = ("record", "--json", "-", "--format", "json")
    assert file_shop.run(*typed, stdin=some, begin=quota).code == 0
    done = file_shop.run(*typed, stdin=many, begin=quota)
    assert (done.code, done.out) == (7, "")
    assert done.error["error"] == "LogNotWritable"
    assert "send again" in done.error["way_out"]
    assert 1 <= file_shop.head() < 1501
    assert file_shop("record", "--json", "-", stdin=many).code == 0, "with room again, it goes on"
    followed = [json.loads(line)["id"] for line in file_shop("follow", "--until-head").out.splitlines()]
    assert len(followed) == len(set(followed)) == 1501


def test_views_that_another_program_overwrote(file_shop: Shell, tmp_path: Path) -> None:
    file_shop("record", "--json", json.dumps(event()))
    (tmp_path / "log.views.db").write_text("dear diary " * 1000)
    for typed in (("view", "loyalty"), ("run", "--once"), ("rebuild",)):
        done = file_shop(*typed)
        assert done.code in (1, 7, 8), (typed, done)
        assert done.err.startswith(("NotOurLog: ", "LogUnavailable: ")), (typed, done)
    told = file_shop("status").out
    assert "unreadable (views)" in told
    assert "breaches     not known" in told
    assert file_shop("history", "c1").code == 0, "the log itself is untouched"


def test_the_id_key_is_its_owners_alone_and_never_overwritten(sqlite_url: str, tmp_path: Path) -> None:
    assert Shell(sqlite_url)("init").code == 0
    key = tmp_path / "log.key"
    assert key.stat().st_mode & 0o077 == 0
    before = key.read_text()
    assert Shell(sqlite_url)("init").code == 8
    assert key.read_text() == before


def test_a_query_that_takes_too_long(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shop("run", "--once")
    for module in ("adapters.sqlite.report", "adapters.postgres.report", "adapters.sqlite.tables"):
        monkeypatch.setattr(f"{module}.LIMITS", replace(LIMITS, query_wait_s=0.2), raising=False)
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
    for sql in (endless, *(["select pg_sleep(60)"] if shop.url.startswith("postgres") else [])):
        done = shop("query", sql)
        assert (done.code, done.out) == (3, "")
        assert done.err.startswith("QueryRefused: ")
