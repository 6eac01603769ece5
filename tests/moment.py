"""Today, as a scenario needs it."""

from adapters.views.tables import Tables


def pin(tables: Tables, at_us: int) -> None:
    """Let questions call a moment today from now on, in microseconds since 1970 UTC."""
    with tables.transaction() as transaction:
        transaction.set_clock(at_us, pinned=True)
