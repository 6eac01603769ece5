"""The schema goes on while programs of the version before append, and says who is too old for whom."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import psycopg
import pytest

from adapters.addresses import open_log, upgrade_log
from adapters.engine import Engine
from adapters.schema_steps import KNOWN, STEPS
from domain.errors import NewerLog, OlderSchema
from tests.cli.program import ROOT, Shell
from tests.read_side.story import called


def _execute(url: str, statement: str) -> None:
    """Do something to the database of a log that no program of ours does."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            file.execute(statement)
    else:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(statement.replace("schema_steps", "lifecircle.schema_steps").encode())


@pytest.fixture
def first(url: str) -> str:
    """A log of the first schema, as it was before there were steps."""
    assert Shell(url)("init").code == 0
    _execute(url, "DROP TABLE schema_steps")
    if url.startswith("postgres"):
        _execute(url, "DROP FUNCTION lifecircle.append_one_v1")
    return url


def test_programs_of_before_go_on_while_a_log_is_upgraded_and_after(first: str) -> None:
    with pytest.raises(OlderSchema, match="lifecircle upgrade"):
        open_log(first)
    command = [sys.executable, "-m", "tests.contracts.old_writer", first]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as old:
        assert old.stdout
        assert old.stderr
        for _ in range(20):
            assert old.stdout.readline(), old.stderr.read()

        upgraded = Shell(first)("upgrade")

        assert (upgraded.code, upgraded.out) == (0, "steps taken: 1, 2\n")
        for _ in range(20):
            assert old.stdout.readline(), old.stderr.read()
        with Engine.open(first) as engine:
            assert engine.append([called("new", "n1")])[0].version == 1
        last = int(old.stdout.readline())
        old.stdout.close()
        assert old.wait(30) == 0
    with Engine.open(first) as engine:
        stream = engine.log.stream("old")
        assert [row.id for row in stream] == [f"o{number}" for number in range(1, len(stream) + 1)]
        assert len(stream) >= last
    assert upgrade_log(first) == []


def test_a_new_log_has_all_steps_and_keeps_them(url: str) -> None:
    Engine.create(url).close()

    assert Shell(url)("upgrade").out.startswith("nothing to do")
    for change in ("DELETE FROM schema_steps", "UPDATE schema_steps SET oldest = 7"):
        with pytest.raises((sqlite3.Error, psycopg.Error), match="append-only"):
            _execute(url, change)
    assert list(STEPS) == list(range(1, KNOWN + 1))


def test_a_later_step_stops_only_the_programs_that_it_says(url: str) -> None:
    Engine.create(url).close()
    _execute(url, "INSERT INTO schema_steps (step, oldest, taken) VALUES (98, 0, 1)")
    with Engine.open(url) as engine:
        assert engine.append([called("anna", "a1")])[0].version == 1

    _execute(url, "INSERT INTO schema_steps (step, oldest, taken) VALUES (99, 99, 1)")

    with pytest.raises(NewerLog, match="newer one"):
        open_log(url)
    refused = Shell(url)("status", "--format", "json")
    assert (refused.code, refused.error["error"]) == (8, "NewerLog")
