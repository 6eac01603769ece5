"""Append-only in the database: every role tries every verb on every table and function of a real server."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection, errors, sql

from adapters.engine import Engine
from adapters.postgres.keys import SCHEMA as KEYS
from adapters.postgres.roles import (
    FUNCTIONS,
    KEY_TABLES,
    NEVER_CHANGED,
    OPERATED,
    REPORT_READERS,
    ROLES,
    TABLES,
)
from tests.cli.program import Done, Shell, orders
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
RIGHTS = {"lifecircle": TABLES, KEYS: KEY_TABLES}
# Every table of the database that is not the server's own, whoever made it.
CATALOGUE = """
    SELECT nspname::text, relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""
HAS = """
    SELECT verb, has_schema_privilege(oid, 'USAGE') AND has_table_privilege(format('%%I.%%I', %s::text, %s::text), verb)
    FROM pg_namespace, unnest(%s::text[]) AS verb WHERE nspname = %s
"""


@contextmanager
def keys_on(server: str) -> Iterator[None]:
    """Have the keys of logs in a PostgreSQL database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFECIRCLE_KEYS", server)
        patch.setenv("LIFECIRCLE_KEK_FILE", "shop.kek")
        yield


class Shop(NamedTuple):
    """A log that was begun by the program, with an account for each role."""

    url: str
    accounts: dict[str, str]

    def connected(self, role: str) -> "Connection[tuple[object, ...]]":
        return psycopg.connect(self.accounts[role])

    def at(self, role: str, *arguments: str, stdin: str | None = None) -> Done:
        """Run a command as an account of a role, which reaches the key store in its own name too."""
        with keys_on(self.accounts[role]):
            return Shell(self.accounts[role])(*arguments, stdin=stdin)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with fresh_database() as url, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("shop"))
        with keys_on(url):
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


def wanted(role: str, schema: str, table: str, verb: str) -> str:
    if role == "migration" and schema == "lifecircle":
        return "refused" if table in NEVER_CHANGED and verb in CHANGES else "allowed"
    return "allowed" if verb in RIGHTS[schema][table].get(role, ()) else "denied"


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
        found, expected = {}, {}
        for schema, rights in RIGHTS.items():
            tables = columns_of(admin, schema)
            assert set(tables) == set(rights), "a table has no line in the table of rights"
            for (table, column), (verb, statement) in product(tables.items(), VERBS.items()):
                filled = statement.format(table=f"{schema}.{table}", column=f'"{column}"')
                found[schema, table, verb] = outcome(connection, filled.encode())
                expected[schema, table, verb] = wanted(role, schema, table, verb)
        assert found == expected


def test_a_log_in_use_has_no_table_whose_rights_are_not_said(shop: Shop) -> None:
    """Views, reports, keys, snapshots, what was imported, what is delivered: whatever a table is for, it is listed."""
    deliver = ("subscription", "add", f"hook-{uuid4().hex[:8]}", "https://example.org/hook")
    for command in (("run", "--once"), ("follow", "--until-head"), deliver):
        done = shop.at("operator", *command)
        assert done.code == 0, done
    verbs = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "MAINTAIN"]
    with psycopg.connect(shop.url) as admin:
        tables = admin.execute(CATALOGUE.encode()).fetchall()
    assert {schema for schema, _ in tables} == {*RIGHTS, *OPERATED}
    for role in ROLES:
        with shop.connected(role) as connection:
            for schema, table in tables:
                may = {verb for verb, has in connection.execute(HAS, (schema, table, verbs, schema)) if has}
                if schema in OPERATED:
                    reads = {"SELECT"} if role in OPERATED[schema] else set[str]()
                    assert may == (set(verbs) if role == "operator" else reads), (role, schema, table)
                elif (role, schema) == ("migration", "lifecircle"):
                    assert may == set(verbs), table
                else:
                    assert may == set(RIGHTS[schema][table].get(role, ())), (role, schema, table)


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
            "append_one_v1",
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
    strict = ("record", "OrderPlaced", "--strict", "--subject", "anna", "total=3 EUR")
    told = ("record", "ContactMade", "--subject", "bert", "mode=call")
    erase = ("erase", "bert", "--basis", "Art. 17 GDPR", "--by", "rosa")
    sealed = ("--seal", "shop.seal")
    assert shop.at("appender", "record", "--json", "-", stdin=orders(["anna", "bert"])).code == 0
    for role, command in (
        ("appender", (*strict, "order=o2")),
        ("appender", (*told, "content=hello")),
        ("operator", ("run", "--once")),
        ("auditor", ("history", "anna")),
        ("auditor", ("seal", *sealed)),
        ("auditor", ("verify", *sealed, "--key", "shop.seal/key.pub")),
        ("operator", erase),
        ("operator", ("keys", "rotate")),
    ):
        done = shop.at(role, *command)
        assert done.code == 0, (role, done)
    # Without the keys an auditor sees that something was sealed; whoever has them sees that it is gone.
    assert "content [sealed]" in shop.at("auditor", "history", "bert").out
    assert "content [erased]" in shop.at("operator", "history", "bert").out
    for role, command, code in (
        ("auditor", (*strict, "order=o3"), 7),
        ("auditor", ("history", "bert", "--open", "--purpose", "to try"), 8),
        ("analyst", ("history", "anna"), 7),
        ("appender", ("run", "--once"), 7),
        ("appender", ("keys", "rotate"), 8),
    ):
        denied = shop.at(role, *command)
        assert (denied.code, "Traceback" in denied.err) == (code, False), denied
        assert "lacks a right" in denied.err or "may not" in denied.err or "permission denied" in denied.err, denied
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
