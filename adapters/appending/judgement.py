"""How a log judges the groups of one append: plain values in, verdicts and new rows out."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from adapters.log import Draft, Group, Receipt, Stored, Verdict, bucket_of, stored_of
from domain.errors import IdReused, LifecircleError, RepeatMixedWithNew, VersionConflict

Key = tuple[str, str, str]
"""What an id is unique by: subject, source, id."""


class Known(NamedTuple):
    """A touchpoint that the log holds, and the HMAC of its content."""

    stored: Stored
    content_hmac: bytes | None


# A batch makes thousands of each, and these do not go through Python.
_known_of: Callable[[Sequence[Any]], Known] = partial(tuple.__new__, Known)
_receipt_of: Callable[[Sequence[Any]], Receipt] = partial(tuple.__new__, Receipt)


def key_of(draft: Draft) -> Key:
    """The key of one draft."""
    return draft.stream, draft.source, draft.id


class Judgement:
    """Judges groups one after the other, each as if those before it were stored already.

    Args:
        known: what the log holds of the ids that the groups name.
        versions: the version of every stream that the groups name, in drafts or expectations.
        numbers: the last number of every bucket, from bucket 1.
        recorded: the recorded time of this transaction, in µs.
    """

    def __init__(
        self, known: Mapping[Key, Known], versions: Mapping[str, int], numbers: Sequence[int], recorded: int
    ) -> None:
        self.rows: list[tuple[Any, ...]] = []
        """The new rows of all groups that were not refused: as they are stored, with the HMAC of the content."""
        self._known = dict(known)
        self._versions = dict(versions)
        self._numbers = list(numbers)
        self._recorded = recorded

    def verdict(self, group: Group) -> Verdict:
        """Judge the next group: known ids first, then expected versions; number what is new."""
        if len(group.drafts) == 1 and not group.expected and (key := key_of(group.drafts[0])) not in self._known:
            return [_receipt(self._taken(key, group.drafts[0]), repeat=False)]  # nearly always
        keys = [key_of(draft) for draft in group.drafts]
        if (refusal := self._refusal(group, keys)) is not None:
            return refusal
        receipts: list[Receipt] = []
        for key, draft in zip(keys, group.drafts, strict=True):
            held = self._known.get(key)
            receipts.append(_receipt(held.stored if held else self._taken(key, draft), repeat=held is not None))
        return receipts

    def _taken(self, key: Key, draft: Draft) -> Stored:
        """Number a draft that is new."""
        stream, kind, id_, source, occurred, recordedby, state, content_hmac = draft
        bucket = bucket_of(stream, len(self._numbers))
        self._numbers[bucket - 1] = number = self._numbers[bucket - 1] + 1
        self._versions[stream] = version = self._versions[stream] + 1
        row = (bucket, number, stream, version, kind, id_, source, occurred, self._recorded, recordedby, state)
        stored = stored_of(row)
        self._known[key] = _known_of((stored, content_hmac))
        self.rows.append((*row, content_hmac))
        return stored

    def _refusal(self, group: Group, keys: Sequence[Key]) -> LifecircleError | None:
        repeats, fresh = 0, dict[Key, Draft]()
        for key, draft in zip(keys, group.drafts, strict=True):
            held = self._known.get(key)
            if held is None:
                if not draft.same_as(*fresh.setdefault(key, draft)[-2:]):
                    return _id_reused(draft, None)
            elif not draft.same_as(held.stored.state, held.content_hmac):
                return _id_reused(draft, held.stored)
            else:
                repeats += 1
        if not group.expected or not fresh:
            return None
        if repeats:
            return RepeatMixedWithNew(
                f"{repeats} of {len(group.drafts)} touchpoints had been recorded before, the rest had not",
                where=f"subject {', '.join(group.expected)}",
                rule="under an expected version, touchpoints sent together are all new or all known",
                way_out="look the ids up, and send only what is missing",
            )
        for stream, version in group.expected.items():
            if (current := self._versions[stream]) != version:
                return _version_conflict(stream, version, current)
        return None


def _receipt(stored: Stored, *, repeat: bool) -> Receipt:
    bucket, number, stream, version, _, _, _, _, recorded, _, state = stored
    return _receipt_of((bucket, number, stream, version, recorded, sha256(state).digest(), repeat))


def _id_reused(draft: Draft, held: Stored | None) -> IdReused:
    error = IdReused(
        "this id was used before with other content",
        where=f"subject {draft.stream}, source {draft.source}, id {draft.id}",
        rule="an id names one touchpoint of its source and subject, for ever",
        way_out="give the new touchpoint an id of its own; to change a recorded one, send a TouchpointCorrected",
    )
    error.stored = held
    return error


def _version_conflict(stream: str, expected: int, current: int) -> VersionConflict:
    error = VersionConflict(
        f"the subject is at version {current}, not at {expected}",
        where=f"subject {stream}",
        rule="an expected version must be the subject's version",
        way_out="read what was recorded meanwhile, decide again, and send that version",
    )
    error.current = current
    return error
