"""Rows by the hundred thousand: the server reads on while those that it sent are used.

A result of the driver holds all rows of a statement, and the server waits while they are used. Here they come in
chunks: while one is used, the next is on its way, as far as the socket holds it. Small chunks also stay in the
processor's cache, where rows are made and used in two thirds of the time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from time import monotonic, sleep
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import Connection
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch, send
from psycopg.pq import ExecStatus, Format

from adapters.postgres.datastore import Datastore, in_our_words, lost
from adapters.settings import LIMITS

Row = TypeVar("Row", bound=tuple[Any, ...])

_INTEGER, _BIGINT = 23, 20
_SENT = (ExecStatus.TUPLES_CHUNK, ExecStatus.TUPLES_OK)


class Span(NamedTuple):
    """Touchpoints of one bucket: those of numbers above `after`, up to `last`."""

    bucket: int
    after: int
    last: int


def streamed(
    datastore: Datastore,
    statement: bytes,
    span: Span,
    size: int,
    make_row: Callable[[Sequence[Any]], Row],
    *,
    number_at: int,
    prepare: Callable[[Connection[Any]], None] = lambda _: None,
) -> Iterator[list[Row]]:
    """The rows of a span in number order, in chunks of at most `size`, over a connection of their own.

    Where it is lost, what is missing yet is read over another.

    Args:
        datastore: which database.
        statement: asks for bucket $1, numbers above $2 up to $3, by number.
        span: what is read, by as many statements as keep each one short.
        size: rows of a chunk.
        make_row: from the columns of a row.
        number_at: the column with the number.
        prepare: called with every new connection.

    Raises:
        LogUnavailable: the server did not come back in time.
    """
    bucket, after, last = span
    deadline = None
    while after < last:
        try:
            with closing(datastore.connect()) as connection:
                prepare(connection)
                while after < last:
                    upto = min(last, after + LIMITS.read_statement_touchpoints)
                    for chunk in _chunks(connection, statement, Span(bucket, after, upto), size, make_row):
                        yield chunk
                        after, deadline = chunk[-1][number_at], None
                    after = upto
        except psycopg.Error as error:
            deadline = deadline or monotonic() + LIMITS.postgres_reconnect_s
            if not lost(error) or monotonic() > deadline:
                raise in_our_words(error, datastore.where) or error from error
            sleep(LIMITS.postgres_pause_min_s)


def _chunks(
    connection: Connection[Any], statement: bytes, span: Span, size: int, make_row: Callable[[Sequence[Any]], Row]
) -> Iterator[list[Row]]:
    parameters = [span.bucket.to_bytes(4), *(number.to_bytes(8, signed=True) for number in span[1:])]
    types, formats = [_INTEGER, _BIGINT, _BIGINT], [Format.BINARY] * 3
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
