"""New facts on their way into the log: sent in one statement, whose answer can wait while the next are made."""

from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any

from psycopg import Connection
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus

from adapters.log import Group, Receipt, Verdict, bucket_of
from adapters.postgres.arrays import Bigints, Blobs, Integers, Names, Texts, bigints, packed

_APPEND = b"SELECT recorded, numbers, versions FROM lifecircle.append_facts_v1($1, $2, $3, $4, $5, $6, $7, $8)"

_BINARY = 1

# A batch is answered by thousands of them, and this makes them without going through Python.
_receipt = partial(tuple.__new__, Receipt)

_names_touchpoint = itemgetter(0, 2, 3)  # stream, id and source of a draft


def unjudged(groups: Sequence[Group]) -> bool:
    """Whether groups may be sent as new facts: no version is expected, and no id comes twice."""
    if any(group.expected for group in groups):
        return False
    drafts = [draft for group in groups for draft in group.drafts]
    return len(drafts) > 1 and len(set(map(_names_touchpoint, drafts))) == len(drafts)


class Facts:
    """Groups of facts, ready to be sent. A connection carries one such call at a time."""

    def __init__(self, groups: Sequence[Group], buckets: int) -> None:
        self._sizes = [len(group.drafts) for group in groups]
        drafts = chain.from_iterable(group.drafts for group in groups)
        streams, kinds, ids, sources, occurred, recorders, states = zip(*drafts, strict=True)
        self._streams, self._states = streams, states
        self._buckets = [1] * len(streams) if buckets == 1 else [bucket_of(stream, buckets) for stream in streams]
        names = (Texts(streams), Names(kinds), Texts(ids), Names(sources))
        self._columns = (Integers(self._buckets), *names, Bigints(occurred), Names(recorders), Blobs(states))

    def send(self, connection: Connection[Any]) -> None:
        """Send them in a transaction of their own, and return as soon as they are on their way."""
        columns = [packed(column) for column in self._columns]
        values, types = zip(*columns, strict=True)
        connection.pgconn.send_query_params(_APPEND, values, types, [_BINARY] * len(values), _BINARY)
        connection.wait(send(connection.pgconn))

    def receive(self, connection: Connection[Any]) -> list[Verdict] | None:
        """Wait for the receipts; None, and nothing is stored, where one of the ids was known before."""
        (result,) = connection.wait(fetch_many(connection.pgconn))
        if result.status != ExecStatus.TUPLES_OK:
            raise error_from_result(result)
        if not result.ntuples:
            return None
        recorded, numbers, versions = (result.get_value(0, column) or b"" for column in range(3))
        digests = [sha256(state).digest() for state in self._states]
        now_us = repeat(int.from_bytes(recorded, signed=True))
        known = [False] * len(digests)
        columns = (self._buckets, bigints(numbers), self._streams, bigints(versions), now_us, digests, known)
        receipts = map(_receipt, zip(*columns, strict=False))
        return [list(islice(receipts, size)) for size in self._sizes]
