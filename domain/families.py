"""Families: who stands merged into whom, and what a revert gave back, read from merges in recording order."""

from collections.abc import Iterable
from typing import NamedTuple

from domain.touchpoint import INT64_MAX, Fact

MERGED, REVERTED = "CustomersMerged", "CustomerMergeReverted"

MERGE_KINDS = frozenset({MERGED, REVERTED})
"""The kinds that join streams into families and part them."""


class Objection(NamedTuple):
    """Why a correction or link has no effect, in the words of an error."""

    what: str
    rule: str
    way_out: str


def recording(fact: Fact) -> tuple[int, int, int]:
    """The order in which touchpoints were recorded; one that is not stored yet comes last."""
    if not fact.number:
        return INT64_MAX, 0, fact.version
    # Recorded time never falls within a bucket, so this is the bucket's own order, and one order over all buckets.
    return fact.recorded, fact.bucket, fact.number


def sides(link: Fact) -> tuple[str, str]:
    """Survivor and absorbed of a merge or revert."""
    return link.data["survivor"], link.data["absorbed"]


class Components:
    """Which streams were ever joined by merges, standing or not: all that must be read for one subject."""

    def __init__(self, links: Iterable[Fact] = ()) -> None:
        self._linked: dict[str, set[str]] = {}
        for link in links:
            self.add(link)

    def add(self, link: Fact) -> None:
        """Take one more merge or revert; the order does not matter."""
        survivor, absorbed = (self._linked.setdefault(side, {side}) for side in sides(link))
        if survivor is absorbed:
            return
        smaller, larger = sorted((survivor, absorbed), key=len)
        larger |= smaller
        self._linked.update(dict.fromkeys(smaller, larger))

    def of(self, subject: str) -> frozenset[str]:
        """All streams of the component of a subject, itself among them."""
        return frozenset(self._linked.get(subject) or (subject,))


class Families:
    """Who stands merged into whom after all links, and what reverts gave back to whom."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.merge_of: dict[str, Fact] = {}
        """The merge by which an absorbed stream stands absorbed."""
        self._roots: dict[str, str] = {}
        """Of absorbed streams, looked for since the last link: or each of a long chain would walk the rest of it."""
        self._returns: list[tuple[frozenset[str], frozenset[str], str]] = []
        """For each standing revert: the ids given back, the streams that gave them, the one that has them."""
        self._reverted: set[tuple[str, str, str]] = set()
        links = self.collapse(fact for fact in facts if fact.kind in MERGE_KINDS)
        for link in sorted(links, key=recording):
            # The same rules as at the door, so that a log that slipped past it still folds, and folds the same.
            if not self.objection_to(link):
                self._take(link)
        self._given_back = frozenset[str]().union(*(ids for ids, _, _ in self._returns))

    @staticmethod
    def collapse(facts: Iterable[Fact]) -> list[Fact]:
        """Keep one of the two copies of each merge and revert: the survivor's."""
        others, links = list[Fact](), dict[tuple[str, ...], Fact]()
        for fact in facts:
            if fact.kind not in MERGE_KINDS:
                others.append(fact)
                continue
            survivor, absorbed = sides(fact)
            key = (fact.kind, fact.id, fact.source, survivor, absorbed)
            if key not in links or fact.stream == survivor:
                links[key] = fact
        return [*others, *links.values()]

    def root(self, stream: str) -> str:
        """The stream under which the history of this one stands."""
        path = []
        while merge := self.merge_of.get(stream):
            if known := self._roots.get(stream):
                stream = known
                break
            path.append(stream)
            stream = merge.data["survivor"]
        if path:
            self._roots.update(dict.fromkeys(path, stream))
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
        if fact.id in self._given_back and fact.kind not in MERGE_KINDS:
            for ids, givers, taker in self._returns:
                if fact.id in ids and home in givers:
                    home = taker
        return home

    def partition(self, facts: Iterable[Fact]) -> dict[str, list[Fact]]:
        """Give each root its touchpoints; a root all of whose touchpoints went back to another has none."""
        known = self.collapse(facts)
        parts: dict[str, list[Fact]] = {self.root(stream): [] for stream in {fact.stream for fact in known}}
        for fact in known:
            parts.setdefault(self.root(self.home(fact)), []).append(fact)
        return parts

    def objection_to(self, link: Fact) -> Objection | None:
        """Why a merge or revert cannot take effect now."""
        return self._objection_to_merge(link) if link.kind == MERGED else self._objection_to_revert(link)

    def _take(self, link: Fact) -> None:
        survivor, absorbed = sides(link)
        self._roots.clear()
        if link.kind == MERGED:
            self.merge_of[absorbed] = link
            return
        del self.merge_of[absorbed]
        self._reverted.add((link.data["merge"], survivor, absorbed))
        if returned := link.data.get("returned"):
            self._returns.append((frozenset(returned), self.members(survivor), absorbed))

    def _objection_to_merge(self, merge: Fact) -> Objection | None:
        survivor, absorbed = sides(merge)
        if survivor == absorbed:
            return Objection(
                "a customer cannot be merged with itself",
                "survivor and absorbed are two customers",
                "name the other customer",
            )
        if absorbed in self.merge_of:
            return Objection(
                "the absorbed customer is already absorbed",
                "a customer is absorbed by one survivor at a time",
                f"merge its survivor {self.root(absorbed)} instead, or revert the earlier merge first",
            )
        if survivor in self.merge_of:
            cycle = self.root(survivor) == absorbed
            return Objection(
                "the merge would close a cycle" if cycle else "the survivor is itself absorbed",
                "a survivor stands for itself at the moment of the merge",
                "revert the earlier merge first"
                if cycle
                else f"merge into {self.root(survivor)}, who absorbed the survivor",
            )
        return None

    def _objection_to_revert(self, revert: Fact) -> Objection | None:
        survivor, absorbed = sides(revert)
        standing = self.merge_of.get(absorbed)
        if not standing or standing.id != revert.data["merge"] or standing.data["survivor"] != survivor:
            known = (revert.data["merge"], survivor, absorbed) in self._reverted
            return Objection(
                "this merge was already reverted" if known else "no such merge of these customers stands",
                "a revert names a standing merge by its id, its survivor and its absorbed",
                "nothing is left to do" if known else "look the merge up with: lifecircle history",
            )
        if survivor in self.merge_of:
            return Objection(
                "the survivor is itself absorbed now",
                "merges are reverted from the last to the first",
                f"revert the merge of {survivor} into {self.merge_of[survivor].data['survivor']} first",
            )
        return None
