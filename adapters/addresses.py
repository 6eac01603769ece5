"""Which database an address means. A database's driver is imported only when an address chooses it."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from adapters.configuration import without_password
from adapters.settings import LIMITS
from domain.errors import LogNotFound, OlderSchema, WrongBuckets

if TYPE_CHECKING:  # a process that only reads an address must not wait for kinds and views
    from adapters.log import Log
    from adapters.transfer import NewLog, Reading
    from domain.company import Company

_DATABASES = {
    "sqlite": ("adapters.sqlite", "SQLite"),
    "postgresql": ("adapters.postgres", "Postgres"),
    "postgres": ("adapters.postgres", "Postgres"),
}
"""By the scheme of an address: the package of its database, and how the names of its classes begin."""


class SQLiteAddress(NamedTuple):
    """The file that a SQLite address names."""

    path: Path
    read_only: bool

    @property
    def uri(self) -> str:
        """The file as SQLite's own URI; it must exist."""
        return f"{self.path.absolute().as_uri()}?mode={'ro' if self.read_only else 'rw'}"

    @property
    def reading(self) -> str:
        """The same, for a connection that only reads."""
        return self._replace(read_only=True).uri


def open_log(url: str) -> "Log":
    """Open the log at an address.

    Raises:
        LogNotFound: there is none, or the address names no database that we know.
        NotOurLog: there is something else.
        LogUnavailable: the database cannot be reached.
    """
    return _logs(url).open(url)


def create_log(url: str, company: "Company", buckets: int = 1) -> "Log":
    """Make a log at an address, of a number of buckets that it keeps.

    Raises:
        WrongBuckets: it cannot have so many.
        LogExists: there is one already.
        LogNotFound: the address names no database that we know.
        NotOurLog: there is something else.
        LogUnavailable: the database cannot be reached, or written.
    """
    return _logs(url).create(url, company, checked_buckets(buckets))


def checked_buckets(buckets: int) -> int:
    """A number of buckets that a log may have.

    Raises:
        WrongBuckets: it may not.
    """
    if not 1 <= buckets <= LIMITS.buckets_max:
        raise WrongBuckets(
            f"a log cannot have {buckets} buckets",
            where="buckets",
            rule=f"1 to {LIMITS.buckets_max}, for as long as the log lives",
            way_out="take about as many as appends shall commit at once; lifecircle copy moves a log to another number",
        )
    return buckets


class _LogClass(Protocol):
    def open(self, url: str) -> "Log": ...
    def create(self, url: str, company: "Company", buckets: int) -> "Log": ...


def _logs(url: str) -> _LogClass:
    chosen: _LogClass = extended_class_of(url, "Log", "")
    return chosen


def open_reading(url: str) -> "Reading":
    """Begin to read the tables of the log at an address whole."""
    reading: Reading = extended_class_of(url, "Reading", ".copying")(url)
    return reading


def open_writing(url: str, company: "Company", buckets: int, log_id: bytes | None = None) -> "NewLog":
    """Make a log at an address that is there, whole, at the end of the block, or not at all.

    Args:
        url: where there is no log yet.
        company: the first version of its settings.
        buckets: how many it has.
        log_id: which log it is, where it is to be one that was; another one when not given.

    Raises:
        LogExists: there is one already.
    """
    writing: NewLog = extended_class_of(url, "Writing", ".copying").making(url, company, buckets, log_id)
    return writing


def upgrade_log(url: str) -> list[int]:
    """Take the steps of the schema that the log at an address lacks; answer which they were.

    Raises:
        LogNotFound, NotOurLog: there is no log that this program can read.
        LogNotWritable: this account may not change the schema.
    """
    try:
        open_log(url).close()
    except OlderSchema:
        upgrade: Callable[[str], list[int]] = extended_class_of(url, "Upgrading", ".upgrading").upgrade
        return upgrade(url)
    return []


def class_of(url: str, part: str, module: str) -> Any:
    """The class of the database that an address names for some part, such as `Keys`, in a module of its package.

    Raises:
        LogNotFound: the address names no database that we know.
    """
    package, name = _package(url)
    return getattr(import_module(package + module), name + part)


def extended_class_of(url: str, part: str, module: str) -> Any:
    """The same, with a company's own kinds and views loaded: before a touchpoint is read or a view folded."""
    from adapters.extensions import load_extensions

    _package(url)
    load_extensions()
    return class_of(url, part, module)


def _package(url: str) -> tuple[str, str]:
    if found := _DATABASES.get(url.partition("://")[0]):
        return found
    raise _no_address("the address names no database that can hold a log", url)


def read_sqlite_url(url: str) -> SQLiteAddress:
    """Read a SQLite address; `?mode=ro` at its end means that nothing is ever written.

    Raises:
        LogNotFound: it names no file.
    """
    name, _, query = url.removeprefix("sqlite:///").partition("?")
    if not url.startswith("sqlite:///") or not name or name.startswith(":") or query not in ("", "mode=ro", "mode=rw"):
        raise _no_address("the address names no SQLite file", url)
    return SQLiteAddress(Path(name), query == "mode=ro")


def path_beside(url: str, ending: str) -> Path:
    """Where a file lies that belongs to the log at an address: `shop.db` has `shop.key` beside it.

    What belongs to a PostgreSQL database `shop` is `shop.lifecircle.key` in this folder.
    """
    if url.startswith("sqlite:"):
        return read_sqlite_url(url).path.with_suffix(ending)
    database = unquote(urlsplit(url).path.strip("/")) or "postgres"
    return Path(f"{database.replace('/', '_')}.lifecircle{ending}")


def _no_address(what: str, url: str) -> LogNotFound:
    return LogNotFound(
        what,
        where=without_password(url),
        rule="an address is sqlite:///relative.db, sqlite:////absolute/path.db or postgresql://user@host/database",
        way_out="give such an address by --log, or in LIFECIRCLE_LOG",
    )
