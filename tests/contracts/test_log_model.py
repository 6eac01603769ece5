"""Append against the simplest thing that could promise the same: any calls, any groups, any expectations."""

from itertools import count
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.cursor import Cursor
from adapters.log import Draft, Group, Log, Receipt, bucket_of

_runs = count(1)

# What is sealed twice has other bytes and the same HMAC.
_contents = st.sampled_from(
    [
        (b"x", None),
        (b"x", None),
        (b"y", None),
        *((b"sealed once", bytes([1] * 32)), (b"sealed again", bytes([1] * 32)), (b"sealed", bytes([2] * 32))),
    ]
)
_drafts = st.builds(
    lambda content, **rest: Draft(state=content[0], content_hmac=content[1], **rest),
    _contents,
    stream=st.sampled_from(["A", "B", "C"]),
    kind=st.just("OrderPlaced"),
    id=st.sampled_from(["1", "2", "3", "4", "5"]),
    source=st.sampled_from(["shop", "till"]),
    occurred=st.just(7),
    recordedby=st.just("clerk"),
)
_groups = st.builds(
    Group,
    st.lists(_drafts, min_size=1, max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["A", "B", "C"]), st.integers(0, 4), max_size=2),
)


class _Entry(NamedTuple):
    number: int
    version: int
    draft: Draft


class _Model:
    """A list of what was stored, searched from end to end."""

    def __init__(self, heads: Cursor) -> None:
        self.heads = heads
        self.entries: list[_Entry] = []

    def known(self, draft: Draft) -> _Entry | None:
        same = [entry for entry in self.entries if _key(entry.draft) == _key(draft)]
        return same[0] if same else None

    def version(self, stream: str) -> int:
        return sum(entry.draft.stream == stream for entry in self.entries)

    def append(self, group: Group) -> str | list[tuple[int, int, bool]]:
        contents = {_key(draft): _content(draft) for draft in group.drafts}
        if any(contents[_key(draft)] != _content(draft) for draft in group.drafts):
            return "IdReused"
        known = [self.known(draft) for draft in group.drafts]
        if any(entry and _content(entry.draft) != contents[_key(entry.draft)] for entry in known):
            return "IdReused"
        if group.expected and not all(known):
            if any(known):
                return "RepeatMixedWithNew"
            if any(self.version(stream) != version for stream, version in group.expected.items()):
                return "VersionConflict"
        return [self._store(draft) for draft in group.drafts]

    def _store(self, draft: Draft) -> tuple[int, int, bool]:
        if entry := self.known(draft):
            return entry.number, entry.version, True
        buckets = len(self.heads.numbers)
        bucket = bucket_of(draft.stream, buckets)
        before = sum(bucket_of(entry.draft.stream, buckets) == bucket for entry in self.entries)
        number = self.heads.numbers[bucket - 1] + before + 1
        self.entries.append(_Entry(number, self.version(draft.stream) + 1, draft))
        return number, self.entries[-1].version, False


def _key(draft: Draft) -> tuple[str, str, str]:
    return draft.stream, draft.source, draft.id


def _content(draft: Draft) -> bytes:
    return draft.content_hmac or draft.state


def _renamed(group: Group, run: int) -> Group:
    """The group with streams of its own, so that all examples can share one log."""
    drafts = tuple(draft._replace(stream=f"{draft.stream}-{run}") for draft in group.drafts)
    return Group(drafts, {f"{stream}-{run}": version for stream, version in group.expected.items()})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.lists(_groups, min_size=1, max_size=6), min_size=1, max_size=4))
def test_append_does_what_the_model_does(log: Log, calls: list[list[Group]]) -> None:
    run = next(_runs)
    before = log.heads()
    model = _Model(before)
    for call in calls:
        groups = [_renamed(group, run) for group in call]
        promised = [model.append(group) for group in groups]
        verdicts = log.append(groups)
        assert [_summary(verdict) for verdict in verdicts] == promised
    rows = log.read(before, 1_000)
    entries = [_Entry(row.number, row.version, Draft(row.stream, *row[4:8], *row[9:])) for row in rows]
    stored = [entry._replace(draft=entry.draft._replace(content_hmac=None)) for entry in model.entries]
    assert entries == sorted(stored, key=lambda entry: bucket_of(entry.draft.stream, log.buckets))


def _summary(verdict: object) -> str | list[tuple[int, int, bool]]:
    if isinstance(verdict, list):
        receipts: list[Receipt] = verdict
        return [(receipt.number, receipt.version, receipt.repeat) for receipt in receipts]
    return type(verdict).__name__
