"""Folding parts of a log and writing their rows: what each process of a rebuild does."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import isfinite
from operator import attrgetter
from typing import NamedTuple

from adapters.codec import Foldable, fact_to_fold
from adapters.collector import paused
from adapters.cursor import Cursor
from adapters.views.fit import Fit
from adapters.views.folder import poison
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.sweep import Part, open_sweep
from adapters.views.tables import Generation, Parking, Views, open_tables
from domain.company import Company
from domain.history import effective_histories
from projections.view import Dealer, Row, fold_dealt

Family = frozenset[str]


class Plan(NamedTuple):
    """What every worker must know."""

    url: str
    place: str
    company: Company
    views: Views
    made: tuple[Generation, ...]
    cut: Cursor
    until: int | None
    apart: Family


class Task(NamedTuple):
    """A part, and its families where it is one of families."""

    part: Part
    families: Sequence[Family] = ()


class Worker:
    """Folds parts of the log, one after the other, and writes their rows."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sweep = open_sweep(plan.url)
        self._pseudonyms = Pseudonyms.of_log(plan.url)
        self._tables = open_tables(plan.url, plan.company, plan.views, plan.place)
        self._made = {each.view: each for each in plan.made}
        self._views = {name: plan.views[name](plan.company) for name in self._made}
        self._dealer = Dealer(self._views)
        columns = {name: enumerate(view.columns()) for name, view in self._views.items()}
        floats = {name: [place for place, column in each if column.type is float] for name, each in columns.items()}
        self._floats = {name: places for name, places in floats.items() if places}
        self._written = Counter[str]()

    def fold(self, task: Task) -> int:
        """Fold all subjects of a part, or its families, and write their rows in one transaction."""
        # A part is thousands of facts and rows that all live until it is written, and none is in a cycle: looking for
        # garbage among them, over and over, finds nothing.
        with paused():
            return self._fold(task)

    def _fold(self, task: Task) -> int:
        rows: dict[str, list[Row]] = {name: [] for name in self._views}
        parked: list[tuple[Generation, Parking]] = []
        done = 0
        for touchpoints in self._streams(task):
            done += len(touchpoints)
            self._fold_family(touchpoints, rows, parked)
        if self._hold_no_number(rows):  # which no database refuses
            self._park_misfits(rows, parked)
        try:
            self._load(task.part, done, rows, parked)
        except Exception:
            # A row that no table takes is rare, so all rows are looked at only once the database has refused some.
            if not self._park_misfits(rows, parked):
                raise
            self._load(task.part, done, rows, parked)
        self._written.update({name: len(each) for name, each in rows.items()})
        return done

    def written(self, generation: Generation) -> int:
        """How many rows this worker wrote to a generation."""
        return self._written[generation.view]

    def finish(self, generations: Iterable[Generation]) -> None:
        """Make the keys of generations, one after the other."""
        for generation in generations:
            with self._tables.building() as transaction:
                transaction.finish(generation)

    def _streams(self, task: Task) -> Iterator[list[Foldable]]:
        if task.part.bucket:
            for stream, touchpoints in groupby(self._sweep.read(task.part, self._plan.cut), key=attrgetter("stream")):
                if stream not in self._plan.apart:
                    yield list(touchpoints)
            return
        for family in task.families:
            yield [each for stream in sorted(family) for each in self._sweep.stream(stream, self._plan.cut)]

    def _fold_family(
        self,
        touchpoints: Sequence[Foldable],
        rows: dict[str, list[Row]],
        parked: list[tuple[Generation, Parking]],
    ) -> None:
        try:
            histories = effective_histories(list(map(fact_to_fold, touchpoints)), self._plan.until)
        except Exception as error:  # noqa: BLE001 - what cannot be read or put in order parks its subjects, visibly
            at, name = touchpoints[-1], type(error).__name__
            for subject in dict.fromkeys(each.stream for each in touchpoints):
                parked += (
                    (generation, Parking(generation.view, subject, at.bucket, at.number, name))
                    for generation in self._plan.made
                )
            return
        for root, effective in histories.items():
            history = self._pseudonyms.put_into(effective)
            for name, dealt in self._dealer.dealt(history).items():
                view = self._views[name]
                try:
                    rows[name] += fold_dealt(view, root, dealt)
                except Exception as error:  # noqa: BLE001 - whatever a fold raises parks its subject, visibly
                    bucket, number = poison(view, root, history)
                    parking = Parking(name, root, bucket, number, type(error).__name__)
                    parked.append((self._made[name], parking))

    def _load(
        self,
        part: Part,
        touchpoints: int,
        rows: Mapping[str, list[Row]],
        parked: Sequence[tuple[Generation, Parking]],
    ) -> None:
        with self._tables.building() as transaction:
            if transaction.claim(self._plan.made, part, touchpoints):
                transaction.load([(each, rows[each.view]) for each in self._plan.made], parked)

    def _hold_no_number(self, rows: Mapping[str, list[Row]]) -> bool:
        return any(
            isinstance(row[place], float) and not isfinite(row[place])
            for name, places in self._floats.items()
            for row in rows[name]
            for place in places
        )

    def _park_misfits(self, rows: Mapping[str, list[Row]], parked: list[tuple[Generation, Parking]]) -> bool:
        found = False
        for generation in self._plan.made:
            collected = rows[generation.view]
            fit = Fit(self._plan.views[generation.view].columns())
            subjects = {row[0] for row in collected if fit.misfit(row)}
            found = found or bool(subjects)
            collected[:] = [row for row in collected if row[0] not in subjects]
            parked += [(generation, Parking(generation.view, each, 0, 0, "OverflowError")) for each in subjects]
        return found

    def close(self) -> None:
        """Give all connections back."""
        self._sweep.close()
        self._tables.close()
