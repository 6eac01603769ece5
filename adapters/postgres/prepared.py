"""Statements that the server parses and plans once for each connection, sent without the driver's cursor.

A cursor looks up how to adapt each value, and how to read each column, which costs more than a single append does. The
driver lets the server forget all that was prepared, ours with its own, after a rollback and where something was dropped
or altered; a connection therefore takes note of both, and prepares again.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

from psycopg import Connection, OperationalError, Transaction
from psycopg.abc import PQGen
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.generators import execute, fetch_many, send
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from adapters.postgres.arrays import Array, packed, type_id

BINARY = 1

Value = bytes | bytearray | memoryview | None


class Statement(NamedTuple):
    """A statement, and the ids of its parameters' types; all goes in binary form."""

    text: bytes
    types: tuple[int, ...]


class Change(NamedTuple):
    """A statement that changes rows, and the columns that are its parameters `$1`, `$2` and so on."""

    text: bytes
    columns: Sequence[Array]


# Of a process, for a name may still be known to the server after it was forgotten here.
_NUMBERS = count()


class PreparingConnection(Connection[Any]):
    """A connection that knows which statements the server has prepared for it, and by which names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names: dict[bytes, bytes] = {}

    def forget(self) -> None:
        """Take note that nothing may be prepared any more: something was dropped, altered or rolled back."""
        self._names.clear()

    @contextmanager
    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Iterator[Transaction]:  # noqa: FBT001, FBT002 - the driver's own
        """Begin a transaction, as the driver does."""
        try:
            with super().transaction(savepoint_name, force_rollback) as begun:
                yield begun
        except BaseException:
            self.forget()
            raise

    def send(self, statement: Statement, values: Sequence[Value]) -> None:
        """Send a statement, and return as soon as it is on its way. A connection carries one at a time."""
        self._send(self._prepare(statement), values)
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
        name = self._names.get(statement.text) or (yield from self._preparing(statement))
        self._send(name, values)
        yield from send(self.pgconn)
        return (yield from self._answering())

    def run(self, changes: Iterable[Change]) -> None:
        """Run statements, one after the other, in the transaction that is open; all are sent as one message.

        The server then wakes once for all of them, and so do we. In the driver's own pipeline each is sent by itself,
        as soon as the socket takes it: on a busy machine the server's process and ours take turns, once for each.

        Raises:
            psycopg.Error: of the first that failed; none after it was run.
        """
        # All at once, so that nothing is under way yet where a cell is none that fits its column.
        ready = [(text, columns, list(map(packed, columns))) for text, columns in changes]
        if not ready:
            return
        new: dict[bytes, bytes] = {}
        self.pgconn.enter_pipeline_mode()
        for text, columns, values in ready:
            name = self._names.get(text) or new.get(text)
            if name is None:
                name = new[text] = _new_name()
                self.pgconn.send_prepare(name, text, list(map(type_id, columns)))
            self._send(name, values)
        self.pgconn.pipeline_sync()
        self.wait(send(self.pgconn))
        for answer in self._until_in_step():
            if answer.status != ExecStatus.COMMAND_OK:
                raise error_from_result(answer)
        self._names |= new

    @contextmanager
    def held(self, statement: Statement) -> Iterator[None]:
        """A transaction of one statement, sent in it, that the server commits or undoes when it is told by `release`.

        To hold it so costs no round trip, where BEGIN and COMMIT would cost two: as soon as the server has carried the
        statement out, it reads what became of it.
        """
        self._prepare(statement)  # in a pipeline, whose answers come at its end, that would be too late
        self.pgconn.enter_pipeline_mode()
        try:
            yield
        finally:
            results = self._until_in_step()
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result)

    def release(self, *, undone: bool = False) -> None:
        """Let the server end what is held; it may be at work at it still."""
        if undone:
            self.pgconn.send_query_params(b"ROLLBACK", None)
        self.pgconn.pipeline_sync()
        self.wait(send(self.pgconn))

    def _prepare(self, statement: Statement) -> bytes:
        """The name of a statement, prepared if it was not."""
        return self._names.get(statement.text) or self.wait(self._preparing(statement))

    def _preparing(self, statement: Statement) -> PQGen[bytes]:
        name = _new_name()
        self.pgconn.send_prepare(name, statement.text, statement.types)
        _one((yield from execute(self.pgconn)), ExecStatus.COMMAND_OK)
        self._names[statement.text] = name
        return name

    def _send(self, name: bytes, values: Sequence[Value]) -> None:
        self.pgconn.send_query_prepared(name, values, [BINARY] * len(values), BINARY)

    def _answering(self) -> PQGen[PGresult]:
        try:
            return _one((yield from fetch_many(self.pgconn)), ExecStatus.TUPLES_OK)
        except InvalidSqlStatementName:
            self.forget()
            raise

    def _until_in_step(self) -> list[PGresult]:
        """The answers to all that was sent in a pipeline, which then ends."""
        results: list[PGresult] = []
        while not results or results[-1].status != ExecStatus.PIPELINE_SYNC:
            if self.pgconn.status != ConnStatus.OK:
                raise OperationalError("the connection was lost while the server was at work")
            results += self.wait(fetch_many(self.pgconn))
        self.pgconn.exit_pipeline_mode()
        return results[:-1]


def _new_name() -> bytes:
    return b"lifecircle_%d" % next(_NUMBERS)


def _one(results: Sequence[PGresult], wanted: ExecStatus) -> PGresult:
    (result,) = results
    if result.status != wanted:
        raise error_from_result(result)
    return result
