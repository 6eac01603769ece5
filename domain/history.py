"""Effective history: what folds and replays see of a family's streams, after merges, reverts and corrections.

It is a pure function of the touchpoints within a known cut. Merges, reverts and corrections act in recording order;
all else is ordered by when it occurred, so that the order of arrival of ordinary touchpoints changes nothing.

A correction names its target by id and source within its family. Where several streams of the family hold that pair,
it means the one in its own stream, else the one in the first stream by name.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from pydantic import ValidationError

from domain.errors import CorrectionRefused, MergeRefused
from domain.touchpoint import EPOCH, INT64_MAX, KINDS, Fact

MERGED, REVERTED = "CustomersMerged", "CustomerMergeReverted"
CORRECTED, ERASED, REGISTERED = "TouchpointCorrected", "PersonalDataErased", "CustomerRegistered"

LINK_KINDS = frozenset({MERGED, REVERTED})
"""The kinds that join streams into families and part them."""

RESHAPING_KINDS = LINK_KINDS | {CORRECTED}
"""The kinds after which a family must be folded again. An erasure is none: it changes no history, it only forbids."""

_UNCORRECTABLE = LINK_KINDS | {ERASED}

_stream_of = itemgetter(2)
_kind_of = itemgetter(4)

_Key = tuple[str, str, str]
"""What names a touchpoint for ever: stream, id and source. A version could change with the order of arrival."""


class Components:
    """Which streams were ever joined by merges, standing or not: all that must be read for one subject."""

    def __init__(self, links: Iterable[Fact] = ()) -> None:
        self._linked: dict[str, set[str]] = {}
        for link in links:
            self.add(link)

    def add(self, link: Fact) -> None:
        """Take one more merge or revert; the order does not matter."""
        survivor, absorbed = (self._linked.setdefault(side, {side}) for side in _sides(link))
        if survivor is absorbed:
            return
        smaller, larger = sorted((survivor, absorbed), key=len)
        larger |= smaller
        self._linked.update(dict.fromkeys(smaller, larger))

    def of(self, subject: str) -> frozenset[str]:
        """All streams of the component of a subject, itself among them."""
        return frozenset(self._linked.get(subject) or (subject,))


def components(links: Iterable[Fact]) -> Components:
    """Join the streams of all merges and reverts given, each once or once per stream that holds it."""
    return Components(links)


def effective_histories(facts: Iterable[Fact], until: int | None = None) -> dict[str, list[Fact]]:
    """Answer the effective history of each root (a survivor, or a stream that stands alone) of one component.

    Args:
        facts: all touchpoints within the known cut, of all streams of the component, in any order.
        until: leaves out what effectively occurred later, in microseconds since 1970 UTC.

    Returns:
        For each root its touchpoints, sorted by order key, with corrections applied. A merge or revert stands once,
        under its survivor. A correction that has no effect, mostly because its target is not there yet, stands as
        itself, at its own time.
    """
    known = facts if isinstance(facts, list) else list(facts)
    if RESHAPING_KINDS.isdisjoint(map(_kind_of, known)):
        histories = _by_stream(known)
    else:
        families = _Families(known)
        histories = {root: _Stacks(members).corrected() for root, members in families.partition(known).items()}
    if until is not None:
        histories = {root: [fact for fact in history if fact.at <= until] for root, history in histories.items()}
    for history in histories.values():
        # A fact begins with its order key, and (stream, version) is unique, so nothing beyond it is ever compared.
        history.sort()
    return histories


def roots(facts: Iterable[Fact]) -> dict[str, str]:
    """Answer under which root the history of each absorbed stream stands; a stream not named is its own root."""
    families = _Families(facts)
    return {stream: families.root(stream) for stream in families.merge_of}


def awaited_ids(facts: Iterable[Fact]) -> frozenset[str]:
    """The ids whose arrival changes more than itself: what corrections aim at, and what reverts gave back.

    A live fold may evolve over a newer ordinary touchpoint unless its id is one of these; then it folds again.
    """
    return frozenset(
        awaited
        for fact in facts
        if fact.kind in RESHAPING_KINDS
        for awaited in ((fact.data["target"],) if fact.kind == CORRECTED else fact.data.get("returned", ()))
    )


def proposed_return(merge: Fact, facts: Sequence[Fact]) -> list[str]:
    """Propose what a revert of a merge should give back: the survivor's touchpoints on entities of the absorbed.

    An entity is the absorbed's when the touchpoint that first names it stands in one of the absorbed's streams.
    Corrections go with what they correct.
    """
    families = _Families(facts)
    absorbed = families.members(merge.data["absorbed"])
    family = families.members(families.root(merge.data["survivor"]))
    survivors, ours, entities = list[Fact](), set[tuple[str, str]](), dict[tuple[str, str], bool]()
    for fact in sorted(families.collapse(facts)):
        home = families.home(fact)
        if home not in family:
            continue
        for entity in _entities(fact):
            entities.setdefault(entity, home in absorbed)
        if home in absorbed:
            ours.add((fact.id, fact.source))
        elif fact.kind not in LINK_KINDS:
            survivors.append(fact)
    back = {(fact.id, fact.source) for fact in survivors if any(map(entities.get, _entities(fact)))}
    corrections = [fact for fact in survivors if fact.kind == CORRECTED]
    grew = True
    while grew:
        following = {(fact.id, fact.source) for fact in corrections if _target_pair(fact) in back | ours} - back
        back |= following
        grew = bool(following)
    return list(dict.fromkeys(fact.id for fact in survivors if (fact.id, fact.source) in back))


def check_door(candidate: Fact, facts: Sequence[Fact]) -> None:
    """Refuse a correction, merge or revert that the effective history forbids; let every other kind pass.

    Args:
        candidate: the touchpoint that is not stored yet. A repeat of a stored one must have been answered before.
        facts: all that is known of the components of the streams that it names.

    Raises:
        CorrectionRefused: a correction of what may not be corrected, or not so.
        MergeRefused: a merge or revert that does not fit the families as they stand.
    """
    if candidate.kind == CORRECTED:
        refuse_correction(candidate, facts)
    elif candidate.kind in LINK_KINDS:
        refuse_merge(candidate, facts)


def refuse_correction(candidate: Fact, facts: Sequence[Fact]) -> None:
    """Refuse a correction that would have no effect, or that moves a touchpoint to another entity.

    One whose target is not known passes: it takes effect when the target arrives.

    Raises:
        CorrectionRefused: see `check_door`.
    """
    latest = candidate._replace(recorded=INT64_MAX)
    families = _Families(facts)
    stacks = _Stacks(families.partition([*facts, latest])[families.root(latest.stream)])
    if objection := stacks.objection_to(latest):
        raise CorrectionRefused(
            objection.what, where=f"correction {candidate.id}", rule=objection.rule, way_out=objection.way_out
        )


def refuse_merge(candidate: Fact, facts: Sequence[Fact]) -> None:
    """Refuse a merge or revert that does not fit the families as they stand.

    Raises:
        MergeRefused: see `check_door`.
    """
    families = _Families(facts)
    objection = families.objection_to(candidate)
    if not objection and candidate.stream not in _sides(candidate):
        objection = _Objection(
            "the merge is addressed to a customer that it does not concern",
            "a merge or its revert is written under its survivor and its absorbed",
            "address it to one of the two",
        )
    if not objection and candidate.kind == MERGED:
        objection = _entity_in_both(candidate, facts)
    if not objection and candidate.kind == REVERTED:
        objection = _erased_since(families, candidate, facts)
    if objection:
        where = f"survivor {candidate.data['survivor']}, absorbed {candidate.data['absorbed']}"
        raise MergeRefused(objection.what, where=where, rule=objection.rule, way_out=objection.way_out)


class _Objection(NamedTuple):
    """Why a correction or link has no effect, in the words of an error."""

    what: str
    rule: str
    way_out: str


def _by_stream(facts: list[Fact]) -> dict[str, list[Fact]]:
    streams = set(map(_stream_of, facts))
    if len(streams) == 1:
        return {streams.pop(): facts[:]}
    histories: dict[str, list[Fact]] = {stream: [] for stream in streams}
    for fact in facts:
        histories[fact.stream].append(fact)
    return histories


def _recording(fact: Fact) -> tuple[int, int, int]:
    # Recorded time never falls within a bucket, so this is the bucket's own order, and one order over all buckets.
    return (fact.recorded, fact.bucket, fact.number)


def _sides(link: Fact) -> tuple[str, str]:
    return link.data["survivor"], link.data["absorbed"]


def _target_pair(correction: Fact) -> tuple[str, str]:
    return correction.data["target"], correction.data.get("target_source", correction.source)


def _entities(fact: Fact) -> Iterator[tuple[str, str]]:
    kind = KINDS.get(fact.kind)
    for field, entity in kind.entity_fields().items() if kind else ():
        if named := fact.data.get(field):
            yield entity, named


def _entity_in_both(merge: Fact, facts: Sequence[Fact]) -> _Objection | None:
    histories = effective_histories(facts)
    survivor, absorbed = (set(chain.from_iterable(map(_entities, histories.get(side, ())))) for side in _sides(merge))
    if not survivor & absorbed:
        return None
    kinds = sorted({entity for entity, _ in survivor & absorbed})
    return _Objection(
        f"both customers have the same {' and the same '.join(kinds)}",
        "an entity id belongs to one customer, so a merge may not bring two of the same together",
        "correct or retract the touchpoints of the one that is wrong, then merge",
    )


def _erased_since(families: "_Families", revert: Fact, facts: Sequence[Fact]) -> _Objection | None:
    survivor, absorbed = _sides(revert)
    merged, family = _recording(families.merge_of[absorbed]), families.members(survivor)
    if not any(fact.kind == ERASED and fact.stream in family and _recording(fact) > merged for fact in facts):
        return None
    return _Objection(
        "the personal data of these customers was erased after the merge",
        "an erasure destroys the keys of the whole family; nothing can be given back after it",
        "leave the merge as it stands",
    )


class _Families:
    """Who stands merged into whom after all links, and what reverts gave back to whom."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.merge_of: dict[str, Fact] = {}
        """The merge by which an absorbed stream stands absorbed."""
        self._returns: list[tuple[frozenset[str], frozenset[str], str]] = []
        """For each standing revert: the ids given back, the streams that gave them, the one that has them."""
        self._reverted: set[tuple[str, str, str]] = set()
        links = self.collapse(fact for fact in facts if fact.kind in LINK_KINDS)
        for link in sorted(links, key=_recording):
            # The same rules as at the door, so that a log that slipped past it still folds, and folds the same.
            if not self.objection_to(link):
                self._take(link)
        self._given_back = frozenset[str]().union(*(ids for ids, _, _ in self._returns))

    @staticmethod
    def collapse(facts: Iterable[Fact]) -> list[Fact]:
        """Keep one of the two copies of each merge and revert: the survivor's."""
        others, links = list[Fact](), dict[tuple[str, ...], Fact]()
        for fact in facts:
            if fact.kind not in LINK_KINDS:
                others.append(fact)
                continue
            survivor, absorbed = _sides(fact)
            key = (fact.kind, fact.id, fact.source, survivor, absorbed)
            if key not in links or fact.stream == survivor:
                links[key] = fact
        return [*others, *links.values()]

    def root(self, stream: str) -> str:
        """The stream under which the history of this one stands."""
        while merge := self.merge_of.get(stream):
            stream = merge.data["survivor"]
        return stream

    def members(self, stream: str) -> frozenset[str]:
        """A stream and all that stand merged into it, at first or second hand."""
        found = {stream}
        for absorbed in self.merge_of:
            path, at = [absorbed], absorbed
            while at not in found and (merge := self.merge_of.get(at)):
                at = merge.data["survivor"]
                path.append(at)
            if at in found:
                found.update(path)
        return frozenset(found)

    def home(self, fact: Fact) -> str:
        """The stream that a touchpoint belongs to: its own, unless a revert gave it to another."""
        home = fact.stream
        if fact.id in self._given_back and fact.kind not in LINK_KINDS:
            for ids, givers, taker in self._returns:
                if fact.id in ids and home in givers:
                    home = taker
        return home

    def partition(self, facts: Iterable[Fact]) -> dict[str, list[Fact]]:
        """Give each root its touchpoints; a root all of whose touchpoints went back to another has none."""
        known = self.collapse(facts)
        parts: dict[str, list[Fact]] = {self.root(stream): [] for stream in set(map(_stream_of, known))}
        for fact in known:
            parts.setdefault(self.root(self.home(fact)), []).append(fact)
        return parts

    def objection_to(self, link: Fact) -> _Objection | None:
        """Why a merge or revert cannot take effect now."""
        return self._objection_to_merge(link) if link.kind == MERGED else self._objection_to_revert(link)

    def _take(self, link: Fact) -> None:
        survivor, absorbed = _sides(link)
        if link.kind == MERGED:
            self.merge_of[absorbed] = link
            return
        del self.merge_of[absorbed]
        self._reverted.add((link.data["merge"], survivor, absorbed))
        if returned := link.data.get("returned"):
            self._returns.append((frozenset(returned), self.members(survivor), absorbed))

    def _objection_to_merge(self, merge: Fact) -> _Objection | None:
        survivor, absorbed = _sides(merge)
        if survivor == absorbed:
            return _Objection(
                "a customer cannot be merged with itself",
                "survivor and absorbed are two customers",
                "name the other customer",
            )
        if absorbed in self.merge_of:
            return _Objection(
                "the absorbed customer is already absorbed",
                "a customer is absorbed by one survivor at a time",
                f"merge its survivor {self.root(absorbed)} instead, or revert the earlier merge first",
            )
        if survivor in self.merge_of:
            cycle = self.root(survivor) == absorbed
            return _Objection(
                "the merge would close a cycle" if cycle else "the survivor is itself absorbed",
                "a survivor stands for itself at the moment of the merge",
                "revert the earlier merge first"
                if cycle
                else f"merge into {self.root(survivor)}, who absorbed the survivor",
            )
        return None

    def _objection_to_revert(self, revert: Fact) -> _Objection | None:
        survivor, absorbed = _sides(revert)
        standing = self.merge_of.get(absorbed)
        if not standing or standing.id != revert.data["merge"] or standing.data["survivor"] != survivor:
            known = (revert.data["merge"], survivor, absorbed) in self._reverted
            return _Objection(
                "this merge was already reverted" if known else "no such merge of these customers stands",
                "a revert names a standing merge by its id, its survivor and its absorbed",
                "nothing is left to do" if known else "look the merge up with: lifecircle history",
            )
        if survivor in self.merge_of:
            return _Objection(
                "the survivor is itself absorbed now",
                "merges are reverted from the last to the first",
                f"revert the merge of {survivor} into {self.merge_of[survivor].data['survivor']} first",
            )
        return None


class _Entry:
    """A correction that found its original: whether it stands, and what it does."""

    __slots__ = ("holds", "objection", "original", "result", "stands")

    def __init__(self, original: Fact, objection: _Objection | None = None) -> None:
        self.original = original
        self.objection = objection
        self.stands = objection is None
        self.result: Fact | None = None
        """What the original becomes; none hides it."""
        self.holds: _Entry | None = None
        """The correction that this one retracts, which is then no layer of the stack itself."""


class _Stacks:
    """The corrections of one family: a stack on each original, in recording order.

    A correction that was recorded before the correction that it corrects takes effect right after it.
    """

    def __init__(self, facts: list[Fact]) -> None:
        self._facts = facts
        self._entries: dict[_Key, _Entry] = {}
        self._layers: dict[_Key, list[_Entry]] = {}
        corrections = sorted((fact for fact in facts if fact.kind == CORRECTED), key=_recording)
        aims = set(map(_target_pair, corrections))
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

    def objection_to(self, correction: Fact) -> _Objection | None:
        """Why a correction whose target is there has no effect, or must not have the one it asks for."""
        entry = self._entries.get(_key(correction))
        if entry is None or entry.objection:
            return entry.objection if entry else None
        kept = dict(_entity_fields(entry.original))
        given = correction.data.get("replacement") or {}
        if moved := sorted(field for field in kept if field in given and given[field] != kept[field]):
            return _Objection(
                f"the correction changes {' and '.join(moved)}",
                "a replacement keeps the touchpoint's id, kind and the entities that it names",
                "retract the touchpoint and record it anew for the right entity",
            )
        return None

    def _target(self, correction: Fact) -> Fact | None:
        found = self._targets.get(_target_pair(correction), {})
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

    def _replace(self, entry: _Entry, correction: Fact) -> _Objection | None:
        replaced = _replaced(entry.original, correction)
        if isinstance(replaced, _Objection):
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


def _objection_to_target(target: Fact, below: _Entry | None, *, retracts: bool) -> _Objection | None:
    if below and not below.stands:
        return _Objection(
            "the correction that it corrects has been retracted",
            "a retracted correction is not corrected",
            "correct the original touchpoint, or the retraction",
        )
    if target.kind in _UNCORRECTABLE:
        return _Objection(
            f"{target.kind} cannot be corrected",
            "merges, their reverts and erasures are never corrected",
            "revert the merge" if target.kind == MERGED else "there is none: what was done was done",
        )
    if target.kind == REGISTERED and retracts:
        return _Objection(
            "a registration cannot be retracted",
            "a registration may be replaced, not retracted",
            "replace the fields that are wrong",
        )
    return None


def _replaced(original: Fact, correction: Fact) -> Fact | _Objection:
    """Lay a replacement's fields over the original's; a field given as null is taken away."""
    kept = dict(_entity_fields(original))
    given = {name: value for name, value in (correction.data.get("replacement") or {}).items() if name not in kept}
    data = {name: value for name, value in {**original.data, **given}.items() if value is not None}
    if given and (kind := KINDS.get(original.kind)):
        try:
            data = kind.model_validate(data).model_dump(mode="json", exclude_none=True)
        except ValidationError as error:
            fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)})
            return _Objection(
                f"the replacement does not fit {original.kind}",
                f"the corrected touchpoint must be valid; wrong here: {', '.join(fields)}",
                f"see: lifecircle kinds {original.kind} --schema",
            )
    replaced = original._replace(data=data)
    if occurred := correction.data.get("occurred"):
        at = _microseconds(occurred)
        if at is None:
            return _Objection(
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
