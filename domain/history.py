"""Effective history: what folds and replays see of a family's streams, after merges, reverts and corrections.

It is a pure function of the touchpoints within a known cut. Merges, reverts and corrections act in recording order;
all else is ordered by when it occurred, so that the order of arrival of ordinary touchpoints changes nothing.

A correction names its target by id and source within its family. Where several streams of the family hold that pair,
it means the one in its own stream, else the one in the first stream by name.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter

from domain.corrections import CORRECTED, ERASED, Stacks, refused, target_pair
from domain.errors import MergeRefused
from domain.families import MERGE_KINDS, MERGED, REVERTED, Components, Families, Objection, recording, sides
from domain.touchpoint import INT64_MAX, KINDS, Fact, Touchpoint

__all__ = [
    "DECIDED_KINDS",
    "MERGE_KINDS",
    "RESHAPING_KINDS",
    "Components",
    "awaited_ids",
    "check_door",
    "components",
    "effective_histories",
    "entities_of",
    "proposed_return",
    "root_of",
    "roots",
]

RESHAPING_KINDS = MERGE_KINDS | {CORRECTED}
"""The kinds after which a family must be folded again. An erasure is none: it changes no history, it only forbids."""

DECIDED_KINDS = RESHAPING_KINDS | {ERASED}
"""The kinds whose touchpoints are decided on the history before they are stored."""

_stream_of = itemgetter(2)
_kind_of = itemgetter(4)


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
        families = Families(known)
        histories = {root: Stacks(members).corrected() for root, members in families.partition(known).items()}
    if until is not None:
        histories = {root: [fact for fact in history if fact.at <= until] for root, history in histories.items()}
    for history in histories.values():
        # A fact begins with its order key, and (stream, version) is unique, so nothing beyond it is ever compared.
        history.sort()
    return histories


def roots(facts: Iterable[Fact]) -> dict[str, str]:
    """Answer under which root the history of each absorbed stream stands; a stream not named is its own root."""
    families = Families(facts)
    return {stream: families.root(stream) for stream in families.merge_of}


def root_of(subject: str, facts: Iterable[Fact]) -> str:
    """Answer under which root the history of one subject stands; one that stands alone is its own."""
    return Families(facts).root(subject)


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
    Corrections go with what they correct. What was the survivor's before the merge stays.
    """
    families = Families(facts)
    absorbed = families.members(merge.data["absorbed"])
    family = families.members(families.root(merge.data["survivor"]))
    survivors, ours, entities = list[Fact](), set[tuple[str, str]](), dict[tuple[str, str], bool]()
    for fact in sorted(families.collapse(facts)):
        home = families.home(fact)
        if home not in family:
            continue
        for entity in entities_of(fact):
            entities.setdefault(entity, home in absorbed)
        if home in absorbed:
            ours.add((fact.id, fact.source))
        elif fact.kind not in MERGE_KINDS and recording(fact) > recording(merge):
            survivors.append(fact)
    back = {(fact.id, fact.source) for fact in survivors if any(map(entities.get, entities_of(fact)))}
    corrections = [fact for fact in survivors if fact.kind == CORRECTED]
    grew = True
    while grew:
        following = {(fact.id, fact.source) for fact in corrections if target_pair(fact) in back | ours} - back
        back |= following
        grew = bool(following)
    return list(dict.fromkeys(fact.id for fact in survivors if (fact.id, fact.source) in back))


def check_door(candidate: Fact, facts: Sequence[Fact]) -> None:
    """Refuse a correction, merge or revert that the effective history forbids; let every other kind pass.

    A correction whose target is not known passes too: it takes effect when the target arrives.

    Args:
        candidate: the touchpoint that is not stored yet. A repeat of a stored one must have been answered before.
        facts: all that is known of the components of the streams that it names.

    Raises:
        CorrectionRefused: a correction of what may not be corrected, or not so.
        MergeRefused: a merge or revert that does not fit the families as they stand.
    """
    if candidate.kind == CORRECTED:
        _refuse_correction(candidate, facts)
    elif candidate.kind in MERGE_KINDS:
        _refuse_merge(candidate, facts)


def _refuse_correction(candidate: Fact, facts: Sequence[Fact]) -> None:
    latest = candidate._replace(version=INT64_MAX, number=0)
    families = Families(facts)
    stacks = Stacks(families.partition([*facts, latest])[families.root(latest.stream)])
    if objection := stacks.objection_to(latest):
        raise refused(candidate, objection)


def _refuse_merge(candidate: Fact, facts: Sequence[Fact]) -> None:
    families = Families(facts)
    objection = families.objection_to(candidate)
    if not objection and candidate.stream not in sides(candidate):
        objection = Objection(
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


def _by_stream(facts: list[Fact]) -> dict[str, list[Fact]]:
    streams = set(map(_stream_of, facts))
    if len(streams) == 1:
        return {streams.pop(): facts[:]}
    histories: dict[str, list[Fact]] = {stream: [] for stream in streams}
    for fact in facts:
        histories[fact.stream].append(fact)
    return histories


def entities_of(fact: Fact) -> list[tuple[str, str]]:
    """The entities that a touchpoint names, such as `("order", "123")`."""
    kind = KINDS.get(fact.kind)
    fields = _entity_fields(kind) if kind else ()
    return [(entity, named) for field, entity in fields if (named := fact.data.get(field))]


@cache
def _entity_fields(kind: type[Touchpoint]) -> tuple[tuple[str, str], ...]:
    return tuple(kind.entity_fields().items())


def _entity_in_both(merge: Fact, facts: Sequence[Fact]) -> Objection | None:
    histories = effective_histories(facts)
    survivor, absorbed = (set(chain.from_iterable(map(entities_of, histories.get(side, ())))) for side in sides(merge))
    if not survivor & absorbed:
        return None
    kinds = sorted({entity for entity, _ in survivor & absorbed})
    return Objection(
        f"both customers have the same {' and the same '.join(kinds)}",
        "an entity id belongs to one customer, so a merge may not bring two of the same together",
        "correct or retract the touchpoints of the one that is wrong, then merge",
    )


def _erased_since(families: Families, revert: Fact, facts: Sequence[Fact]) -> Objection | None:
    survivor, absorbed = sides(revert)
    merged, family = recording(families.merge_of[absorbed]), families.members(survivor)
    if not any(fact.kind == ERASED and fact.stream in family and recording(fact) > merged for fact in facts):
        return None
    return Objection(
        "the personal data of these customers was erased after the merge",
        "an erasure destroys the keys of the whole family; nothing can be given back after it",
        "leave the merge as it stands",
    )
