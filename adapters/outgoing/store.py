"""Where a database keeps the subscriptions to its log: their tables, and what is done with them at a time."""

from contextlib import AbstractContextManager
from typing import Protocol

from adapters.addresses import extended_class_of
from adapters.statements import Run

TABLES = (
    """CREATE TABLE IF NOT EXISTS subscriptions (
        name text PRIMARY KEY, wanted text NOT NULL, cursor text NOT NULL, revision bigint NOT NULL DEFAULT 0,
        paused integer NOT NULL DEFAULT 0, failures bigint NOT NULL DEFAULT 0, next_us bigint NOT NULL DEFAULT 0,
        delivered bigint NOT NULL DEFAULT 0, answer text NOT NULL DEFAULT '', answered_us bigint)""",
    """CREATE TABLE IF NOT EXISTS held (
        name text NOT NULL, subject text NOT NULL, bucket bigint NOT NULL, number bigint NOT NULL, id text NOT NULL,
        attempts bigint NOT NULL, next_us bigint NOT NULL, parked integer NOT NULL, answer text NOT NULL,
        answered_us bigint NOT NULL, PRIMARY KEY (name, subject))""",
)


class Outgoing(Protocol):
    """Where a database keeps subscriptions."""

    @property
    def there(self) -> bool:
        """Whether there ever was a subscription, for what is made on first use."""
        ...

    def transaction(self) -> AbstractContextManager[Run]:
        """One transaction, in which nobody else writes; the tables are made on first use.

        Raises:
            LogUnavailable: the database is away. LogNotWritable: it is read-only or full.
        """
        ...

    def reading(self) -> AbstractContextManager[Run | None]:
        """What stands at this moment, read while others write; None where nothing was ever made, and nothing is now.

        Raises:
            LogUnavailable: the database is away. LogNotWritable: this account may not read it.
        """
        ...

    def lead(self, name: str) -> AbstractContextManager[Run | None]:
        """Be the only one to deliver for a subscription until the block, or this process, ends; None where one is.

        Whatever is run fails where the lead was lost.
        """
        ...

    def close(self) -> None:
        """Give all connections back."""
        ...


def open_outgoing(url: str) -> Outgoing:
    """Open where the subscriptions to the log at an address are kept; nothing is made before the first use."""
    outgoing: Outgoing = extended_class_of(url, "Outgoing", ".outgoing")(url)
    return outgoing
