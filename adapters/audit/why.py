"""Why a row of a view is as it is: the touchpoints whose folding changed it, found by folding once more."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from adapters.cursor import Cursor
from adapters.log import LINK_KINDS, Log
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import replayed
from adapters.views.tables import primary_key
from domain.company import Company
from domain.corrections import CORRECTED, target_pair
from domain.errors import RowUnknown
from domain.touchpoint import Fact
from projections import view_named
from projections.view import Row


class Reason(NamedTuple):
    """A touchpoint that made a row what it is.

    It was folded, and then `changed` holds the columns that became something else; or it corrected one that was, or
    joined the streams that they stand in.
    """

    fact: Fact
    how: Literal["folded", "corrected", "joined"]
    changed: Mapping[str, Any]


def why(
    log: Log,
    company: Company,
    view_name: str,
    key: Sequence[str],
    pseudonyms: Pseudonyms,
    known: Cursor | int | None = None,
    as_of: int | None = None,
) -> tuple[dict[str, Any], list[Reason]]:
    """A row as of a moment, by its columns, and what made it so, in the order in which it was folded.

    Args:
        log: where it is recorded.
        company: whose settings the view reads.
        view_name: the view.
        key: the cells of its primary key, as texts, the subject first.
        pseudonyms: what folds see in place of identifiers.
        known: what had been recorded by then; None for all.
        as_of: what had effectively occurred by then; None for all.

    Raises:
        UnknownView: there is none of this name.
        UnknownSubject: the log holds nothing of this subject within the known cut.
        RowUnknown: the key has another number of cells, or the view has no such row at that moment.
    """
    kind = view_named(view_name)
    columns, names = [column.name for column in kind.columns()], primary_key(kind)
    if len(key) != len(names):
        raise _unknown(view_name, names)
    at = [columns.index(name) for name in names]
    root, family, effective = replayed(log, key[0], known, as_of)
    wanted = [root, *key[1:]]
    view, found = kind(company), dict[Hashable, Row]()
    state, row, reasons = view.initial(root), None, list[Reason]()
    for fact in pseudonyms.put_into(effective):
        state, keys = view.evolve(state, fact)
        for each in set(keys):
            before, after = found.pop(each, None), view.row(state, each)
            if after is not None:
                found[each] = after
            rows = [each for each in (before, after) if each is not None]
            if before == after or wanted not in [[str(each[place]) for place in at] for each in rows]:
                continue
            row = after
            changed = [place for place in range(len(columns)) if (before and before[place]) != (after and after[place])]
            reasons.append(Reason(fact, "folded", {columns[place]: after and after[place] for place in changed}))
    if row is None:
        raise _unknown(view_name, names)
    beside = _corrections([each.fact for each in reasons], family)
    if any(each.fact.stream != root for each in reasons):
        beside += [Reason(fact, "joined", {}) for fact in family if fact.kind in LINK_KINDS]
    return dict(zip(columns, row, strict=True)), reasons + beside


def _corrections(folded: Sequence[Fact], family: Sequence[Fact]) -> list[Reason]:
    """Every correction of these, and of those corrections, whether it stands or not."""
    aims = {(fact.id, fact.source) for fact in folded}
    corrections, found = [fact for fact in family if fact.kind == CORRECTED], list[Fact]()
    while more := [fact for fact in corrections if target_pair(fact) in aims and fact not in found]:
        found += more
        aims |= {(fact.id, fact.source) for fact in more}
    return [Reason(fact, "corrected", {}) for fact in found]


def _unknown(view_name: str, names: Sequence[str]) -> RowUnknown:
    return RowUnknown(
        "the view has no row of this key at that moment",
        where=view_name,
        rule=f"a row is named by: {', '.join(names)}",
        way_out=f"look at the rows with: lifecircle view {view_name} --subject SUBJECT",
    )
