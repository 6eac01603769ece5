"""What became of a subject's effective history between two moments, touchpoint by touchpoint."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from domain.corrections import CORRECTED
from domain.history import effective_histories, root_of
from domain.touchpoint import Fact

Became = Literal["came", "corrected", "retracted", "restored", "took effect", "merged in", "went back", "left"]
"""Came: it had not been recorded, or had not occurred. Corrected: its fields or its time are others. Retracted: a
correction hides it; restored: none does any more. Took effect: a correction whose target was not there has found it.
Merged in: it counted for another subject before; went back: it does now. Left: at the second moment it is not recorded,
or has not occurred."""

_Key = tuple[str, str, str]


class Difference(NamedTuple):
    """One touchpoint: what became of it, and as it counted at the first (`old`) and the second moment (`new`)."""

    what: Became
    old: Fact | None
    new: Fact | None


class Telling(NamedTuple):
    """What one moment tells of a subject.

    history: its effective history; elsewhere: the touchpoints that count for other subjects of the streams that were
    read; hidden: those that are recorded and, by a correction, count for nobody.
    """

    history: Sequence[Fact]
    elsewhere: frozenset[_Key]
    hidden: frozenset[_Key]


def telling(subject: str, facts: Sequence[Fact], until: int | None = None) -> Telling:
    """Read what facts tell of a subject.

    Args:
        subject: any stream of the family; an absorbed one tells its survivor's.
        facts: all touchpoints within the known cut of the streams that may matter.
        until: leaves out what effectively occurred later, in microseconds since 1970 UTC.
    """
    root = root_of(subject, facts)
    whole = effective_histories(facts)
    told = {key: [fact for fact in history if until is None or fact.at <= until] for key, history in whole.items()}
    return Telling(
        told.get(root, []),
        frozenset(_key(fact) for name, history in told.items() if name != root for fact in history),
        frozenset(map(_key, facts)) - {_key(fact) for history in whole.values() for fact in history},
    )


def history_differences(first: Telling, second: Telling) -> list[Difference]:
    """What turns the first moment's history into the second's, in the order in which it occurred.

    Taking away all `old` and adding all `new`, sorted, gives the second history.
    """
    before, after = _by_key(first.history), _by_key(second.history)
    found = [
        _gone(key, fact, second) if (new := after.get(key)) is None else Difference("corrected", fact, new)
        for key, fact in before.items()
        if after.get(key) != fact
    ]
    found += (_come(key, fact, first) for key, fact in after.items() if key not in before)
    return sorted(found, key=lambda each: (each.new or each.old or ())[:4])


def _gone(key: _Key, fact: Fact, second: Telling) -> Difference:
    if key in second.elsewhere:
        return Difference("went back", fact, None)
    if key not in second.hidden:
        return Difference("left", fact, None)
    return Difference("took effect" if fact.kind == CORRECTED else "retracted", fact, None)


def _come(key: _Key, fact: Fact, first: Telling) -> Difference:
    if key in first.elsewhere:
        return Difference("merged in", None, fact)
    return Difference("restored" if key in first.hidden else "came", None, fact)


def _by_key(history: Sequence[Fact]) -> Mapping[_Key, Fact]:
    return {_key(fact): fact for fact in history}


def _key(fact: Fact) -> _Key:
    return fact.stream, fact.id, fact.source
