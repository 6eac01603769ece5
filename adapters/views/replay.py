"""Replay: one subject's effective history and rows, as of any known cut and any occurred time."""

from collections.abc import Sequence
from typing import NamedTuple

from adapters.codec import fact_of
from adapters.cursor import Cursor
from adapters.log import LINK_KINDS, Log
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.tables import primary_key
from domain.company import Company
from domain.errors import UnknownSubject
from domain.history import effective_histories, roots
from domain.touchpoint import Fact
from projections import view_named
from projections.view import Column, Row, fold


def family_facts(log: Log, *subjects: str, upto: Cursor | None = None) -> list[Fact]:
    """All facts within a cut of every stream ever joined to these subjects by merges, their own streams among them.

    A merge stands in both streams that it joins, so the family is found by reading it; no other stream is looked at.
    """
    facts: list[Fact] = []
    seen = set(subjects)
    waiting = list(dict.fromkeys(subjects))
    for subject in waiting:
        for stored in log.stream(subject, upto):
            fact = fact_of(stored)
            facts.append(fact)
            waiting += (side for side in linked(fact) if side not in seen)
            seen.update(linked(fact))
    return facts


def linked(fact: Fact) -> Sequence[str]:
    """The streams that a merge or its revert joins; none for any other kind."""
    return (fact.data["survivor"], fact.data["absorbed"]) if fact.kind in LINK_KINDS else ()


def history(log: Log, subject: str, known: Cursor | int | None = None, as_of: int | None = None) -> list[Fact]:
    """The effective history of a subject's family, oldest first; an absorbed subject answers its survivor's.

    Args:
        log: where it is recorded.
        subject: any stream of the family.
        known: what had been recorded by then: a cursor, or microseconds since 1970 UTC; None for all.
        as_of: what had effectively occurred by then, in microseconds since 1970 UTC; None for all.

    Raises:
        UnknownSubject: the log holds nothing of this subject within the known cut.
    """
    return replayed(log, subject, known, as_of).effective


def rows_as_of(
    log: Log,
    company: Company,
    view_name: str,
    subject: str,
    pseudonyms: Pseudonyms,
    known: Cursor | int | None = None,
    as_of: int | None = None,
) -> tuple[tuple[Column, ...], list[Row]]:
    """The columns of a view and its rows of one subject's family by primary key, folded from its history as it stood.

    Raises:
        UnknownView: there is none of this name.
        UnknownSubject: the log holds nothing of this subject within the known cut.
    """
    view = view_named(view_name)
    root, _, facts = replayed(log, subject, known, as_of)
    columns = view.columns()
    names = [column.name for column in columns]
    places = [names.index(part) for part in primary_key(view)]
    rows = fold(view(company), root, pseudonyms.put_into(facts)).values()
    return columns, sorted(rows, key=lambda row: [row[place] for place in places])


def _as_known(log: Log, subject: str, known: Cursor | int | None) -> list[Fact]:
    """All facts of a subject's family within a known cut; of all that is there, the streams equally far."""
    if known is None:
        # One stream is read at one moment and is its own cut; only where others belong to it must one be taken first.
        facts = [fact_of(stored) for stored in log.stream(subject)]
        if not any(fact.kind in LINK_KINDS for fact in facts):
            return facts
        known = log.heads()
    return family_facts(log, subject, upto=log.cut_at(known) if isinstance(known, int) else known)


class Replayed(NamedTuple):
    """A subject's family within a cut: its root, all that its streams hold, and its effective history."""

    root: str
    family: list[Fact]
    effective: list[Fact]


def replayed(log: Log, subject: str, known: Cursor | int | None = None, as_of: int | None = None) -> Replayed:
    """Replay a subject, as `history` does.

    Raises:
        UnknownSubject: the log holds nothing of this subject within the known cut.
    """
    facts = _as_known(log, subject, known)
    if not any(fact.stream == subject for fact in facts):
        raise UnknownSubject(
            "the log holds no touchpoint of this subject within that cut",
            where=subject,
            way_out="check the id, or ask for a later moment",
        )
    root = roots(facts).get(subject, subject)
    return Replayed(root, facts, effective_histories(facts, as_of).get(root, []))
