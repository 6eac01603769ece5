"""Who may do what with a log in PostgreSQL: five roles of its own, and the one table of their rights.

From that table come the statements that give the rights, the page of reference, and the test that tries every cell. It
has every table that the program makes: of the log, of its key store, of its views and of what it delivers.
Roles belong to a whole server, so their names carry the beginning of the log's id. They cannot log in: accounts are
made members of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import Connection, errors
from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as Value

from adapters.postgres.datastore import SCHEMA, in_our_words, place
from adapters.postgres.keys import SCHEMA as KEYS
from adapters.privacy.keystore import keystore_url
from adapters.settings import LIMITS
from domain.errors import LifecircleError

ROLES = {
    "appender": "a service that records: it appends by the log's functions, imports, and reads what is there",
    "operator": "who runs lifecircle: keeps the views, changes settings, releases from quarantine, and appends too",
    "auditor": "who checks: reads every table of the log and the report, and changes nothing",
    "analyst": "who asks: reads the report, and sees nothing of the log",
    "migration": "owns tables and functions, and makes or upgrades them; no service runs as it",
}

Verbs = tuple[Literal["SELECT", "INSERT", "UPDATE", "MAINTAIN"], ...]
"""Rights on a table. Nobody is given DELETE or TRUNCATE. MAINTAIN is to vacuum; before PostgreSQL 17 the owner may."""

_READS: Mapping[str, Verbs] = dict.fromkeys(("appender", "operator", "auditor"), ("SELECT",))

TABLES: Mapping[str, Mapping[str, Verbs]] = {
    "touchpoints": _READS,
    "log": _READS,
    "origins": _READS,
    "schema_steps": _READS,
    "settings": {**_READS, "operator": ("SELECT", "INSERT")},
    "quarantine": {**_READS, "appender": ("SELECT", "INSERT"), "operator": ("SELECT", "INSERT", "UPDATE")},
    "imports": {**_READS, **dict.fromkeys(("appender", "operator"), ("SELECT", "INSERT", "UPDATE"))},
    "stored_snapshots": {**_READS, **dict.fromkeys(("appender", "operator"), ("SELECT", "INSERT"))},
}
"""What each role may do with each table of the log; its owner, migration, may do all that no trigger refuses."""

KEY_TABLES: Mapping[str, Mapping[str, Verbs]] = {
    "epoch": {"appender": ("SELECT",), "operator": ("SELECT", "UPDATE", "MAINTAIN")},
    "data_keys": {"appender": ("SELECT", "INSERT"), "operator": ("SELECT", "INSERT", "UPDATE", "MAINTAIN")},
}
"""The same of a key store in PostgreSQL, for those who seal and forget. Several logs may share it, so it stays its
maker's."""

NEVER_CHANGED = ("touchpoints", "log", "origins", "settings", "schema_steps")
"""The tables on which a trigger refuses to change or delete rows, whoever asks."""

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "append_v1": ("appender", "operator"),
    "append_facts_v1": ("appender", "operator"),
    "append_one_v1": ("appender", "operator"),
    "take_locks_v1": ("appender", "operator"),
    "cut_v1": ("appender", "operator", "auditor"),
    "refuse_change": (),
}
"""Who may call each function. The first four run with the rights of their owner: they are the only way to append."""

REPORT_READERS = ("analyst", "auditor")
"""Who reads the names in schema report."""

OPERATED: Mapping[str, tuple[str, ...]] = {
    "lifecircle_views": (),
    "lifecircle_outgoing": (),
    "report": REPORT_READERS,
}
"""The schemas that the operator owns, with all that is made in them, and who reads that."""

_MAINTAIN_SINCE = 170000

_MAKE = """DO $make$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN CREATE ROLE {role} NOLOGIN; END IF;
END $make$"""

_LOG = """
SELECT log.log_id, pg_get_userbyid(class.relowner), role.rolsuper, current_database()
FROM lifecircle.log AS log, pg_class AS class JOIN pg_roles AS role ON role.oid = class.relowner
WHERE class.oid = 'lifecircle.log'::regclass
"""

_MEMBERS = """
SELECT role.rolname, coalesce(string_agg(member.rolname, ', ' ORDER BY member.rolname), '')
FROM pg_roles AS role LEFT JOIN pg_auth_members AS held ON held.roleid = role.oid
LEFT JOIN pg_roles AS member ON member.oid = held.member
WHERE role.rolname = ANY (%s) GROUP BY role.rolname
"""

_READERS = """
SELECT role.rolname FROM lifecircle.log AS log JOIN pg_roles AS role
    ON role.rolname = ANY (SELECT 'lifecircle_' || substr(encode(log.log_id, 'hex'), 1, 8) || '_' || unnest(%s::text[]))
"""


class RolesNotMade(LifecircleError):
    """This account may not make the roles of the log; until they are made, only the log's owner may use it."""


class Standing(NamedTuple):
    """A role of the log: its name in the server, which accounts are members (None: it was not made), what it is for."""

    role: str
    members: str | None
    about: str


def role_name(log_id: bytes, role: str) -> str:
    """What a role of a log is called in the server."""
    return f"lifecircle_{log_id.hex()[:8]}_{role}"


def make_roles(url: str) -> None:
    """Make the roles of the log in a database, or give those that are there the rights of this version.

    Raises:
        RolesNotMade: this account may not.
        LogUnavailable: the server cannot be reached.
    """
    for database, script in _scripts(url):
        try:
            with _connected(database) as connection, connection.transaction():
                connection.execute(script(connection).as_bytes(connection))
        except (errors.InsufficientPrivilege, errors.InvalidGrantOperation) as error:
            raise RolesNotMade(
                "this account may not make the roles of the log",
                where=place(database),
                rule="it takes the right CREATEROLE, and the database and the tables in it as one's own; until then "
                "only this account can use the log",
                way_out="have an administrator run what this prints: lifecircle roles --sql",
            ) from error
        except psycopg.Error as error:
            raise in_our_words(error, place(database)) or error from error


def roles_sql(url: str) -> str:
    """The statements that make the roles, to be run by an administrator in the database that stands above them."""
    told = ""
    for database, script in _scripts(url):
        try:
            with _connected(database) as connection:
                told += f"-- {place(database)}\nBEGIN;\n{script(connection).as_string(connection)}\nCOMMIT;\n"
        except psycopg.Error as error:
            raise in_our_words(error, place(database)) or error from error
    return told


def roles(url: str) -> list[Standing]:
    """The roles of the log in a database, as they stand."""
    try:
        with _connected(url) as connection:
            (log_id, *_) = connection.execute(_LOG).fetchone() or (b"",)
            names = {role: role_name(log_id, role) for role in ROLES}
            members = dict(connection.execute(_MEMBERS, (list(names.values()),)).fetchall())
    except psycopg.Error as error:
        raise in_our_words(error, place(url)) or error from error
    return [Standing(names[role], members.get(names[role]), about) for role, about in ROLES.items()]


def readers_of_report(connection: Connection[Any]) -> list[str]:
    """The roles that read the names in schema report, where they were made."""
    return [name for (name,) in connection.execute(_READERS, (list(REPORT_READERS),))]


def _connected(url: str) -> Connection[Any]:
    return psycopg.connect(url, autocommit=True, connect_timeout=LIMITS.postgres_connect_s)


def _scripts(url: str) -> Iterator[tuple[str, Callable[[Connection[Any]], Composed]]]:
    """The databases of a log and of its key store, each with what makes its statements, which can be run again."""
    yield url, _of_log
    if (keys := keystore_url(url)).startswith("postgres"):
        with _connected(url) as connection:
            log_id, *_ = connection.execute(_LOG).fetchone() or (b"",)
        yield keys, partial(_of_keys, log_id)


def _of_log(connection: Connection[Any]) -> Composed:
    log_id, maker, maker_is_superuser, database = connection.execute(_LOG).fetchone() or (b"", "", True, "")
    role = {each: Identifier(role_name(log_id, each)) for each in ROLES}
    owner, operator = role["migration"], role["operator"]
    lines: list[SQL | Composed] = []
    for each, about in ROLES.items():
        lines += [_make(log_id, each), SQL("COMMENT ON ROLE {} IS {}").format(role[each], Value(about))]
    if not maker_is_superuser:
        # Who made the log goes on as before.
        lines.append(SQL("GRANT {}, {} TO {}").format(owner, operator, Identifier(maker)))
    lines.append(SQL("GRANT CREATE ON DATABASE {} TO {}, {}").format(Identifier(database), owner, operator))
    lines.append(SQL("ALTER SCHEMA {} OWNER TO {}").format(Identifier(SCHEMA), owner))
    making = SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
    lines += [making.format(Identifier(schema), operator) for schema in OPERATED]
    lines += [SQL("ALTER TABLE {} OWNER TO {}").format(Identifier(SCHEMA, table), owner) for table in TABLES]
    lines += _grants(connection, log_id, SCHEMA, TABLES)
    for function, callers in FUNCTIONS.items():
        name = Identifier(SCHEMA, function)
        lines.append(SQL("ALTER FUNCTION {} OWNER TO {}").format(name, owner))
        lines.append(SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(name))
        lines += [SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(name, role[each]) for each in callers]
    for schema, readers in OPERATED.items():
        for each in readers:
            lines.append(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(Identifier(schema), role[each]))
            lines.append(SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(Identifier(schema), role[each]))
    return _joined(lines)


def _of_keys(log_id: bytes, connection: Connection[Any]) -> Composed:
    users = dict.fromkeys(each for rights in KEY_TABLES.values() for each in rights)
    return _joined([_make(log_id, each) for each in users] + _grants(connection, log_id, KEYS, KEY_TABLES))


def _make(log_id: bytes, role: str) -> Composed:
    name = role_name(log_id, role)
    return SQL(_MAKE).format(name=Value(name), role=Identifier(name))


def _grants(
    connection: Connection[Any], log_id: bytes, schema: str, tables: Mapping[str, Mapping[str, Verbs]]
) -> list[Composed]:
    """The statements that give each role its rights on the tables of a schema."""
    users = dict.fromkeys(each for rights in tables.values() for each in rights)
    role = {each: Identifier(role_name(log_id, each)) for each in users}
    grants = [SQL("GRANT USAGE ON SCHEMA {} TO {}").format(Identifier(schema), role[each]) for each in users]
    for table, rights in tables.items():
        name = Identifier(schema, table)
        grants.append(SQL("REVOKE ALL ON {} FROM PUBLIC").format(name))
        for each, verbs in rights.items():
            maintains = connection.info.server_version >= _MAINTAIN_SINCE
            known = SQL(", ").join(SQL(verb) for verb in verbs if maintains or verb != "MAINTAIN")
            grants.append(SQL("GRANT {} ON {} TO {}").format(known, name, role[each]))
    return grants


def _joined(lines: Iterable[SQL | Composed]) -> Composed:
    return SQL("\n").join([line + SQL(";") for line in lines])
