"""How batches of the log become changes of rows: grouped by subject, folded, and compared with what stood before.

What a subject's fold had come to is kept in memory while it is hot. On a miss, and after a late arrival, a correction,
a merge or a revert, the family is folded again from the log and compared with the rows that stand in the tables.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from adapters.codec import fact_of
from adapters.cursor import Cursor
from adapters.log import Log, Stored, by_stream
from adapters.settings import LIMITS
from adapters.views.fit import Fit
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import linked
from adapters.views.tables import Changes, Parking, primary_key
from domain.history import RESHAPING_KINDS, awaited_ids, effective_histories
from domain.kinds.log_itself import KeyDestroyed
from domain.touchpoint import Fact
from projections.view import Dealer, Row, View, concerning

Standing = Callable[[Sequence[str]], Mapping[str, Sequence[Row]]]
"""Reads the rows that stand in each view's table for some subjects."""

_Rows = dict[Hashable, Row]


class _Life(NamedTuple):
    """What the folds of one root subject have come to, in the views that were handed anything.

    `last` is the newest order key they took; `whole`: no view has parked it.
    """

    root: str
    family: frozenset[str]
    awaited: frozenset[str]
    last: tuple[int, int, str, int]
    folds: dict[str, tuple[Any, _Rows]]
    whole: bool


class Folder:
    """Turns batches of the log into changes of rows, one subject at a time."""

    def __init__(
        self,
        log: Log,
        views: Mapping[str, View[Any]],
        position: Cursor,
        parked: Mapping[str, Iterable[str]],
        pseudonyms: Pseudonyms,
    ) -> None:
        self.position = position
        self._log = log
        self._pseudonyms = pseudonyms
        self._views = views
        self._parked = {name: set(parked[name]) for name in views}
        self._fits = {name: Fit(view.columns()) for name, view in views.items()}
        self._dealer = Dealer(views)
        self._key_of = {name: _key_getter(type(view)) for name, view in views.items()}
        self._lives: OrderedDict[str, _Life] = OrderedDict()
        self._root_of: dict[str, str] = {}
        self._rows_kept = 0

    def take(self, batch: Sequence[Stored], standing: Standing) -> dict[str, Changes]:
        """Fold the next batch; answer what it changes in each view. After an error this folder must be dropped."""
        for bucket, number in {stored.bucket: stored.number for stored in batch}.items():
            self.position = self.position.advanced(bucket, number)
        changes = {name: Changes() for name in self._views}
        streams = by_stream(batch)
        roots: dict[str, list[Stored]] = {}
        cold: dict[str, Sequence[Stored]] = {}
        for stream, arrived in streams.items():
            root = self._root_of.get(stream)
            if root is None or any(stored.kind in RESHAPING_KINDS for stored in arrived):
                cold[stream] = arrived
            else:
                roots.setdefault(root, []).extend(arrived)
        for forgotten in self._forgotten(batch):
            cold.setdefault(forgotten, ())
        families = self._families(cold, changes)
        again = frozenset[str]().union(*(family for family, _ in families))
        for root, arrived in roots.items():
            if root not in again and not self._evolve(self._lives[root], arrived, changes):
                families += self._families({root: ()}, changes)
        new = {stream for stream, given in cold.items() if given and given[0].version == 1}
        self._refold(families, standing, changes, new)
        for name, changed in changes.items():
            self._parked[name] = (self._parked[name] - changed.freed) | changed.parked.keys()
        # The last one stays, however long its life, for the next batch may be about it again.
        while self._rows_kept > LIMITS.projector_cache_rows and len(self._lives) > 1:
            self._drop(next(iter(self._lives)))
        return changes

    def _forgotten(self, batch: Sequence[Stored]) -> list[str]:
        """Whose keys were destroyed: their rows, where anything of them shows, are folded again without."""
        persons = [str(fact_of(stored).data["person"]) for stored in batch if stored.kind == KeyDestroyed.kind]
        if persons and self._pseudonyms.keyring:
            self._pseudonyms.keyring.recheck()
        return persons

    def _evolve(self, life: _Life, arrived: Sequence[Stored], changes: dict[str, Changes]) -> bool:
        """Take ordinary touchpoints newer than all before; False where the family must be folded again instead."""
        try:
            facts = self._pseudonyms.put_into(sorted(map(fact_of, arrived)))
        except Exception:  # noqa: BLE001 - whatever is wrong with it, folding the family again will park it visibly
            return False
        if facts[0].order_key <= life.last or any(fact.id in life.awaited for fact in facts):
            return False
        folds = life.folds
        replaced: dict[str, tuple[dict[Row, Row], dict[Row, Row]]] = {}
        for name, dealt in self._dealer.dealt(facts).items():
            keys: dict[Hashable, None] = {}
            view = self._views[name]
            try:
                state, rows = folds[name] if name in folds else (view.initial(life.root), {})
                for fact in dealt:
                    state, touched = view.evolve(state, fact)
                    keys.update(dict.fromkeys(touched))
                new = {key: row for key in keys if (row := view.row(state, key)) is not None}
            except Exception:  # noqa: BLE001 - folding the family again will park it visibly
                return False
            if any(map(self._fits[name].misfit, new.values())):
                return False
            old = {key: rows[key] for key in keys if key in rows}
            replaced[name] = (self._by_key(name, old.values()), self._by_key(name, new.values()))
            for key in old:
                del rows[key]
            rows.update(new)
            folds[name] = (state, rows)
        for name, (before, after) in replaced.items():
            changes[name].replace(before, after)
            self._rows_kept += len(after) - len(before)
        self._lives[life.root] = life._replace(last=facts[-1].order_key)
        self._lives.move_to_end(life.root)
        return True

    def _families(
        self, streams: Mapping[str, Sequence[Stored]], changes: dict[str, Changes]
    ) -> list[tuple[frozenset[str], list[Fact]]]:
        """All facts, up to the position, of the families of some streams; each family once."""
        found: list[tuple[frozenset[str], list[Fact]]] = []
        seen: set[str] = set()
        unreadable = False
        lives = {stream: self._lives.get(self._root_of.get(stream, "")) for stream in streams}
        known = frozenset[str]().union(*(life.family if life else {stream} for stream, life in lives.items()))
        # A stream that begins in this batch is all here.
        whole = {stream: given for stream, given in streams.items() if given and given[0].version == 1}
        read = self._log.streams(known - whole.keys(), self.position) if known - whole.keys() else {}
        for stream, life in lives.items():
            if stream in seen:
                continue
            family = set(life.family) if life else {stream}
            waiting, facts = list(family), list[Fact]()
            for member in waiting:
                new = whole.get(member) or (
                    read.get(member, []) if member in known else self._log.stream(member, self.position)
                )
                try:
                    for stored in new:
                        fact = fact_of(stored)
                        facts.append(fact)
                        waiting += (side for side in linked(fact) if side not in family)
                        family.update(linked(fact))
                except Exception as error:  # noqa: BLE001 - what cannot be read parks its subject, visibly
                    unreadable = True
                    for name in self._views:
                        parking = Parking(name, member, *new[-1][:2], type(error).__name__)
                        changes[name].parked[member] = parking
            if unreadable and any(member in changes[name].parked for name in self._views for member in family):
                facts = []
            seen |= family
            found.append((frozenset(family), facts))
        return found

    def _refold(
        self,
        families: Sequence[tuple[frozenset[str], list[Fact]]],
        standing: Standing,
        changes: dict[str, Changes],
        new: set[str],
    ) -> None:
        # A stream that stood alone and begins in this batch has no rows yet.
        asked = [member for family, _ in families if not (len(family) == 1 and family <= new) for member in family]
        old: dict[str, dict[str, list[Row]]] = {}
        for row_of, rows in standing(asked).items() if asked else ():
            for row in rows:
                old.setdefault(row[0], {}).setdefault(row_of, []).append(row)
        some_parked = [(name, parked) for name, parked in self._parked.items() if parked]
        for family, facts in families:
            for member in family:
                self._drop(self._root_of.get(member, member))
            lives = self._fold(family, facts, changes)
            before: dict[str, list[Row]] = {}
            after: dict[str, list[Row]] = {}
            for name, rows in chain.from_iterable(old.get(member, {}).items() for member in family):
                before.setdefault(name, []).extend(rows)
            for name, (_, kept) in chain.from_iterable(life.folds.items() for life in lives):
                if kept:
                    after.setdefault(name, []).extend(kept.values())
            for name in before.keys() | after.keys():
                changes[name].replace(self._by_key(name, before.get(name, ())), self._by_key(name, after.get(name, ())))
            for name, parked in some_parked:
                changes[name].freed.update((family & parked) - changes[name].parked.keys())
            # More than one root in a family is rare (a reverted merge), and whose a newcomer is takes the whole family.
            if len(lives) == 1 and lives[0].whole:
                self._keep(lives[0])

    def _fold(self, family: frozenset[str], facts: list[Fact], changes: dict[str, Changes]) -> list[_Life]:
        if not facts:
            return []
        newest = max(facts, key=lambda fact: (fact.recorded, fact.number))
        try:
            histories = effective_histories(facts)
            awaited = awaited_ids(facts)
        except Exception as error:  # noqa: BLE001 - what cannot be put in order parks its subjects, visibly
            for name in self._views:
                for member in family:
                    parking = Parking(name, member, newest.bucket, newest.number, type(error).__name__)
                    changes[name].parked[member] = parking
            return []
        lives = []
        for root, history in histories.items():
            last = history[-1].order_key if history else (0, 0, "", 0)
            folds: dict[str, tuple[Any, _Rows]] = {}
            whole = True
            for name, dealt in self._dealer.dealt(self._pseudonyms.put_into(history)).items():
                view, at = self._views[name], newest
                try:
                    state = view.initial(root)
                    keys: dict[Hashable, None] = {}
                    for at in dealt:
                        state, touched = view.evolve(state, at)
                        keys.update(dict.fromkeys(touched))
                    rows = {key: row for key in keys if (row := view.row(state, key)) is not None}
                    if any(map(self._fits[name].misfit, rows.values())):
                        raise OverflowError  # noqa: TRY301 - a row that no table takes is parked like any other
                    folds[name] = (state, rows)
                except Exception as error:  # noqa: BLE001 - whatever a fold raises parks its subject, visibly
                    whole = False
                    changes[name].parked[root] = Parking(name, root, at.bucket, at.number, type(error).__name__)
            lives.append(_Life(root, family, awaited, last, folds, whole))
        return lives

    def _by_key(self, name: str, rows: Iterable[Row]) -> dict[Row, Row]:
        return {self._key_of[name](row): row for row in rows}

    def _keep(self, life: _Life) -> None:
        self._lives[life.root] = life
        self._root_of.update(dict.fromkeys(life.family, life.root))
        self._rows_kept += 1 + sum(len(rows) for _, rows in life.folds.values())

    def _drop(self, root: str) -> None:
        if life := self._lives.pop(root, None):
            self._rows_kept -= 1 + sum(len(rows) for _, rows in life.folds.values())
            for member in life.family:
                self._root_of.pop(member, None)


def _key_getter(view: type[View[Any]]) -> Callable[[Row], Row]:
    names = [column.name for column in view.columns()]
    places = [names.index(part) for part in primary_key(view)]
    # One place alone would make itemgetter answer the cell instead of a tuple.
    return itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)


def poison(view: View[Any], root: str, history: Sequence[Fact]) -> tuple[int, int]:
    """The position of the touchpoint at which a fold fails; of the last one where it fails only with its rows."""
    state, at = view.initial(root), history[-1]
    for fact in concerning(view, list(history)):
        try:
            state, _ = view.evolve(state, fact)
        except Exception:  # noqa: BLE001 - this is what is looked for
            at = fact
            break
    return at.bucket, at.number
