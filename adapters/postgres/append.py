"""One call of the append function: what goes in, and what its answer means for each group."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

from psycopg import Connection, Cursor

from adapters.log import Draft, Group, Receipt, Stored, Verdict, bucket_of
from adapters.postgres.arrays import Bigints, Blobs, Integers, Texts
from domain.errors import IdReused, RepeatMixedWithNew, VersionConflict

_APPEND = b"""
    SELECT verdict, number, version, recorded, repeat, differs, moved_stream, moved_to, digest
    FROM lifecircle.append_v1(%b, %b, %b, NULL, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)
"""

Find = Callable[[str, str, str], Stored | None]

_key = attrgetter("stream", "source", "id")


class _Judged(NamedTuple):
    """What the append function says of one draft."""

    verdict: str
    number: int
    version: int
    recorded: int
    repeat: bool
    differs: bool
    moved_stream: str | None
    moved_to: int | None
    digest: bytes | None


def rounds(groups: Sequence[Group]) -> Iterator[Sequence[Group]]:
    """Split groups into runs that can be judged as one set: in each, no group can tell whether another came first.

    Groups meet when they share an id, or a stream that either expects at a version. They seldom do: one run is usual.
    """
    drafts = [draft for group in groups for draft in group.drafts]
    if not any(group.expected for group in groups) and len(set(map(_key, drafts))) == len(drafts):
        yield groups
        return
    run: list[Group] = []
    ids: set[tuple[str, str, str]] = set()
    streams: set[str] = set()
    guarded: set[str] = set()
    for group in groups:
        its_ids = set(map(_key, group.drafts))
        its_streams = {draft.stream for draft in group.drafts} | group.expected.keys()
        if not (ids.isdisjoint(its_ids) and guarded.isdisjoint(its_streams) and streams.isdisjoint(group.expected)):
            yield run
            run, ids, streams, guarded = [], set(), set(), set()
        run.append(group)
        ids |= its_ids
        streams |= its_streams
        guarded |= group.expected.keys()
    if run:
        yield run


def send(connection: Connection[Any], calls: Sequence["Call"]) -> list[list[_Judged]]:
    """Make calls; a single one is its own transaction, in one round trip, and several share one."""
    with connection.cursor(binary=True, row_factory=_judged_row) as cursor:
        if len(calls) == 1:
            return [calls[0].send(cursor)]
        with connection.transaction():
            return [call.send(cursor) for call in calls]


def _judged_row(_: Cursor[Any]) -> Callable[[Sequence[Any]], _Judged]:
    return _Judged._make


class Call:
    """Groups that go to the append function together."""

    def __init__(self, groups: Sequence[Group], buckets: int) -> None:
        self._groups = groups
        self._buckets = buckets
        # An id that comes again within its group is sent once; a group that contradicts itself is not sent at all.
        self._sent = [_without_repeats(group) for group in groups]
        self._columns = self._as_columns()

    def _bucket(self, stream: str) -> int:
        return 1 if self._buckets == 1 else bucket_of(stream, self._buckets)

    def _as_columns(self) -> tuple[list[Any], ...]:
        ordinals = [at for at, sent in enumerate(self._sent) for _ in sent]
        drafts = chain.from_iterable(self._sent)
        columns = zip(*drafts, strict=True) if ordinals else [()] * 8
        streams, kinds, ids, sources, occurred, recorders, states, hmacs = columns
        expected = [
            (at, self._bucket(stream), stream, version)
            for at, (group, sent) in enumerate(zip(self._groups, self._sent, strict=True))
            if sent
            for stream, version in group.expected.items()
        ]
        groups, buckets, guarded, versions = zip(*expected, strict=True) if expected else [()] * 4
        return (
            Integers(ordinals),
            Integers(map(self._bucket, streams)),
            Texts(streams),
            Texts(kinds),
            Texts(ids),
            Texts(sources),
            Bigints(occurred),
            Texts(recorders),
            Blobs(states),
            Blobs(hmacs),
            Integers(groups),
            Integers(buckets),
            Texts(guarded),
            Bigints(versions),
        )

    def send(self, cursor: Cursor[_Judged]) -> list[_Judged]:
        """Ask the database: an answer per draft that was sent."""
        if not self._columns[0]:
            return []
        return cursor.execute(_APPEND, self._columns, prepare=True).fetchall()

    def verdicts(self, judged: Sequence[_Judged], find: Find) -> Iterator[Verdict]:
        """What became of each group."""
        answers = iter(judged)
        for group, sent in zip(self._groups, self._sent, strict=True):
            its_own = [next(answers) for _ in sent]
            yield self._verdict(group, sent, its_own, find)

    def _verdict(self, group: Group, sent: Sequence[Draft], judged: Sequence[_Judged], find: Find) -> Verdict:
        if not sent:
            return _reused(None) if group.drafts else []
        match judged[0].verdict:
            case "reused":
                culprit = next(draft for draft, answer in zip(sent, judged, strict=True) if answer.differs)
                return _reused(find(culprit.stream, culprit.source, culprit.id))
            case "mixed":
                return RepeatMixedWithNew(
                    "known and new ids came together under one expected version",
                    where=sent[0].stream,
                    rule="an append with an expected version is all new, or all a repeat",
                    way_out="look the known ones up, and send the new ones with the version that follows",
                )
            case "moved":
                return _moved(judged[0].moved_stream or "", judged[0].moved_to or 0)
        receipts = [self._receipt(draft, answer) for draft, answer in zip(sent, judged, strict=True)]
        if len(sent) == len(group.drafts):
            return receipts
        # What came again within its group was sent once: its later places are repeats of the first.
        left = dict(zip(map(_key, sent), receipts, strict=True))
        answers = []
        for key in map(_key, group.drafts):
            answers.append(left[key])
            left[key] = left[key]._replace(repeat=True)
        return answers

    def _receipt(self, draft: Draft, answer: _Judged) -> Receipt:
        _, number, version, recorded, known, *_, stored = answer
        # What is sealed anew has other bytes than those that are stored.
        bucket, digest = self._bucket(draft.stream), stored or sha256(draft.state).digest()
        return Receipt(bucket, number, draft.stream, version, recorded, digest, known)


def _without_repeats(group: Group) -> tuple[Draft, ...]:
    if len(group.drafts) == 1 or len(set(map(_key, group.drafts))) == len(group.drafts):
        return group.drafts
    first: dict[tuple[str, str, str], Draft] = {}
    for draft in group.drafts:
        if not draft.same_as(*first.setdefault(_key(draft), draft)[-2:]):
            return ()
    return tuple(first.values())


def _reused(stored: Stored | None) -> IdReused:
    error = IdReused(
        "this id was used before, for another touchpoint of the same subject and source",
        where="id",
        rule="an id names one touchpoint for ever",
        way_out="give the new touchpoint an id of its own, or send the same content again",
    )
    error.stored = stored
    return error


def _moved(stream: str, current: int) -> VersionConflict:
    error = VersionConflict(
        f"the subject is at version {current}, not at the one expected",
        where=stream,
        rule="an append with an expected version is stored only at that version",
        way_out="read the history again, decide anew, and send it with the current version",
    )
    error.current = current
    return error
