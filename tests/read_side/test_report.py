"""Analysts' doors: a meaning for every column, and an account that reads the report and nothing else."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from adapters.engine import Engine
from adapters.postgres.report import ReportInUse
from adapters.postgres.roles import make_roles, roles
from adapters.views.rebuild import rebuild
from adapters.views.selecting import Clause, compared, literal, select
from adapters.views.tables import Tables, Views, open_tables
from projections import view_named, views
from projections.dictionary import entries, relations
from tests.read_side.story import Tally, TallyShort, called, ordered

NAMES = [relation.name for relation in relations(views().values())]


@pytest.fixture
def filled(engine: Engine, tables: Tables) -> Tables:
    engine.append([called("anna", "a1"), ordered("anna", "a2")])
    rebuild(engine.log, tables, engine.company)
    return tables


def test_the_dictionary_tells_every_column_of_all_that_can_be_read(filled: Tables) -> None:
    columns, told = filled.query("SELECT * FROM dictionary ORDER BY relation, place")
    assert columns == ["relation", "form", "about", "place", "column_name", "meaning"]
    assert sorted(told) == sorted(map(tuple, entries(relations(views().values()))))
    assert all(all(str(cell).strip() for cell in row) for row in told)
    for name in NAMES:
        found = filled.query(f"SELECT * FROM {name}", limit=1)[0]
        assert found == [row[4] for row in told if row[0] == name], name


def test_the_dictionary_keeps_step_with_the_views(engine: Engine) -> None:
    for view, columns in ((Tally, ["subject", "calls", "share"]), (TallyShort, ["subject", "calls"])):
        with closing(open_tables(engine.url, engine.company, {"tally": view})) as tables:
            rebuild(engine.log, tables, engine.company)
            told = tables.query("SELECT column_name FROM dictionary WHERE relation = 'tally' ORDER BY place")[1]
            assert [column for (column,) in told] == columns


def test_a_value_in_a_statement_is_that_value_even_where_a_server_reads_backslashes(filled: Tables) -> None:
    if filled.url.startswith("postgresql"):
        with psycopg.connect(filled.url, autocommit=True) as connection:
            name = Identifier(connection.info.dbname)
            connection.execute(SQL("ALTER DATABASE {} SET standard_conforming_strings = off").format(name))
    for text in ("it's", "\\", "\\' OR 1 = 1 --", '"', "%s", "漢", ""):
        said = Clause(f"{literal(text)} AS said")
        assert filled.query(select("moment", [said], [compared("day", "<>", text)]))[1] == [(text,)]


def test_in_postgresql_the_comments_say_what_the_dictionary_says(postgres_url: str) -> None:
    with Engine.create(postgres_url) as engine, closing(open_tables(engine.url, engine.company)) as tables:
        rebuild(engine.log, tables, engine.company)
        commented = tables.query(
            "SELECT class.relname, obj_description(class.oid), attribute.attnum, attribute.attname,"
            " col_description(class.oid, attribute.attnum) FROM pg_class AS class"
            " JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0"
            " WHERE class.relnamespace = 'report'::regnamespace"
        )[1]
        told = tables.query("SELECT relation, about, place, column_name, meaning FROM dictionary")[1]
    assert sorted(commented) == sorted(told)
    assert {row[0] for row in commented} == set(NAMES)


@pytest.fixture
def analyst(postgres_url: str) -> Iterator[str]:
    """The address of a second account of a server, known to nobody yet."""
    name = "ana_" + postgres_url.partition("/t")[2][:16]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN".encode())
        yield postgres_url.replace("postgres@", f"{name}@")
        connection.execute(f"DROP OWNED BY {name}".encode())
        connection.execute(f"DROP ROLE {name}".encode())


def _granted(url: str, analyst: str) -> None:
    """Make our account a member of the log's role for analysts."""
    make_roles(url)
    name = analyst.partition("//")[2].partition("@")[0]
    role = next(each.role for each in roles(url) if each.role.endswith("_analyst"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"GRANT {role} TO {name}".encode())


REFUSED = [
    "SELECT * FROM lifecircle.touchpoints",
    "SELECT * FROM lifecircle.log",
    "SELECT * FROM lifecircle.quarantine",
    "SELECT * FROM lifecircle_views.contacts_g1",
    "SELECT * FROM lifecircle_views.generations",
    "SELECT lifecircle.refuse_change()",
    "DELETE FROM report.contacts",
    "UPDATE report.loyalty SET orders = 7",
    "INSERT INTO report.dictionary VALUES ('a', 'b', 'c', 1, 'd', 'e')",
    "UPDATE report.moment SET day = '2000-01-01'",
    "TRUNCATE lifecircle.touchpoints",
    "DROP VIEW report.funnel",
    "CREATE TABLE report.mine (a int)",
    "CREATE TABLE public.mine (a int)",
]


def test_an_analysts_account_reads_the_report_and_nothing_else(postgres_url: str, analyst: str) -> None:
    with Engine.create(postgres_url) as engine, closing(open_tables(engine.url, engine.company)) as tables:
        engine.append([called("anna", "a1"), ordered("anna", "a2")])
        rebuild(engine.log, tables, engine.company)
        with psycopg.connect(analyst, autocommit=True) as ana:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ana.execute("SELECT * FROM report.contacts")
            _granted(postgres_url, analyst)
            for name in NAMES:
                ana.execute(f"SELECT * FROM report.{name}".encode())
            assert ana.execute("SELECT orders FROM report.loyalty").fetchall() == [(1,)]
            for statement in REFUSED:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    ana.execute(statement.encode())
            engine.append([ordered("anna", "a3")])
            rebuild(engine.log, tables, engine.company)
            assert ana.execute("SELECT orders FROM report.loyalty").fetchall() == [(2,)]


def test_an_account_keeps_its_rights_when_columns_change_and_gets_them_on_views_that_come(
    postgres_url: str, analyst: str
) -> None:
    with Engine.create(postgres_url) as engine, psycopg.connect(analyst, autocommit=True) as ana:
        stages: list[Views] = [{"tally": Tally}, {"tally": TallyShort, **views()}]
        for chosen in stages:
            with closing(open_tables(engine.url, engine.company, chosen)) as tables:
                rebuild(engine.log, tables, engine.company)
                if list(chosen) == ["tally"]:
                    _granted(postgres_url, analyst)
                ana.execute("SELECT * FROM report.tally")
        for name in NAMES:
            ana.execute(f"SELECT * FROM report.{name}".encode())


def test_what_others_built_upon_a_view_outlives_switches_and_stops_a_change_of_its_columns(postgres_url: str) -> None:
    with Engine.create(postgres_url) as engine, psycopg.connect(postgres_url, autocommit=True) as connection:
        with closing(open_tables(engine.url, engine.company, {"tally": Tally})) as tables:
            rebuild(engine.log, tables, engine.company)
            connection.execute("CREATE VIEW public.mine AS SELECT share FROM report.tally")
            connection.execute("DROP VIEW report.calls")
            engine.append([called("anna", "a1")])
            rebuild(engine.log, tables, engine.company)
            assert connection.execute("SELECT share FROM public.mine").fetchall() == [(0.1,)]
            assert tables.query("SELECT calls FROM calls")[1] == [(1,)], "it stands again"
        with closing(open_tables(engine.url, engine.company, {"tally": TallyShort})) as tables:
            with pytest.raises(ReportInUse, match="mine"):
                rebuild(engine.log, tables, engine.company)
            assert connection.execute("SELECT share FROM public.mine").fetchall() == [(0.1,)]
            connection.execute("DROP VIEW public.mine")
            rebuild(engine.log, tables, engine.company)
            assert tables.query("SELECT * FROM tally")[0] == ["subject", "calls"]


def test_questions_that_rest_on_each_other_go_together_however_often_they_were_replaced(postgres_url: str) -> None:
    def rebuilt(*names: str) -> list[str]:
        with closing(open_tables(engine.url, engine.company, {name: view_named(name) for name in names})) as tables:
            rebuild(engine.log, tables, engine.company)
            return [name for (name,) in tables.query("SELECT DISTINCT relation FROM dictionary")[1]]

    with Engine.create(postgres_url) as engine:
        for _ in range(2):
            assert {"serving_costs", "fx_in_force"} <= set(rebuilt("costs", "fx_rates", "tickets")), "one on the other"
        assert "serving_costs" not in rebuilt("fx_rates")


def test_the_views_of_sqlite_open_read_only_for_any_client(sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine, closing(open_tables(engine.url, engine.company)) as tables:
        engine.append([ordered("anna", "a1")])
        rebuild(engine.log, tables, engine.company)
    file = sqlite_url.removeprefix("sqlite:///").replace(".db", ".views.db")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as reader:
        for name in NAMES:
            assert [column[0] for column in reader.execute(f"SELECT * FROM {name}").description]
        assert reader.execute("SELECT orders FROM loyalty").fetchall() == [(1,)]
        for statement in ("DELETE FROM dictionary", "UPDATE reference_time SET day = ''", "DROP VIEW funnel"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.execute(statement)
