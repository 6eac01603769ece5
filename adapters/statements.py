"""Statements that both databases understand, with parameters as $1, $2 …, and the small stores that run them on either.

A small store lies beside a log and is no part of it: subscriptions, or keys. Its one connection is shared by threads.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Run(Protocol):
    """Runs statements in one transaction."""

    def __call__(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement; answer its rows."""
        ...

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each row of parameters; answer how many rows were written."""
        ...


class Statements(Protocol):
    """A small store. Safe to share between threads."""

    def transaction(self, *, alone: bool = False) -> AbstractContextManager[Run]:
        """One transaction; under `alone` nobody else writes meanwhile.

        Raises:
            LifecircleError: of the sort that belongs to this store; it cannot be read or written.
        """
        ...

    def statement(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement, which is a transaction of its own; answer its rows.

        Raises:
            As `transaction`.
        """
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...
