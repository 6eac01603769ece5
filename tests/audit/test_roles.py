"""Append-only in the database: every role tries every verb on every table and function of a real server."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection, errors, sql

from adapters.engine import Engine
from adapters.postgres.roles import FUNCTIONS, NEVER_CHANGED, REPORT_READERS, ROLES, TABLES
from tests.cli.program import Shell, orders
from tests.conftest import fresh_database

VERBS = {
    "SELECT": "SELECT 1 FROM {table}",
    "INSERT": "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE": "UPDATE {table} SET {column} = NULL WHERE false",
    "DELETE": "DELETE FROM {table} WHERE false",
    "TRUNCATE": "TRUNCATE {table}",
    "ALTER": "ALTER TABLE {table} ADD COLUMN more int",
    "DISABLE TRIGGER": "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "CREATE TRIGGER": "CREATE TRIGGER other AFTER INSERT ON {table} EXECUTE FUNCTION lifecircle.refuse_change()",
    "DROP": "DROP TABLE {table}",
}
CHANGES = ("UPDATE", "DELETE", "TRUNCATE")


class Shop(NamedTuple):
    """A log that was begun by the program, with an account for each role."""

    url: str
    accounts: dict[str, str]

    def connected(self, role: str) -> "Connection[tuple[object, ...]]":
        return psycopg.connect(self.accounts[role])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with fresh_database() as url, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("shop"))
        done = Shell(url)("init")
        assert (done.code, done.err) == (0, "")
        named = {row["role"].rpartition("_")[2]: row["role"] for row in Shell(url)("roles", "--format", "json").json}
        accounts = {role: f"{role}_{uuid4().hex[:8]}" for role in ROLES}
        with psycopg.connect(url, autocommit=True) as admin:
            for role, account in accounts.items():
                admin.execute(f"CREATE ROLE {account} LOGIN".encode())
                admin.execute(f"GRANT {named[role]} TO {account}".encode())
        yield Shop(url, {role: url.replace("postgres@", f"{account}@") for role, account in accounts.items()})
        with psycopg.connect(url, autocommit=True) as admin:
            for each in (*accounts.values(), *named.values()):
                admin.execute(f"DROP OWNED BY {each} CASCADE".encode())
            for each in (*accounts.values(), *named.values()):
                admin.execute(f"DROP ROLE {each}".encode())


def outcome(connection: Connection[tuple[object, ...]], statement: bytes | sql.Composed) -> str:
    """What becomes of a statement: allowed, denied, or refused by the trigger. It is undone in any case."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except errors.InsufficientPrivilege:
        return "denied"
    except errors.RestrictViolation:
        return "refused"
    except psycopg.Error:
        return "allowed"  # and then something was wrong with the row
    return "allowed"


def wanted(role: str, table: str, verb: str) -> str:
    if role == "migration":
        return "refused" if table in NEVER_CHANGED and verb in CHANGES else "allowed"
    return "allowed" if verb in TABLES[table].get(role, ()) else "denied"


def columns_of(connection: Connection[tuple[object, ...]], schema: str) -> dict[str, str]:
    """The tables of a schema, each with one of its columns."""
    found = connection.execute(
        "SELECT c.relname, min(a.attname) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 GROUP BY 1",
        (schema,),
    )
    return {str(name): str(column) for name, column in found}


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_do_what_the_table_says_and_nothing_else(shop: Shop, role: str) -> None:
    with psycopg.connect(shop.url) as admin, shop.connected(role) as connection:
        tables = columns_of(admin, "lifecircle")
        assert set(tables) == set(TABLES), "a table of the log has no line in the table of rights"
        found, expected = {}, {}
        for (table, column), (verb, statement) in product(tables.items(), VERBS.items()):
            filled = statement.format(table=f"lifecircle.{table}", column=f'"{column}"')
            found[table, verb] = outcome(connection, filled.encode())
            expected[table, verb] = wanted(role, table, verb)
        assert found == expected


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_call_what_the_table_says_and_nothing_else(shop: Shop, role: str) -> None:
    with psycopg.connect(shop.url) as admin, shop.connected(role) as connection:
        functions = admin.execute(
            "SELECT proname::text, pronargs, prosecdef, proconfig, pg_get_userbyid(proowner) FROM pg_proc"
            " WHERE pronamespace = 'lifecircle'::regnamespace"
        ).fetchall()
        assert {name for name, *_ in functions} == set(FUNCTIONS), "a function has no line in the table of rights"
        for name, arguments, definer, config, owner in functions:
            call = f"SELECT lifecircle.{name}({', '.join(['NULL'] * arguments)})"
            allowed = role == "migration" or role in FUNCTIONS[name]
            assert outcome(connection, call.encode()) == ("allowed" if allowed else "denied"), name
            if definer:
                assert owner.endswith("_migration")
                assert "search_path=pg_catalog, lifecircle, pg_temp" in config, name
        assert {name for name, _, definer, *_ in functions if definer} == {
            "append_v1",
            "append_facts_v1",
            "take_locks_v1",
        }


def test_nobody_but_the_owner_can_change_history_and_even_the_owner_meets_the_trigger(shop: Shop) -> None:
    with psycopg.connect(shop.url) as superuser:
        superuser.execute("SET session_replication_role = replica")
        for table, verb in product(NEVER_CHANGED, CHANGES):
            assert all(verb not in rights for rights in TABLES[table].values())
            column = columns_of(superuser, "lifecircle")[table]
            change = VERBS[verb].format(table=f"lifecircle.{table}", column=column)
            assert outcome(superuser, change.encode()) == "refused"


def test_each_role_does_its_own_work(shop: Shop) -> None:
    at = {role: Shell(url) for role, url in shop.accounts.items()}
    assert at["appender"]("record", "--json", "-", stdin=orders(["anna", "bert"])).code == 0
    strict = ("record", "OrderPlaced", "--strict", "--subject", "anna", "total=3 EUR")
    assert at["appender"](*strict, "order=o2").code == 0
    assert at["operator"]("run", "--once").code == 0
    assert at["auditor"]("history", "anna").code == 0
    assert at["auditor"]("seal", "--seal", "shop.seal").code == 0
    assert at["auditor"]("verify", "--seal", "shop.seal", "--key", "shop.seal/key.pub").code == 0
    for role, command in (
        ("auditor", (*strict, "order=o3")),
        ("analyst", ("history", "anna")),
        ("appender", ("run", "--once")),
    ):
        denied = at[role](*command)
        assert (denied.code, "lacks a right" in denied.err) == (7, True), denied
    for role in ROLES:
        with shop.connected(role) as connection:
            for name in columns_of(connection, "report"):
                read = outcome(connection, f"SELECT 1 FROM report.{name}".encode())
                assert read == ("allowed" if role in (*REPORT_READERS, "operator") else "denied"), (role, name)
            for name in columns_of(connection, "lifecircle_views"):
                read = outcome(connection, f"SELECT 1 FROM lifecircle_views.{name}".encode())
                assert read == ("allowed" if role == "operator" else "denied"), (role, name)


def test_an_account_that_may_make_no_roles_says_so_and_an_administrator_makes_them(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("shop"))
    account = f"maker_{uuid4().hex[:8]}"
    own = Shell(postgres_url.replace("postgres@", f"{account}@"))
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {account} LOGIN".encode())
        database = postgres_url.partition("@/")[2].partition("?")[0]
        admin.execute(f"GRANT CREATE ON DATABASE {database} TO {account}".encode())
        done = own("init")
        assert (done.code, "RolesNotMade" in done.err, "lifecircle roles --sql" in done.err) == (0, True, True)
        assert {row["members"] for row in own("roles", "--format", "json").json} == {"(not made)"}
        assert own("record", "--json", "-", stdin=orders(["anna"])).code == 0, "the owner can use it meanwhile"
        script = own("roles", "--sql").out
        for _ in range(2):
            admin.execute(script.encode())
        members = {row["role"].rpartition("_")[2]: row["members"] for row in own("roles", "--format", "json").json}
        assert members == dict.fromkeys(ROLES, "") | {"migration": account, "operator": account}
        assert own("record", "--json", "-", stdin=orders(["bert"])).code == 0
        assert own("run", "--once").code == 0


def test_two_logs_of_one_server_have_roles_of_their_own(shop: Shop, postgres_url: str) -> None:
    with Engine.create(postgres_url):
        pass
    names = [{row["role"] for row in Shell(url)("roles", "--format", "json").json} for url in (shop.url, postgres_url)]
    assert not names[0] & names[1]
