"""New facts on their way into the log: sent in one statement, whose answer can wait while the next are made.

Nothing is looked at before they are stored; where an id was known before, or a subject is not at the version that was
expected, the answer is that nothing is stored, and `append_v1` judges them.
"""

from collections.abc import Hashable, Sequence
from functools import partial
from hashlib import sha256
from itertools import chain, islice, repeat
from operator import itemgetter
from struct import Struct

from psycopg.pq.abc import PGresult

from adapters.log import Draft, Group, Receipt, Verdict, bucket_of
from adapters.postgres.arrays import Bigints, Blobs, Integers, Names, Texts, bigints, packed
from adapters.postgres.prepared import PreparingConnection, Statement, Value

_APPEND = Statement(
    b"""
    SELECT recorded, heads, lasts
    FROM lifecircle.append_facts_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    """,
    # integer[], text[], bigint[] and bytea[]
    (1007, 1009, 1007, 1007, 1007, 1007, 1009, 1009, 1009, 1016, 1009, 1001, 1001),
)
_APPEND_ONE = Statement(
    b"SELECT lifecircle.append_one_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    (23, 25, 25, 25, 25, 20, 25, 17, 17, 20),  # integer, text, bigint and bytea
)

_INTEGER, _BIGINT = Struct(">i").pack, Struct(">q").pack

# A batch is answered by thousands of them, and this makes them without going through Python.
_receipt = partial(tuple.__new__, Receipt)

_names_touchpoint = itemgetter(0, 2, 3)  # stream, id and source of a draft


def new_facts(groups: Sequence[Group], buckets: int) -> "OneFact | Facts | None":
    """Groups as new facts, ready to be sent; None where a version is expected of several, or an id comes twice."""
    if len(groups) == 1:
        ((drafts, expected),) = groups
        if len(drafts) == 1 and (not expected or (len(expected) == 1 and drafts[0].stream in expected)):
            return OneFact(drafts[0], expected.get(drafts[0].stream), buckets)
    if any(group.expected for group in groups):
        return None
    drafts = tuple([draft for group in groups for draft in group.drafts])
    new = drafts and len(set(map(_names_touchpoint, drafts))) == len(drafts)
    return Facts(groups, buckets) if new else None


class _NewFacts:
    """What is stored by one statement, unless its answer says that it must be judged."""

    statement: Statement
    values: Sequence[Value]

    def send(self, connection: PreparingConnection) -> None:
        """Send it in a transaction of its own, and return as soon as it is on its way."""
        connection.send(self.statement, self.values)

    def receive(self, connection: PreparingConnection) -> PGresult | None:
        """Wait for the answer; None, and nothing is stored, where it must be judged."""
        result = connection.receive()
        return result if self.stored(result) else None

    @staticmethod
    def stored(answer: PGresult) -> bool:
        """Whether an answer says that it is stored."""
        raise NotImplementedError


class OneFact(_NewFacts):
    """A fact alone, perhaps under the version that its subject is expected at."""

    statement = _APPEND_ONE

    def __init__(self, draft: Draft, expected: int | None, buckets: int) -> None:
        stream, kind, id_, source, occurred, recordedby, state, hmac = draft
        self._stream, self._state = stream, state
        self._bucket = bucket_of(stream, buckets)
        self.values = (
            _INTEGER(self._bucket),
            stream.encode(),
            kind.encode(),
            id_.encode(),
            source.encode(),
            _BIGINT(occurred),
            recordedby.encode(),
            state,
            hmac,
            None if expected is None else _BIGINT(expected),
        )

    @staticmethod
    def stored(answer: PGresult) -> bool:
        """Whether an answer says that it is stored; if not, it must be judged."""
        return answer.get_value(0, 0) is not None

    def verdicts(self, answer: PGresult) -> list[Verdict]:
        """Its receipt."""
        number, version, recorded = bigints(answer.get_value(0, 0) or b"")
        digest = sha256(self._state).digest()
        return [[Receipt(self._bucket, number, self._stream, version, recorded, digest, repeat=False)]]


class Facts(_NewFacts):
    """Groups of facts, ready to be sent. A connection carries one such call at a time."""

    statement = _APPEND

    def __init__(self, groups: Sequence[Group], buckets: int) -> None:
        self._sizes = [len(group.drafts) for group in groups]
        drafts = chain.from_iterable(group.drafts for group in groups)
        self._streams, kinds, ids, sources, occurred, recorders, self._states, hmacs = zip(*drafts, strict=True)
        self._lives, self._steps = _counted(self._streams)
        distinct = list(dict.fromkeys(self._streams))
        of_streams = [bucket_of(stream, buckets) for stream in distinct]
        self._buckets = [of_streams[life - 1] for life in self._lives]
        self._touched = list(dict.fromkeys(of_streams))
        self._bucket_places, self._places = _counted(self._buckets)
        stands = (Integers(self._touched), Texts(distinct), Integers(_counted(of_streams)[0]))
        counts = (Integers(self._lives), Integers(self._steps), Integers(self._places))
        names = (Names(kinds), Texts(ids), Names(sources))
        # Where nothing is sealed, nothing is sent for it: an array that ends before the others ends in nulls.
        contents = (Blobs(self._states), Blobs(hmacs if any(hmacs) else ()))
        columns = (*stands, *counts, *names, Bigints(occurred), Names(recorders), *contents)
        self.values = tuple(map(packed, columns))

    @staticmethod
    def stored(answer: PGresult) -> bool:
        """Whether an answer says that they are stored; if not, one of the ids was known before."""
        return answer.ntuples > 0

    def verdicts(self, answer: PGresult) -> list[Verdict]:
        """The receipts of every group."""
        recorded, heads, lasts = (answer.get_value(0, column) or b"" for column in range(3))
        versions = _following(bigints(heads), self._lives, self._steps)
        numbers = _following(bigints(lasts), self._bucket_places, self._places)
        digests = [sha256(state).digest() for state in self._states]
        now_us = repeat(int.from_bytes(recorded, signed=True))
        columns = (self._buckets, numbers, self._streams, versions, now_us, digests, repeat(False))  # noqa: FBT003 - no repeat
        receipts = map(_receipt, zip(*columns, strict=False))
        return [list(islice(receipts, size)) for size in self._sizes]


def _counted(items: Sequence[Hashable]) -> tuple[list[int], list[int]]:
    """The place of each item among the different ones, and its place among its equals, both from 1."""
    places = {item: place for place, item in enumerate(dict.fromkeys(items), 1)}
    if len(places) == len(items):
        return list(places.values()), [1] * len(items)
    if len(places) == 1:
        return [1] * len(items), list(range(1, len(items) + 1))
    seen = [0] * (len(places) + 1)
    of_items, among_equals = [places[item] for item in items], []
    for place in of_items:
        seen[place] += 1
        among_equals.append(seen[place])
    return of_items, among_equals


def _following(lasts: Sequence[int], places: Sequence[int], steps: Sequence[int]) -> list[int]:
    """The numbers that follow on the last ones: of each item the one of its place, and so many steps on."""
    return [lasts[place - 1] + step for place, step in zip(places, steps, strict=True)]
