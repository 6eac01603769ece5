"""What caused what: the tree that producers told by `causationid` and `correlationid`, over all streams of a log."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson

from adapters.log import Log, Stored
from adapters.progress import Progress, unseen
from domain.errors import UnknownSubject

_MARKS = (b'"causationid":"', b'"correlationid":"')


class Link(NamedTuple):
    """A touchpoint in a tree: how deep, and the position of what caused it.

    `cause` is None for a root, or where what it names is not in the log; `causationid` is what it names.
    """

    depth: int
    stored: Stored
    cause: tuple[int, int] | None
    causationid: str | None
    correlationid: str | None

    @property
    def position(self) -> tuple[int, int]:
        """Its bucket and number."""
        return self.stored.bucket, self.stored.number


class _Told(NamedTuple):
    stored: Stored
    causationid: str | None
    correlationid: str | None

    @property
    def position(self) -> tuple[int, int]:
        return self.stored.bucket, self.stored.number


def scan(log: Log, on_progress: Progress = unseen) -> Iterator[Stored]:
    """Every touchpoint of the log as it stands now, by bucket and number; memory does not grow with it."""
    upto = log.heads()
    done, total = 0, sum(upto.numbers)
    for page in log.pages(log.start(), upto):
        yield from page
        on_progress(done := done + len(page), total)


def causes(log: Log, subject: str, id: str | None = None, on_progress: Progress = unseen) -> list[Link]:  # noqa: A002 - the envelope's own word
    """The trees that the touchpoints of a subject, or one of them, are part of; each parent before its children.

    The log is read as often as the trees reach over another step, for nothing but the producers' words joins
    touchpoints of different subjects. A cause is a touchpoint of the id that is named, of the same source if there is
    one, else the first that was recorded.

    Raises:
        UnknownSubject: the log holds nothing of the subject, or no touchpoint of it with this id.
    """
    begun = [_told(stored) for stored in log.stream(subject) if id in (None, stored.id)]
    if not begun:
        raise UnknownSubject(
            "the log holds no such touchpoint",
            where=subject,
            rule="the subject that it is stored under, and its id",
            way_out="find both with: lifecircle history",
        )
    known = {each.position: each for each in begun}
    while more := _joined(log, known, on_progress):
        known |= more
    links = list(_trees(sorted(known.values(), key=lambda each: (each.stored.recorded, each.position))))
    if id is not None:
        return links
    parents = {link.cause for link in links}
    return [link for link in links if link.causationid or link.correlationid or link.position in parents]


def _told(stored: Stored) -> _Told:
    if not any(mark in stored.state for mark in _MARKS):
        return _Told(stored, None, None)
    envelope = orjson.loads(stored.state)
    return _Told(stored, envelope.get("causationid"), envelope.get("correlationid"))


def _joined(log: Log, known: dict[tuple[int, int], _Told], on_progress: Progress) -> dict[tuple[int, int], _Told]:
    """What else is a cause, an effect, or of one correlation with what is known."""
    ids = {each.stored.id for each in known.values()}
    wanted = {each.causationid for each in known.values()} - {None}
    correlations = {each.correlationid for each in known.values()} - {None}
    found = {}
    for stored in scan(log, on_progress):
        if (stored.bucket, stored.number) not in known:
            each = _told(stored)
            if stored.id in wanted or each.causationid in ids or each.correlationid in correlations:
                found[each.position] = each
    return found


def _trees(known: Sequence[_Told]) -> Iterator[Link]:
    by_id = defaultdict[str, list[_Told]](list)
    for each in known:
        by_id[each.stored.id].append(each)
    children, roots = defaultdict[tuple[int, int], list[_Told]](list), list[_Told]()
    for each in known:
        named = [other for other in by_id.get(each.causationid or "", ()) if other.position != each.position]
        own = [other for other in named if other.stored.source == each.stored.source]
        if parent := next(iter(own or named), None):
            children[parent.position].append(each)
        else:
            roots.append(each)
    shown = set[tuple[int, int]]()
    # Producers can claim circles; whatever no root leads to begins a tree of its own.
    for root in (*roots, *known):
        waiting: list[tuple[int, _Told, tuple[int, int] | None]] = [(0, root, None)]
        while waiting:
            depth, each, cause = waiting.pop()
            if each.position in shown:
                continue
            shown.add(each.position)
            yield Link(depth, each.stored, cause, each.causationid, each.correlationid)
            waiting += [(depth + 1, child, each.position) for child in reversed(children[each.position])]
