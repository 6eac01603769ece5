"""Many statements that change rows, sent as one message: the server wakes once for all of them, and so do we.

In the driver's own pipeline each statement is sent by itself, as soon as the socket takes it: on a busy machine the
server's process and ours then take turns at the processor, once for each.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from adapters.postgres.arrays import Array, packed, type_id

_BINARY = 1


class Change(NamedTuple):
    """A statement, and the columns that are its parameters `$1`, `$2` and so on."""

    sql: bytes
    columns: Sequence[Array]


# Of a process, for a name may still be known to the server after it was forgotten here.
_NUMBERS = count()


class Pipelined:
    """The statements of this sort that a connection has prepared, each of them once.

    To be made anew after a transaction that was rolled back, and where something was dropped or altered: the driver
    then lets the server forget everything that the connection had prepared.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._names: dict[bytes, bytes] = {}

    def run(self, changes: Iterable[Change]) -> None:
        """Run statements, one after the other, in the transaction that is open.

        Raises:
            psycopg.Error: of the first that failed; none after it was run.
        """
        # All at once, so that nothing is under way yet where a cell is none that fits its column.
        ready = [(sql, columns, list(map(packed, columns))) for sql, columns in changes]
        if not ready:
            return
        pgconn = self._connection.pgconn
        prepared: list[tuple[bytes, bytes] | None] = []  # what each message prepares, in the order in which they go
        pgconn.enter_pipeline_mode()
        for sql, columns, values in ready:
            name = self._names.get(sql)
            if name is None:
                name = b"change_%d" % next(_NUMBERS)
                pgconn.send_prepare(name, sql, list(map(type_id, columns)))
                prepared.append((sql, name))
            pgconn.send_query_prepared(name, values, [_BINARY] * len(values), _BINARY)
            prepared.append(None)
        pgconn.pipeline_sync()
        answers = self._connection.wait(_answers(self._connection, len(prepared)))
        pgconn.exit_pipeline_mode()
        for names, answer in zip(prepared, answers, strict=True):
            if answer.status != ExecStatus.COMMAND_OK:
                raise error_from_result(answer)
            if names:
                self._names.update([names])


def _answers(connection: Connection[Any], messages: int) -> PQGen[list[PGresult]]:
    """The answers to so many messages, once that to the end of the pipeline has come too."""
    yield from send(connection.pgconn)
    answers: list[PGresult] = []
    for _ in range(messages + 1):
        answers += yield from fetch_many(connection.pgconn)
    return answers[:-1]
