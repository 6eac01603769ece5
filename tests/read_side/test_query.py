"""What analysts may ask, and what is refused."""

from datetime import UTC, date, datetime

import psycopg
import pytest

from adapters.engine import Engine
from adapters.views.projector import Projector
from adapters.views.rebuild import rebuild
from adapters.views.tables import Tables, ViewNotBuilt, open_tables
from domain.errors import QueryRefused, UnknownView
from tests.moment import pin
from tests.read_side.story import Tally, TallyShort, called, contents

REFUSED = [
    "DELETE FROM tally",
    "UPDATE tally SET calls = 1",
    "INSERT INTO tally VALUES ('x', 1, 1.0)",
    "DROP VIEW tally",
    "CREATE TABLE mine (a int)",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW tally",
    "WITH gone AS (DELETE FROM tally RETURNING 1) SELECT * FROM gone",
    "ATTACH DATABASE 'other.db' AS other",
    "PRAGMA query_only = OFF",
    "SELECT load_extension('x')",
    "SET transaction_read_only = off",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "VACUUM",
    "BEGIN",
    "COMMIT",
    "SELECT * FROM nowhere",
    "SELEC 1",
    "",
    "-- nothing",
    "SELECT 'a\0b'",
    "SELECT '\ud800'",
]


@pytest.fixture
def buckets() -> int:
    """One: questions are asked of rows, and know no buckets."""
    return 1


@pytest.fixture
def filled(engine: Engine, tally: Tables) -> Tables:
    engine.append([called("anna", "a1"), called("bert", "b1")])
    Projector(engine.log, tally, engine.company).run_once()
    return tally


@pytest.mark.parametrize("sql", REFUSED)
def test_all_but_one_reading_statement_is_refused(filled: Tables, sql: str) -> None:
    before = contents(filled)
    with pytest.raises(QueryRefused):
        filled.query(sql)
    assert contents(filled) == before


def test_one_select_is_answered_with_its_columns(filled: Tables) -> None:
    sql = "WITH all_calls AS (SELECT * FROM tally) SELECT subject, calls * 10 AS tenfold, '50 %' AS half FROM all_calls"
    assert filled.query(sql) == (["subject", "tenfold", "half"], [("anna", 10, "50 %"), ("bert", 10, "50 %")])
    assert filled.query(sql + ";", limit=1)[1] == [("anna", 10, "50 %")]


def test_a_refusal_does_not_echo_what_stands_in_a_row(filled: Tables) -> None:
    on_each = {
        "postgresql": "SELECT CAST(subject AS integer) FROM tally",
        "sqlite": "SELECT json_extract('{}', subject) FROM tally",
    }
    with pytest.raises(QueryRefused) as refused:
        filled.query(on_each[filled.url.partition(":")[0]])
    assert "anna" not in str(refused.value)


def test_rows_are_of_one_subject_or_of_all(filled: Tables) -> None:
    assert filled.rows("tally") == (["subject", "calls", "share"], [("anna", 1, 0.1), ("bert", 1, 0.1)])
    assert filled.rows("tally", "bert")[1] == [("bert", 1, 0.1)]
    assert filled.rows("tally", "nobody")[1] == []
    with pytest.raises(UnknownView):
        filled.rows("nonsense")


def test_before_the_first_fold_there_is_nothing_to_ask(tally: Tables) -> None:
    with pytest.raises(ViewNotBuilt, match="lifecircle rebuild"):
        tally.rows("tally")


def test_today_is_the_clock_of_the_last_commit_unless_it_is_pinned(engine: Engine, tally: Tables) -> None:
    projector = Projector(engine.log, tally, engine.company)
    projector.run_once()
    now = tally.query("SELECT at, day, dayno FROM moment")[1][0]
    assert abs(now[0] / 1e6 - datetime.now(UTC).timestamp()) < 600
    assert now[2] == date.fromisoformat(now[1]).toordinal()
    # Half past eleven at night in UTC is already tomorrow in London's summer.
    pin(tally, int(datetime(2026, 6, 30, 23, 30, tzinfo=UTC).timestamp()) * 1_000_000)
    engine.append([called("anna", "a1")])
    projector.run_once()
    assert tally.query("SELECT day FROM today")[1] == [("2026-07-01",)]


def test_grants_outlive_a_switch(postgres_url: str) -> None:
    with Engine.create(postgres_url) as engine, psycopg.connect(postgres_url, autocommit=True) as connection:
        engine.append([called("anna", "a1")])
        tables = open_tables(engine.url, engine.company)
        rebuild(engine.log, tables, engine.company)
        connection.execute("GRANT SELECT ON report.contacts TO PUBLIC")
        rebuild(engine.log, tables, engine.company)
        tables.close()
        granted = connection.execute("SELECT has_table_privilege('public', 'report.contacts', 'SELECT')").fetchone()
        assert granted == (True,)


def test_grants_come_back_where_columns_changed(postgres_url: str) -> None:
    with Engine.create(postgres_url) as engine, psycopg.connect(postgres_url, autocommit=True) as connection:
        for view in (Tally, TallyShort):
            tables = open_tables(engine.url, engine.company, {"tally": view})
            rebuild(engine.log, tables, engine.company)
            if view is Tally:
                connection.execute("GRANT SELECT ON report.tally TO PUBLIC")
            tables.close()
        assert connection.execute("SELECT has_table_privilege('public', 'report.tally', 'SELECT')").fetchone() == (
            True,
        )
        assert len(connection.execute("SELECT * FROM report.tally LIMIT 0").description or ()) == 2
