"""Roles of a PostgreSQL log: what each may do with each table and function."""

from adapters.postgres.roles import FUNCTIONS, KEY_TABLES, NEVER_CHANGED, OPERATED, ROLES, TABLES
from docs.generate.markdown import code, page, table

_ABOUT = """
`lifecircle init` makes them in the server, each named `lifecircle_ID_ROLE` with the first eight digits of the log's id;
`lifecircle roles` shows them. They cannot log in. An account gets one by `GRANT lifecircle_269c2006_appender TO shop`.
"""
_TABLES = """
## Tables of the log

In schema `lifecircle`. An empty cell is no right at all. In tables that are never changed a trigger refuses UPDATE,
DELETE and TRUNCATE to everybody, superusers and replication among them, as long as nobody with the rights of the owner
disables it; a [seal](../how-to/prove.md) shows what was done then.
"""
_FUNCTIONS = """
## Functions

Touchpoints are inserted by the append functions alone: these run with the rights of their owner, under a search path of
their own.
"""
_KEYS = """
## Tables of the key store

In schema `lifecircle_keys`, where `LIFECIRCLE_KEYS` names a PostgreSQL database, the log's own or another one. Several
logs may share it, so it stays its maker's. MAINTAIN is to vacuum, and known since PostgreSQL 17; before, the owner of
these tables erases and rotates.
"""
_OPERATED = """
## Other schemas

Each belongs to `operator`, with all that is made in it.
"""


def pages() -> dict[str, str]:
    """One page, from the table that also gives the rights and is tried cell by cell against a server."""
    users = [role for role in ROLES if role != "migration"]
    tables = [
        (code(name), *(", ".join(rights.get(role, ())) for role in users), "never" if name in NEVER_CHANGED else "")
        for name, rights in TABLES.items()
    ]
    calls = [
        (code(name), *("EXECUTE" if role in callers else "" for role in users)) for name, callers in FUNCTIONS.items()
    ]
    keys = [(code(name), *(", ".join(rights.get(role, ())) for role in users)) for name, rights in KEY_TABLES.items()]
    operated = [(code(schema), " and ".join(map(code, readers))) for schema, readers in OPERATED.items()]
    return {
        "roles.md": page(
            "Roles",
            _ABOUT,
            table(("role", "is for"), [(code(role), about) for role, about in ROLES.items()]),
            _TABLES,
            table(("table", *users, "changed"), tables),
            _FUNCTIONS,
            table(("function", *users), calls),
            _KEYS,
            table(("table", *users), keys),
            _OPERATED,
            table(("schema", "is read by"), operated),
        )
    }
