"""The columnar mirror: a log and its views as Parquet, for programs that read columns."""

from importlib.util import find_spec

from domain.errors import ExtraMissing

_NEEDED = ("duckdb", "numpy", "pyarrow")


def need_explore(what: str) -> None:
    """See to it that what reads and writes columns is installed.

    Raises:
        ExtraMissing: it is not.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ExtraMissing(
            f"{what} needs {' and '.join(missing)}, which is not installed",
            where=what,
            rule="the columnar mirror, its SQL and funnels need the extra explore",
            way_out="install lifecircle[explore]",
        )
