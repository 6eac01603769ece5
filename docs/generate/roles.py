"""Roles of a PostgreSQL log: what each may do with each table and function."""

from adapters.postgres.roles import FUNCTIONS, NEVER_CHANGED, REPORT_READERS, ROLES, TABLES
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
_REPORT = """
## Views

`operator` owns the schemas `lifecircle_views` and `report`. The names in `report` are read by {readers}.
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
    readers = " and ".join(map(code, REPORT_READERS))
    return {
        "roles.md": page(
            "Roles",
            _ABOUT,
            table(("role", "is for"), [(code(role), about) for role, about in ROLES.items()]),
            _TABLES,
            table(("table", *users, "changed"), tables),
            _FUNCTIONS,
            table(("function", *users), calls),
            _REPORT.format(readers=readers),
        )
    }
