"""Rows by the hundred thousand: the server reads on while those that it sent are used.

A result of the driver holds all rows of a statement, and the server waits while they are used. Here they come in
chunks: while one is used, the next is on its way, as far as the socket holds it. Small chunks also stay in the
processor's cache, where rows are made and used in two thirds of the time.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch, send
from psycopg.pq import ExecStatus, Format

T = TypeVar("T")

_BIGINT = 20
_SENT = (ExecStatus.TUPLES_CHUNK, ExecStatus.TUPLES_OK)


def streamed(
    connection: Connection[Any],
    statement: bytes,
    numbers: Sequence[int],
    size: int,
    make_row: Callable[[Sequence[Any]], T],
) -> Iterator[list[T]]:
    """The rows of one statement, in chunks of at most `size`; until the last one the connection can do nothing else.

    Args:
        connection: whose adapters say what columns become; closed by who breaks off.
        statement: with parameters $1 and so on.
        numbers: the parameters, each a bigint.
        size: rows of a chunk.
        make_row: from the columns of a row.
    """
    parameters = [number.to_bytes(8, signed=True) for number in numbers]
    types, formats = [_BIGINT] * len(parameters), [Format.BINARY] * len(parameters)
    connection.pgconn.send_query_params(statement, parameters, types, formats, Format.BINARY)
    connection.pgconn.set_chunked_rows_mode(size)
    connection.wait(send(connection.pgconn))
    columns, first = Transformer(connection), True
    while result := connection.wait(fetch(connection.pgconn)):
        if result.status not in _SENT:
            raise error_from_result(result)
        if result.ntuples:
            columns.set_pgresult(result, set_loaders=first)
            first = False
            yield columns.load_rows(0, result.ntuples, make_row)
