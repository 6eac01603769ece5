"""Statements that the server parses and plans once for each connection, sent without the driver's cursor.

A cursor looks up how to adapt each value, and how to read each column, which costs more than a single append does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.generators import execute, fetch_many, send
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import DictRow

BINARY = 1

Value = bytes | bytearray | memoryview | None


class Statement(NamedTuple):
    """A statement, its name in the server, and the ids of its parameters' types; all goes in binary form."""

    name: bytes
    text: bytes
    types: tuple[int, ...]


class PreparingConnection(Connection[DictRow]):
    """A connection that knows which statements the server has prepared for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known: set[bytes] = set()

    def prepare(self, statement: Statement) -> None:
        """Have a statement prepared; in a pipeline, whose answers come at its end, that would be too late."""
        if statement.name not in self._known:
            self.wait(self._preparing(statement))

    def send(self, statement: Statement, values: Sequence[Value]) -> None:
        """Send a statement, and return as soon as it is on its way. A connection carries one at a time."""
        self.prepare(statement)
        self._sent(statement, values)
        if self.pgconn.flush():  # seldom: what is not large is on its way at once
            self.wait(send(self.pgconn))

    def receive(self) -> PGresult:
        """Wait for the answer to what was sent.

        Raises:
            psycopg.Error: the server refused it, or was lost.
        """
        return self.wait(self._answering())

    def asking(self, statement: Statement, values: Sequence[Value]) -> PQGen[PGresult]:
        """Send a statement and take its answer, as whoever carries this on finds the socket ready.

        Raises:
            As `receive`.
        """
        if statement.name not in self._known:
            yield from self._preparing(statement)
        self._sent(statement, values)
        yield from send(self.pgconn)
        return (yield from self._answering())

    def _preparing(self, statement: Statement) -> PQGen[None]:
        name, text, types = statement
        self.pgconn.send_prepare(name, text, types)
        _one((yield from execute(self.pgconn)), ExecStatus.COMMAND_OK)
        self._known.add(name)

    def _sent(self, statement: Statement, values: Sequence[Value]) -> None:
        self.pgconn.send_query_prepared(statement.name, values, [BINARY] * len(values), BINARY)

    def _answering(self) -> PQGen[PGresult]:
        try:
            return _one((yield from fetch_many(self.pgconn)), ExecStatus.TUPLES_OK)
        except InvalidSqlStatementName:
            # After a rollback the driver lets go of all that was prepared, and tells nobody.
            self._known.clear()
            raise

    @contextmanager
    def held(self, statement: Statement) -> Iterator[None]:
        """A transaction of one statement, sent in it, that the server commits or undoes when it is told by `release`.

        To hold it so costs no round trip, where BEGIN and COMMIT would cost two: as soon as the server has carried the
        statement out, it reads what became of it.
        """
        self.prepare(statement)
        self.pgconn.enter_pipeline_mode()
        try:
            yield
        finally:
            results: list[PGresult] = []
            while not results or results[-1].status != ExecStatus.PIPELINE_SYNC:
                if self.pgconn.status != ConnStatus.OK:
                    raise OperationalError("the connection was lost while a statement was held")
                results += self.wait(fetch_many(self.pgconn))
            self.pgconn.exit_pipeline_mode()
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result)

    def release(self, *, undone: bool = False) -> None:
        """Let the server end what is held; it may be at work at it still."""
        if undone:
            self.pgconn.send_query_params(b"ROLLBACK", None)
        self.pgconn.pipeline_sync()
        self.wait(send(self.pgconn))


def _one(results: Sequence[PGresult], wanted: ExecStatus) -> PGresult:
    (result,) = results
    if result.status != wanted:
        raise error_from_result(result)
    return result
