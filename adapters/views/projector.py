"""The live projector: follows the log and keeps every view as a fold of what was recorded, exactly once.

Each batch is written in one transaction with the position that it reaches: only the rows that changed.
"""

from collections.abc import Callable, Mapping, Sequence
from threading import Event

from adapters.clock import clock_us
from adapters.cursor import Cursor
from adapters.lag import lag_of
from adapters.log import Log, Stored
from adapters.settings import LIMITS
from adapters.views.folder import Folder
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.tables import (
    Generation,
    Tables,
    Transaction,
    ViewNotBuilt,
    ViewStatus,
    fenced,
    fingerprint,
)
from domain.company import Company
from domain.errors import LogUnavailable
from projections.view import Row


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

        Goes on by itself after a database was away. Ends too when the company's settings were changed: the views must
        then be rebuilt, and followed by a new projector.

        Raises:
            ProjectorFenced: another projector leads these views.
            ViewNotBuilt: a view was built by another definition or company, or of another log.
            LogUnavailable: a database could not be reached at the start.
        """
        entered = False
        settings = self._log.settings()[-1].number
        while not stop.is_set():
            try:
                with self._tables.lead("projector"):
                    self._rejoin()
                    self._entered()
                    entered = True
                    self._follow(stop, on_batch, settings)
                    return
            except LogUnavailable as error:
                if not entered:
                    raise
                import structlog  # here: a quarter of the time that a command takes to start

                structlog.get_logger().warning("projector waits for its database", error=error.what)
                stop.wait(LIMITS.projector_retry_s)

    def _follow(self, stop: Event, on_batch: Callable[[int], None] | None, settings: int) -> None:
        while not stop.is_set():
            folder = self._entered()
            for batch in self._log.follow(folder.position, stop):
                if self._log.settings(settings):
                    return
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
        pseudonyms = Pseudonyms.of_log(self._tables.url)
        wanted = {
            name: fingerprint(view, self._company, self._log.log_id, pseudonyms.mark)
            for name, view in self._tables.views.items()
        }
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
                    "these views were built by another definition, for other settings or another key, or of other logs",
                    where=", ".join(stale),
                    rule="a live view continues only what was built the same way",
                    way_out="lifecircle rebuild " + " ".join(stale),
                )
            # A view whose package is gone stops here, and must not seem up to date when the package comes back.
            transaction.retire(live.keys() - wanted.keys())
            live = live_generations(transaction)
            transaction.publish()
            parked = {name: transaction.parked(live[name]) for name in wanted}
        self._live = live
        self._folder = Folder(self._log, self._views, position, parked, pseudonyms)
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
            transaction.apply((self._live[name], changed) for name, changed in changes.items())
            after = folder.position.numbers
            transaction.track(
                {at: now for at, (was, now) in enumerate(zip(before, after, strict=True), 1) if was != now}
            )
            transaction.set_clock(clock_us())
        self._folder = folder

    def _standing(self, subjects: Sequence[str]) -> Mapping[str, Sequence[Row]]:
        with self._tables.transaction() as transaction:
            if live_generations(transaction) != self._live:
                raise _Switched
            return transaction.standing([self._live[name] for name in self._views], subjects)

    def _new_day(self) -> None:
        now = clock_us()
        if (day := self._company.day_at(now)) != self._day:
            with self._tables.transaction() as transaction:
                transaction.set_clock(now)
            self._day = day


def status(log: Log, tables: Tables, now_us: int | None = None) -> list[ViewStatus]:
    """How each view stands against the log's head, at a moment that is now unless another one is given."""
    generations, position, parked = tables.state()
    pseudonyms = Pseudonyms.of_log(tables.url)
    heads, shown, now = log.heads(), position_cursor(log, position), clock_us() if now_us is None else now_us
    lag, nothing_shown = lag_of(log, heads, shown), None
    found = []
    for name, view in tables.views.items():
        mine = [known for known in generations if known.view == name]
        live = next((known for known in mine if known.state == "live"), None)
        if live is None:
            nothing_shown = nothing_shown or lag_of(log, heads, log.start())
            state = "building" if any(known.state == "building" for known in mine) else "missing"
            found.append(ViewStatus(name, 0, state, nothing_shown.touchpoints, nothing_shown.seconds(now), 0))
            continue
        told, built = fingerprint(view, log.company, log.log_id, pseudonyms.mark), live.fingerprint
        if not pseudonyms.known:
            # Who has no id key cannot tell which one a view was built with, only that the rest is the same.
            told, built = told.partition("+")[0], built.partition("+")[0]
        fresh = built == told and lag.touchpoints >= 0
        state = "live" if fresh else "stale: rebuild"
        waiting = parked.get((name, live.number), 0)
        found.append(ViewStatus(name, live.number, state, lag.touchpoints, lag.seconds(now), waiting))
    return found


def live_generations(transaction: Transaction) -> dict[str, Generation]:
    """The live generation of each view that has one."""
    return {known.view: known for known in transaction.generations() if known.state == "live"}


def position_cursor(log: Log, position: Mapping[int, int]) -> Cursor:
    """The cursor of a position in the tables; a bucket that is not named stands at its start.

    Buckets that the log does not have are those of another log, whose views say by their fingerprints that they are.
    """
    cursor = log.start()
    for bucket, number in position.items():
        if bucket <= log.buckets:
            cursor = cursor.advanced(bucket, number)
    return cursor
