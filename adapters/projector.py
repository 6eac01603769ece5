"""The live projector: follows the log and keeps every view as a fold of what was recorded, exactly once.

A batch is grouped by subject, folded, and written in one transaction with the position it reaches: only rows that
changed. What a subject's fold had come to is kept in memory while it is hot; after a restart, a late arrival, a
correction or a merge, the family is folded again from the log and compared with the rows that stand.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import itemgetter
from threading import Event
from time import time_ns
from typing import Any, NamedTuple

import structlog

from adapters.codec import fact_of
from adapters.log import Cursor, Log, Stored
from adapters.replay import linked
from adapters.settings import LIMITS
from adapters.tables import (
    Changes,
    Generation,
    Parking,
    Tables,
    Transaction,
    ViewNotBuilt,
    ViewStatus,
    fenced,
    fingerprint,
    misfit,
    primary_key,
)
from domain.company import Company
from domain.errors import LogUnavailable
from domain.history import RESHAPING_KINDS, awaited_ids, effective_histories
from domain.touchpoint import Fact
from projections.view import Row, View

Standing = Callable[[str, Sequence[str]], Sequence[Row]]
"""Reads the rows that stand in a view's table for some subjects."""

_Rows = dict[Hashable, Row]


class _Life(NamedTuple):
    """What the folds of one root subject have come to; `last` is the newest order key they took."""

    root: str
    family: frozenset[str]
    awaited: frozenset[str]
    last: tuple[int, int, str, int]
    folds: dict[str, tuple[Any, _Rows]]


class Folder:
    """Turns batches of the log into changes of rows, one subject at a time."""

    def __init__(
        self, log: Log, views: Mapping[str, View[Any]], position: Cursor, parked: Mapping[str, Iterable[str]]
    ) -> None:
        self.position = position
        self._log = log
        self._views = views
        self._parked = {name: set(parked[name]) for name in views}
        self._columns = {name: view.columns() for name, view in views.items()}
        self._key_of = {name: _key_getter(type(view)) for name, view in views.items()}
        self._lives: OrderedDict[str, _Life] = OrderedDict()
        self._root_of: dict[str, str] = {}
        self._rows_kept = 0

    def take(self, batch: Sequence[Stored], standing: Standing) -> dict[str, Changes]:
        """Fold the next batch; answer what it changes in each view. After an error this folder must be dropped."""
        for bucket, number in {stored.bucket: stored.number for stored in batch}.items():
            self.position = self.position.advanced(bucket, number)
        changes = {name: Changes() for name in self._views}
        streams: dict[str, list[Stored]] = {}
        for stored in batch:
            streams.setdefault(stored.stream, []).append(stored)
        roots: dict[str, list[Stored]] = {}
        cold: dict[str, list[Stored]] = {}
        for stream, arrived in streams.items():
            root = self._root_of.get(stream)
            if root is None or any(stored.kind in RESHAPING_KINDS for stored in arrived):
                cold[stream] = arrived
            else:
                roots.setdefault(root, []).extend(arrived)
        families = self._families(cold, changes)
        again = frozenset[str]().union(*(family for family, _ in families))
        for root, arrived in roots.items():
            if root not in again and not self._evolve(self._lives[root], arrived, changes):
                families += self._families({root: ()}, changes)
        self._refold(families, standing, changes, {stream for stream, given in cold.items() if given[0].version == 1})
        for name, changed in changes.items():
            self._parked[name] = (self._parked[name] - changed.freed) | changed.parked.keys()
        # The last one stays, however long its life, for the next batch may be about it again.
        while self._rows_kept > LIMITS.projector_cache_rows and len(self._lives) > 1:
            self._drop(next(iter(self._lives)))
        return changes

    def _evolve(self, life: _Life, arrived: Sequence[Stored], changes: dict[str, Changes]) -> bool:
        """Take ordinary touchpoints newer than all before; False where the family must be folded again instead."""
        try:
            facts = sorted(map(fact_of, arrived))
        except Exception:  # noqa: BLE001 - whatever is wrong with it, folding the family again will park it visibly
            return False
        if facts[0].order_key <= life.last or any(fact.id in life.awaited for fact in facts):
            return False
        folds: dict[str, tuple[Any, _Rows]] = {}
        replaced: dict[str, tuple[dict[Row, Row], dict[Row, Row]]] = {}
        for name, (state, rows) in life.folds.items():
            keys: dict[Hashable, None] = {}
            view = self._views[name]
            try:
                for fact in facts:
                    state, touched = view.evolve(state, fact)
                    keys.update(dict.fromkeys(touched))
                new = {key: row for key in keys if (row := view.row(state, key)) is not None}
            except Exception:  # noqa: BLE001 - folding the family again will park it visibly
                return False
            if any(misfit(self._columns[name], row) for row in new.values()):
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
        self._lives[life.root] = life._replace(last=facts[-1].order_key, folds=folds)
        self._lives.move_to_end(life.root)
        return True

    def _families(
        self, streams: Mapping[str, Sequence[Stored]], changes: dict[str, Changes]
    ) -> list[tuple[frozenset[str], list[Fact]]]:
        """All facts, up to the position, of the families of some streams; each family once."""
        found: list[tuple[frozenset[str], list[Fact]]] = []
        seen: set[str] = set()
        for stream in streams:
            if stream in seen:
                continue
            life = self._lives.get(self._root_of.get(stream, ""))
            family = set(life.family) if life else {stream}
            waiting, facts = list(family), list[Fact]()
            for member in waiting:
                known = streams.get(member, ())
                # A stream that begins in this batch is all here.
                new = known if known and known[0].version == 1 else self._log.stream(member, self.position)
                try:
                    for stored in new:
                        fact = fact_of(stored)
                        facts.append(fact)
                        waiting += (side for side in linked(fact) if side not in family)
                        family.update(linked(fact))
                except Exception as error:  # noqa: BLE001 - what cannot be read parks its subject, visibly
                    for name in self._views:
                        parking = Parking(name, member, *new[-1][:2], type(error).__name__)
                        changes[name].parked[member] = parking
            if any(member in changes[name].parked for name in self._views for member in family):
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
        old: dict[str, dict[str, list[Row]]] = {name: {} for name in self._views}
        for name in self._views if asked else ():
            for row in standing(name, asked):
                old[name].setdefault(row[0], []).append(row)
        for family, facts in families:
            for member in family:
                self._drop(self._root_of.get(member, member))
            lives = self._fold(family, facts, changes)
            for name in self._views:
                before = [row for member in family for row in old[name].get(member, ())]
                after = [row for life in lives for row in life.folds.get(name, (None, {}))[1].values()]
                changes[name].replace(self._by_key(name, before), self._by_key(name, after))
                changes[name].freed.update((family & self._parked[name]) - changes[name].parked.keys())
            # More than one root in a family is rare (a reverted merge), and whose a newcomer is takes the whole family.
            if len(lives) == 1 and len(lives[0].folds) == len(self._views):
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
            lives.append(life := _Life(root, family, awaited, last, {}))
            for name, view in self._views.items():
                at = newest
                try:
                    state, keys = view.initial(root), dict[Hashable, None]()
                    for at in history:
                        state, touched = view.evolve(state, at)
                        keys.update(dict.fromkeys(touched))
                    rows = {key: row for key in keys if (row := view.row(state, key)) is not None}
                    if any(misfit(self._columns[name], row) for row in rows.values()):
                        raise OverflowError  # noqa: TRY301 - a row that no table takes is parked like any other
                    life.folds[name] = (state, rows)
                except Exception as error:  # noqa: BLE001 - whatever a fold raises parks its subject, visibly
                    changes[name].parked[root] = Parking(name, root, at.bucket, at.number, type(error).__name__)
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
    for fact in history:
        try:
            state, _ = view.evolve(state, fact)
        except Exception:  # noqa: BLE001 - this is what is looked for
            at = fact
            break
    return at.bucket, at.number


class _Switched(Exception):
    """A rebuild made other generations live; what is kept in memory was made for those before."""


class Projector:
    """Follows one log into the live generations of its views. One at a time leads; a second one is refused."""

    def __init__(self, log: Log, tables: Tables, company: Company) -> None:
        self._log = log
        self._tables = tables
        self._company = company
        self._views = {name: view(company) for name, view in tables.views.items()}
        self._live: dict[str, Generation] = {}
        self._folder: Folder | None = None
        self._day = ""

    def run_once(self) -> int:
        """Fold all that is in the log by now; answer how many touchpoints were new.

        Raises:
            ProjectorFenced: another projector leads these views.
            ViewNotBuilt: a view was built by another definition or company, or of another log.
            LogUnavailable: a database was lost.
        """
        done = 0
        with self._tables.lead("projector"):
            self._rejoin()
            until = self._log.heads()
            while True:
                folder = self._entered()
                batch = self._log.read(folder.position, LIMITS.projector_batch_max, until)
                if not batch:
                    self._new_day()
                    return done
                try:
                    self._project(folder, batch)
                except _Switched:
                    continue
                done += len(batch)

    def run(self, stop: Event, on_batch: Callable[[int], None] | None = None) -> None:
        """Follow the log until `stop` is set; `on_batch` is told how many touchpoints each commit took.

        Goes on by itself after a database was away.

        Raises:
            ProjectorFenced: another projector leads these views.
            ViewNotBuilt: a view was built by another definition or company, or of another log.
            LogUnavailable: a database could not be reached at the start.
        """
        entered = False
        while not stop.is_set():
            try:
                with self._tables.lead("projector"):
                    self._rejoin()
                    self._entered()
                    entered = True
                    self._follow(stop, on_batch)
            except LogUnavailable as error:
                if not entered:
                    raise
                structlog.get_logger().warning("projector waits for its database", error=error.what)
                stop.wait(LIMITS.projector_retry_s)

    def _follow(self, stop: Event, on_batch: Callable[[int], None] | None) -> None:
        while not stop.is_set():
            folder = self._entered()
            for batch in self._log.follow(folder.position, stop):
                try:
                    if batch:
                        self._project(folder, batch)
                        if on_batch:
                            on_batch(len(batch))
                    else:
                        self._new_day()
                except _Switched:
                    break

    def _rejoin(self) -> None:
        """Forget what is kept in memory if another projector or a rebuild wrote since this one led."""
        if self._folder:
            with self._tables.transaction() as transaction:
                position = position_cursor(self._log, transaction.position())
                if live_generations(transaction) != self._live or position != self._folder.position:
                    self._folder = None

    def _entered(self) -> Folder:
        """The folder for what stands in the tables, which are made on first use."""
        if self._folder:
            return self._folder
        wanted = {name: fingerprint(view, self._company, self._log.log_id) for name, view in self._tables.views.items()}
        with self._tables.transaction() as transaction:
            live = live_generations(transaction)
            if not live:
                made = transaction.create(wanted)
                for generation in made:
                    transaction.finish(generation)
                transaction.switch(made, self._log.start())
                live = live_generations(transaction)
            position = position_cursor(self._log, transaction.position())
            stale = [name for name, told in wanted.items() if name not in live or live[name].fingerprint != told]
            if not stale and any(
                at > head for at, head in zip(position.numbers, self._log.heads().numbers, strict=True)
            ):
                stale = list(wanted)
            if stale:
                raise ViewNotBuilt(
                    "these views were built by another definition, for other company settings, or of another log",
                    where=", ".join(stale),
                    rule="a live view continues only what was built the same way",
                    way_out="lifecircle rebuild " + " ".join(stale),
                )
            transaction.publish()
            parked = {name: transaction.parked(live[name]) for name in wanted}
        self._live = live
        self._folder = Folder(self._log, self._views, position, parked)
        return self._folder

    def _project(self, folder: Folder, batch: Sequence[Stored]) -> None:
        # Whatever fails, the states in memory have moved on and must not be used again.
        self._folder = None
        before = folder.position.numbers
        changes = folder.take(batch, self._standing)
        with self._tables.transaction() as transaction:
            if live_generations(transaction) != self._live:
                raise _Switched
            if position_cursor(self._log, transaction.position()).numbers != before:
                raise fenced("projector")
            for name, changed in changes.items():
                if changed:
                    transaction.apply(self._live[name], changed)
            after = folder.position.numbers
            transaction.track(
                {at: now for at, (was, now) in enumerate(zip(before, after, strict=True), 1) if was != now}
            )
            transaction.set_clock(time_ns() // 1_000)
        self._folder = folder

    def _standing(self, name: str, subjects: Sequence[str]) -> Sequence[Row]:
        with self._tables.transaction() as transaction:
            if live_generations(transaction) != self._live:
                raise _Switched
            return transaction.standing(self._live[name], subjects)

    def _new_day(self) -> None:
        now = time_ns() // 1_000
        if (day := self._company.day_at(now)) != self._day:
            with self._tables.transaction() as transaction:
                transaction.set_clock(now)
            self._day = day


def status(log: Log, tables: Tables) -> list[ViewStatus]:
    """How each view stands against the log's head."""
    generations, position, parked = tables.state()
    heads, shown = log.heads(), position_cursor(log, position)
    lag = sum(head - at for head, at in zip(heads.numbers, shown.numbers, strict=True))
    found = []
    for name, view in tables.views.items():
        mine = [known for known in generations if known.view == name]
        live = next((known for known in mine if known.state == "live"), None)
        if live is None:
            state = "building" if any(known.state == "building" for known in mine) else "missing"
            found.append(ViewStatus(name, 0, state, sum(heads.numbers), _lag_s(log, heads, log.start()), 0))
            continue
        fresh = live.fingerprint == fingerprint(view, log.company, log.log_id) and lag >= 0
        state = "live" if fresh else "stale: rebuild"
        waiting = parked.get((name, live.number), 0)
        found.append(ViewStatus(name, live.number, state, lag, _lag_s(log, heads, shown), waiting))
    return found


def _lag_s(log: Log, heads: Cursor, shown: Cursor) -> float:
    lags = [0]
    for bucket, (head, at) in enumerate(zip(heads.numbers, shown.numbers, strict=True), 1):
        if head > at:
            newest = log.read(heads.advanced(bucket, head - 1), 1, heads)[0].recorded
            # Of what shows nothing yet, the lag counts from the first touchpoint.
            lags.append(newest - log.read(heads.advanced(bucket, max(at - 1, 0)), 1, heads)[0].recorded)
    return max(lags) / 1_000_000


def live_generations(transaction: Transaction) -> dict[str, Generation]:
    """The live generation of each view that has one."""
    return {known.view: known for known in transaction.generations() if known.state == "live"}


def position_cursor(log: Log, position: Mapping[int, int]) -> Cursor:
    """The cursor of a position in the tables; a bucket that is not named stands at its start."""
    cursor = log.start()
    for bucket, number in position.items():
        cursor = cursor.advanced(bucket, number)
    return cursor
