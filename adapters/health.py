"""What is wrong with a log and with what follows it: troubles by name, each with how far behind, and since when.

The one place that knows. Readiness, `/status`, the metrics and `lifecircle status` all tell what `examine` finds.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

from adapters.addresses import read_sqlite_url
from adapters.audit.seal import seal_path
from adapters.cursor import Cursor
from adapters.engine import Engine
from adapters.lag import Lag, lag_of
from adapters.log import Log
from adapters.outgoing.subscriptions import Standing, Subscriptions
from adapters.privacy.keyring import Keyring
from adapters.privacy.keystore import keystore_file, keystore_url
from adapters.settings import LIMITS
from adapters.told import iso
from adapters.views.projector import status
from adapters.views.tables import Tables, ViewStatus, open_tables
from domain.errors import LifecircleError, LogNotWritable
from domain.notes import Head, Note, NoteMalformed


class Trouble(StrEnum):
    """What can be wrong. The names are for machines, and stay."""

    DATABASE_AWAY = "database-away"
    """The database of the log does not answer, or holds another log."""
    DATABASE_READ_ONLY = "database-read-only"
    """The database of the log takes no writes."""
    KEYS_UNUSABLE = "keys-unusable"
    """Keys are missing or damaged: those of personal data, or those of callers."""
    PROJECTOR_AWAY = "projector-away"
    """Views are kept, touchpoints wait, and no projector runs."""
    PROJECTOR_STALLED = "projector-stalled"
    """A projector runs, touchpoints wait, and it shows none of them."""
    PROJECTOR_BEHIND = "projector-behind"
    """A projector works, and has not come to what is recorded now."""
    VIEWS_STALE = "views-stale"
    """Views were built by another definition or under other settings, or are new: they wait for a rebuild."""
    VIEWS_PARKED = "views-parked"
    """The fold of some subjects failed; they have no rows in these views."""
    UNREADABLE = "unreadable"
    """Views, seal or subscriptions cannot be read where they are kept, though the log can."""
    SEALER_BEHIND = "sealer-behind"
    """The log is sealed, and what was recorded since waits."""
    SEAL_CONTRADICTED = "seal-contradicted"
    """What was signed is not what the log holds."""
    SUBSCRIPTION_BEHIND = "subscription-behind"
    """Touchpoints wait to be delivered, and no receiver refuses them: no relay runs, or it is slow."""
    SUBSCRIPTION_REFUSED = "subscription-refused"
    """A receiver takes nothing."""
    SUBSCRIPTION_PARKED = "subscription-parked"
    """The touchpoints of some subjects were refused so often that they are not tried any more."""
    DISK_NEARLY_FULL = "disk-nearly-full"
    """A disk with files of this log has little room."""

    @property
    def blocks(self) -> bool:
        """Whether nothing can be appended until it is mended."""
        return self in (Trouble.DATABASE_AWAY, Trouble.DATABASE_READ_ONLY, Trouble.KEYS_UNUSABLE)


_WAY_OUT = {
    Trouble.DATABASE_AWAY: "see to the database; what was sent and not answered is sent again",
    Trouble.DATABASE_READ_ONLY: "connect to the primary server, or make the database writable",
    Trouble.KEYS_UNUSABLE: "put them back from their safe copy, with the rights that they had",
    Trouble.PROJECTOR_AWAY: "start one: lifecircle run",
    Trouble.PROJECTOR_STALLED: "read its log lines, and start it anew",
    Trouble.PROJECTOR_BEHIND: "wait; if it grows, import less at once, or rebuild",
    Trouble.VIEWS_STALE: "lifecircle rebuild",
    Trouble.VIEWS_PARKED: "lifecircle status names them; mend the view or the history, then rebuild it",
    Trouble.UNREADABLE: "check the file and its rights; views can be rebuilt, the others come back from a copy",
    Trouble.SEALER_BEHIND: "start one: lifecircle seal --follow",
    Trouble.SEAL_CONTRADICTED: "lifecircle verify",
    Trouble.SUBSCRIPTION_BEHIND: "start a relay: lifecircle relay",
    Trouble.SUBSCRIPTION_REFUSED: "see to its receiver: lifecircle subscription show",
    Trouble.SUBSCRIPTION_PARKED: "lifecircle subscription parked, then release",
    Trouble.DISK_NEARLY_FULL: "free space",
}


class Cause(NamedTuple):
    """A trouble that there is.

    about: which views, subscription or files, empty where it is the log; touchpoints, seconds and since (µs since 1970
    UTC): how many wait, for how long, and since when; subjects: how many are concerned. None where that says nothing.
    """

    trouble: Trouble
    about: str = ""
    touchpoints: int | None = None
    seconds: float | None = None
    since: int | None = None
    subjects: int | None = None

    @classmethod
    def behind(cls, trouble: Trouble, about: str, lag: Lag, now_us: int) -> "Cause":
        """A reader of the log that is too far behind."""
        return cls(trouble, about, lag.touchpoints, lag.seconds(now_us), lag.since)

    def as_dict(self) -> dict[str, Any]:
        """As JSON tells it, without what it does not say."""
        told = {**self._asdict(), "trouble": str(self.trouble), "blocks": self.trouble.blocks}
        told |= {"since": None if self.since is None else iso(self.since), "way_out": _WAY_OUT[self.trouble]}
        if self.seconds is not None:
            told["seconds"] = round(self.seconds, 3)
        return {name: value for name, value in told.items() if value not in (None, "")}

    def __str__(self) -> str:
        figures = [
            f"{self.touchpoints} touchpoints" if self.touchpoints is not None else "",
            f"{self.seconds:.0f} s" if self.seconds is not None else "",
            f"since {iso(self.since)[:19]}Z" if self.since is not None else "",
            f"{self.subjects} subjects" if self.subjects is not None else "",
        ]
        told = ", ".join(filter(None, (self.about, *figures)))
        return f"{self.trouble}{f' ({told})' if told else ''}: {_WAY_OUT[self.trouble]}"


class Delivering(NamedTuple):
    """A subscription, and how far it is behind the log."""

    standing: Standing
    lag: Lag


class Health(NamedTuple):
    """What an examination found.

    at: when, in microseconds since 1970 UTC; heads: how far the log has come, None where that could not be learnt;
    sealed: how far its seal is behind, None where it has none; unseen: what this account may not look at.
    """

    at: int
    heads: Cursor | None = None
    quarantined: int = 0
    views: Sequence[ViewStatus] = ()
    sealed: Lag | None = None
    subscriptions: Sequence[Delivering] = ()
    unseen: Sequence[str] = ()
    causes: Sequence[Cause] = ()

    @property
    def ready(self) -> bool:
        """Whether touchpoints can be appended."""
        return not any(cause.trouble.blocks for cause in self.causes)

    def as_dict(self) -> dict[str, Any]:
        """As JSON tells it: what is wrong, and how far behind each follower of the log is."""
        return {
            "ready": self.ready,
            "causes": [cause.as_dict() for cause in self.causes],
            "quarantined": self.quarantined,
            "views": [view._asdict() for view in self.views],
            "sealed": self.sealed and _lag_told(self.sealed, self.at),
            "subscriptions": [
                {
                    "name": each.standing.wanted.name,
                    "state": each.standing.state,
                    "parked": each.standing.parked,
                    **_lag_told(each.lag, self.at),
                }
                for each in self.subscriptions
            ],
            "unseen": list(self.unseen),
        }


def _lag_told(lag: Lag, now_us: int) -> dict[str, Any]:
    return {"lag": lag.touchpoints, "lag_s": lag.seconds(now_us)}


Check = Callable[[], object]
"""Looks at more that appending needs, such as the keys of callers, and raises what is wrong with it."""


def examine(engine: Engine, now_us: int, checks: Iterable[Check] = ()) -> Health:
    """Look at all that belongs to a log, once and without patience."""
    causes = [*_keys(engine, checks), *_disks(engine.url)]
    try:
        engine.log.check()
        heads = engine.log.heads()
        found = Health(now_us, heads, engine.log.in_quarantine())
    except LogNotWritable:
        return Health(now_us, causes=[Cause(Trouble.DATABASE_READ_ONLY), *causes])
    except LifecircleError:
        return Health(now_us, causes=[Cause(Trouble.DATABASE_AWAY), *causes])
    unseen: list[str] = []
    for part, look in _PARTS.items():
        try:
            found = look(engine, heads, found, causes)
        except (LogNotWritable, _Unseen):
            unseen.append(part)
        except LifecircleError:
            if not _answers(engine.log):
                return Health(now_us, causes=[Cause(Trouble.DATABASE_AWAY), *causes])
            causes.append(Cause(Trouble.UNREADABLE, part))
    return found._replace(unseen=unseen, causes=causes)


class _Unseen(Exception):
    """This account may not look there."""


def _answers(log: Log) -> bool:
    try:
        log.check()
    except LifecircleError:
        return False
    return True


def _keys(engine: Engine, checks: Iterable[Check]) -> Iterator[Cause]:
    with closing(Keyring(engine.url)) as keyring:  # one that remembers nothing
        looks: list[tuple[str, Check]] = [("personal data", partial(keyring.of_log, engine.sealing.realm))]
        for about, check in (*looks, *(("callers", each) for each in checks)):
            try:
                check()
            except LifecircleError:
                yield Cause(Trouble.KEYS_UNUSABLE, about)


def _disks(url: str) -> Iterator[Cause]:
    places: dict[str, Path | None] = {
        "log": read_sqlite_url(url).path if url.startswith("sqlite:") else None,  # a server's disk is not to be seen
        "keys": keystore_file(keystore_url(url)),
        "seal": seal_path(url, None),
    }
    full: dict[int, list[str]] = {}
    for about, path in places.items():
        with suppress(OSError):  # what is not there has no disk, and its absence is told by what needs it
            if path and shutil.disk_usage(path).free < LIMITS.health_disk_free_min_bytes:
                full.setdefault(path.stat().st_dev, []).append(about)
    return (Cause(Trouble.DISK_NEARLY_FULL, ", ".join(about)) for about in full.values())


def _with_views(engine: Engine, _: Cursor, found: Health, causes: list[Cause]) -> Health:
    with closing(open_tables(engine.url, engine.company)) as tables:
        views = status(engine.log, tables, found.at)
        kept = [view for view in views if view.generation]
        if not kept:
            return found._replace(views=views)  # nobody asked for views yet
        if stale := [view.view for view in views if view.state not in ("live", "building")]:
            causes.append(Cause(Trouble.VIEWS_STALE, _named(stale, views)))
        if parked := [view for view in kept if view.parked]:
            about, subjects = ", ".join(view.view for view in parked), sum(view.parked for view in parked)
            causes.append(Cause(Trouble.VIEWS_PARKED, about, subjects=subjects))
        late = [view for view in kept if view.state == "live" and view.lag_s >= LIMITS.health_behind_s]
        if late:
            lag = Lag(late[0].lag, found.at - round(late[0].lag_s * 1_000_000))  # live views are as far as each other
            about = _named([view.view for view in late], views)
            causes.append(Cause.behind(_of_projector(tables), about, lag, found.at))
    return found._replace(views=views)


def _named(chosen: Sequence[str], views: Sequence[ViewStatus]) -> str:
    return "all views" if len(chosen) == len(views) else ", ".join(chosen)


_LOOK_EVERY_S = 0.05


def _of_projector(tables: Tables) -> Trouble:
    """Why live views are behind."""
    if not tables.led("projector"):
        return Trouble.PROJECTOR_AWAY
    before, deadline = tables.state()[1], monotonic() + LIMITS.health_look_s
    while monotonic() < deadline:
        sleep(_LOOK_EVERY_S)
        if tables.state()[1] != before:
            return Trouble.PROJECTOR_BEHIND
    return Trouble.PROJECTOR_STALLED


def _with_seal(engine: Engine, heads: Cursor, found: Health, causes: list[Cause]) -> Health:
    try:
        seen = _signed(engine.log, seal_path(engine.url, None))
    except FileNotFoundError:
        return found  # nobody seals this log
    except PermissionError as error:
        raise _Unseen from error
    except (NoteMalformed, OSError):
        causes.append(Cause(Trouble.UNREADABLE, "seal"))
        return found
    if seen is None or not heads.reaches(seen):
        causes.append(Cause(Trouble.SEAL_CONTRADICTED))
        return found
    sealed = lag_of(engine.log, heads, seen)
    if sealed.seconds(found.at) >= LIMITS.health_behind_s:
        causes.append(Cause.behind(Trouble.SEALER_BEHIND, "", sealed, found.at))
    return found._replace(sealed=sealed)


def _signed(log: Log, folder: Path) -> Cursor | None:
    """How far a log is sealed, as its signed head says; None where that is the head of another one.

    Whether the signature holds is for who verifies; a projector's lag is not signed either.
    """
    head = Head.read(Note.read((folder / "head").read_bytes()).text)
    return Cursor(log.log_id, head.sizes) if (head.log_id, len(head.sizes)) == (log.log_id, log.buckets) else None


def _with_subscriptions(engine: Engine, heads: Cursor, found: Health, causes: list[Cause]) -> Health:
    with closing(Subscriptions(engine.url)) as subscriptions:
        standings = subscriptions.seen()
    log, delivering = engine.log, list[Delivering]()
    for standing in standings:
        name, seen = standing.wanted.name, Cursor.read(standing.cursor, log.log_id, log.buckets)
        lag = lag_of(log, heads, seen)
        delivering.append(Delivering(standing, lag))
        if standing.parked:
            causes.append(Cause(Trouble.SUBSCRIPTION_PARKED, name, subjects=standing.parked))
        if standing.paused:
            continue
        if standing.failures:
            causes.append(Cause.behind(Trouble.SUBSCRIPTION_REFUSED, name, lag, found.at))
        elif lag.seconds(found.at) >= LIMITS.health_behind_s:
            causes.append(Cause.behind(Trouble.SUBSCRIPTION_BEHIND, name, lag, found.at))
    return found._replace(subscriptions=delivering)


_PARTS: Mapping[str, Callable[[Engine, Cursor, Health, list[Cause]], Health]] = {
    "views": _with_views,
    "seal": _with_seal,
    "subscriptions": _with_subscriptions,
}
