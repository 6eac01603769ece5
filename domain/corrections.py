"""Corrections: a stack on each touchpoint of a family, of which the top one that stands wins."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import ValidationError

from domain.errors import CorrectionRefused
from domain.families import MERGE_KINDS, MERGED, Objection, recording
from domain.shortcuts import problems
from domain.touchpoint import EPOCH, KINDS, Fact

CORRECTED, ERASED, REGISTERED = "TouchpointCorrected", "PersonalDataErased", "CustomerRegistered"

_UNCORRECTABLE = MERGE_KINDS | {ERASED}

_Key = tuple[str, str, str]
"""What names a touchpoint for ever: stream, id and source. A version could change with the order of arrival."""


def target_pair(correction: Fact) -> tuple[str, str]:
    """The id and source that a correction names."""
    return correction.data["target"], correction.data.get("target_source", correction.source)


def check_fields(correction: Fact, facts: Iterable[Fact]) -> Fact | None:
    """What a correction corrects in the end, where that is known among the facts of its family.

    Raises:
        CorrectionRefused: its replacement does not fit that.
    """
    known = {
        (fact.id, fact.source): fact for fact in facts if (fact.id, fact.source) != (correction.id, correction.source)
    }
    original = known.pop(target_pair(correction), None)
    while original and original.kind == CORRECTED:
        original = known.pop(target_pair(original), None)
    if original and not correction.data.get("retraction"):
        replaced = _replaced(original, correction)
        if isinstance(replaced, Objection):
            raise refused(correction, replaced)
    return original


def refused(correction: Fact, objection: Objection) -> CorrectionRefused:
    """The error for a correction that has an objection to it."""
    return CorrectionRefused(
        objection.what, where=f"correction {correction.id}", rule=objection.rule, way_out=objection.way_out
    )


class _Entry:
    """A correction that found its original: whether it stands, and what it does."""

    __slots__ = ("holds", "objection", "original", "result", "stands")

    def __init__(self, original: Fact, objection: Objection | None = None) -> None:
        self.original = original
        self.objection = objection
        self.stands = objection is None
        self.result: Fact | None = None
        """What the original becomes; none hides it."""
        self.holds: _Entry | None = None
        """The correction that this one retracts, which is then no layer of the stack itself."""


class Stacks:
    """The corrections of one family: a stack on each original, in recording order.

    A correction that was recorded before the correction that it corrects takes effect right after it.
    """

    def __init__(self, facts: list[Fact]) -> None:
        self._facts = facts
        self._entries: dict[_Key, _Entry] = {}
        self._layers: dict[_Key, list[_Entry]] = {}
        corrections = sorted((fact for fact in facts if fact.kind == CORRECTED), key=recording)
        aims = set(map(target_pair, corrections))
        self._targets: dict[tuple[str, str], dict[str, Fact]] = {}
        for fact in facts if corrections else ():
            if (fact.id, fact.source) in aims:
                self._targets.setdefault((fact.id, fact.source), {})[fact.stream] = fact
        waiting: dict[_Key, list[Fact]] = {}
        for correction in corrections:
            target = self._target(correction)
            if target is None:
                continue
            if target.kind == CORRECTED and _key(target) not in self._entries:
                waiting.setdefault(_key(target), []).append(correction)
                continue
            ready = [correction]
            for each in ready:
                self._entries[_key(each)] = self._take(each)
                ready += waiting.pop(_key(each), ())

    def corrected(self) -> list[Fact]:
        """The family's touchpoints as they stand corrected, unsorted."""
        if not self._targets:
            return self._facts
        return [seen for fact in self._facts if (seen := self._seen(fact))]

    def objection_to(self, correction: Fact) -> Objection | None:
        """Why a correction whose target is there has no effect, or must not have the one it asks for."""
        entry = self._entries.get(_key(correction))
        if entry is None or entry.objection:
            return entry.objection if entry else None
        kept = dict(_entity_fields(entry.original))
        given = correction.data.get("replacement") or {}
        if moved := sorted(field for field in kept if field in given and given[field] != kept[field]):
            return Objection(
                f"the correction changes {' and '.join(moved)}",
                "a replacement keeps the touchpoint's id, kind and the entities that it names",
                "retract the touchpoint and record it anew for the right entity",
            )
        return None

    def _target(self, correction: Fact) -> Fact | None:
        found = self._targets.get(target_pair(correction), {})
        others = {stream: fact for stream, fact in found.items() if _key(fact) != _key(correction)}
        return others.get(correction.stream) or (others[min(others)] if others else None)

    def _take(self, correction: Fact) -> _Entry:
        target = self._target(correction)
        assert target is not None  # noqa: S101 - only corrections with a target are taken
        below = self._entries.get(_key(target)) if target.kind == CORRECTED else None
        entry = _Entry(below.original if below else target)
        retracts = bool(correction.data.get("retraction"))
        entry.objection = _objection_to_target(target, below, retracts=retracts)
        if entry.objection is None and not retracts:
            entry.objection = self._replace(entry, correction)
        entry.stands = entry.objection is None
        if entry.stands and retracts and below:
            entry.holds, below.stands = below, False
            if below.holds:
                below.holds.stands = True
        elif entry.stands:
            self._layers.setdefault(_key(entry.original), []).append(entry)
        return entry

    def _replace(self, entry: _Entry, correction: Fact) -> Objection | None:
        replaced = _replaced(entry.original, correction)
        if isinstance(replaced, Objection):
            return replaced
        entry.result = replaced
        return None

    def _seen(self, fact: Fact) -> Fact | None:
        if fact.kind == CORRECTED:
            entry = self._entries.get(_key(fact))
            return None if entry and not entry.objection else fact
        top = next((layer for layer in reversed(self._layers.get(_key(fact), ())) if layer.stands), None)
        return top.result if top else fact


def _key(fact: Fact) -> _Key:
    return fact.stream, fact.id, fact.source


def _entity_fields(fact: Fact) -> Iterator[tuple[str, str | None]]:
    kind = KINDS.get(fact.kind)
    for field in kind.entity_fields() if kind else ():
        yield field, fact.data.get(field)


def _objection_to_target(target: Fact, below: _Entry | None, *, retracts: bool) -> Objection | None:
    if below and not below.stands:
        return Objection(
            "the correction that it corrects has been retracted",
            "a retracted correction is not corrected",
            "correct the original touchpoint, or the retraction",
        )
    if target.kind in _UNCORRECTABLE:
        return Objection(
            f"{target.kind} cannot be corrected",
            "merges, their reverts and erasures are never corrected",
            "revert the merge" if target.kind == MERGED else "there is none: what was done was done",
        )
    if target.kind == REGISTERED and retracts:
        return Objection(
            "a registration cannot be retracted",
            "a registration may be replaced, not retracted",
            "replace the fields that are wrong",
        )
    return None


def _replaced(original: Fact, correction: Fact) -> Fact | Objection:
    """Lay a replacement's fields over the original's; a field given as null is taken away."""
    kept = dict(_entity_fields(original))
    given = {name: value for name, value in (correction.data.get("replacement") or {}).items() if name not in kept}
    data = {name: value for name, value in {**original.data, **given}.items() if value is not None}
    if given and (kind := KINDS.get(original.kind)):
        try:
            data = kind.model_validate(data).model_dump(mode="json", exclude_none=True)
        except ValidationError as error:
            fields = sorted({".".join(map(str, place)) for place, _ in problems(error)})
            return Objection(
                f"the replacement does not fit {original.kind}",
                f"the corrected touchpoint must be valid; wrong here: {', '.join(fields)}",
                f"see: lifecircle kinds {original.kind} --schema",
            )
    replaced = original._replace(data=data)
    if occurred := correction.data.get("occurred"):
        at = _microseconds(occurred)
        if at is None:
            return Objection(
                "the corrected time is no time with an offset",
                "occurred is an ISO 8601 text with an offset",
                "give it as 2026-03-01T10:00:00+01:00",
            )
        replaced = replaced._replace(at=at, envelope={**original.envelope, "time": occurred})
    return replaced


def _microseconds(text: str) -> int | None:
    try:
        since = datetime.fromisoformat(text) - EPOCH
    except (TypeError, ValueError):
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
