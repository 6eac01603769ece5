"""How far an account reaches: which other databases of its server it may enter, for there nothing but that stops it."""

from typing import NamedTuple

import psycopg

from adapters.postgres.datastore import in_our_words, place
from adapters.settings import LIMITS

_REACH = """
SELECT system.system_identifier::text, current_database(), current_user,
       array(SELECT datname FROM pg_database
             WHERE datname <> current_database() AND datallowconn AND has_database_privilege(oid, 'CONNECT'))
FROM pg_control_system() AS system
"""


class Reach(NamedTuple):
    """Where an account is at home, and where else it may go.

    server: what tells the server from all others; others: the databases that the account may connect to besides.
    """

    server: str
    database: str
    account: str
    others: frozenset[str]

    def reaches(self, other: "Reach") -> bool:
        """Whether this account may connect to the database of that one."""
        return self.server == other.server and other.database in (self.database, *self.others)


def reach(url: str) -> Reach:
    """How far the account of an address reaches.

    Raises:
        LogUnavailable: the server cannot be reached, or refuses.
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=LIMITS.postgres_connect_s) as connection:
            found = connection.execute(_REACH).fetchone()
    except psycopg.Error as error:
        raise in_our_words(error, place(url)) or error from error
    assert found is not None  # noqa: S101 - it has one row
    server, database, account, others = found
    return Reach(server, database, account, frozenset(others))
