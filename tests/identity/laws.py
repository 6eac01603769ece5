"""Laws of identity, on a real log with a live projector: whatever is merged, taken back, corrected or told late.

Each law takes a bench, which makes fresh logs of one database, and what hypothesis draws. `LAWS` names them all.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import combinations, permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.appending.door import Door
from adapters.engine import EMBEDDED, Engine
from adapters.log import Group
from adapters.views.projector import Projector
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.rebuild import rebuild
from adapters.views.replay import family_facts, rows_as_of
from adapters.views.tables import Tables, open_tables
from domain.errors import CorrectionRefused, LifecircleError, Refused
from domain.families import MERGE_KINDS, MERGED, Families
from domain.history import proposed_return, root_of
from projections import views
from tests.conftest import fresh_database
from tests.domain.worlds import HOUR_US, HOURS, STREAMS, Told, World, arrivals, revert_of
from tests.identity.worlds import anything, envelope, shared_worlds, under
from tests.read_side.story import contents

_FOLLOWS_ARRIVAL = {"version"}
"""Columns that say where the log keeps a touchpoint; in which order it arrived is theirs to show."""
_TELLS_ARRIVAL = "entries"
"""The one view that tells when touchpoints were recorded."""

Rows = dict[str, list[tuple[Any, ...]]]


class Open(NamedTuple):
    """One log with its views and their projector."""

    engine: Engine
    tables: Tables
    projector: Projector
    door: Door

    def record(self, world: Sequence[Told]) -> World:
        """Send touchpoints one by one; answer those that were admitted."""
        admitted = []
        for told in world:
            try:
                self.engine.append([envelope(told)])
            except Refused:
                continue
            admitted.append(told)
        return admitted

    def store(self, world: Sequence[Told]) -> None:
        """Store touchpoints that another log admitted, in whatever order; what the door thinks now does not count."""
        for told in world:
            try:
                drafts = self.door.drafts(envelope(told), EMBEDDED)
            except CorrectionRefused:  # it aims here at what it did not aim at there
                root = root_of(told.streams[0], family_facts(self.engine.log, told.streams[0]))
                drafts = [self.engine.sealing.draft(envelope(told), EMBEDDED, root)]
            (verdict,) = self.engine.log.append([Group(tuple(drafts))])
            assert not isinstance(verdict, LifecircleError), verdict

    def rows(self, without: frozenset[str] | set[str] = frozenset(_FOLLOWS_ARRIVAL)) -> Rows:
        """What all views show once they show everything, without some columns."""
        self.projector.run_once()
        shown = contents(self.tables)
        if without:  # it is compared with a log to which the same came otherwise
            del shown[_TELLS_ARRIVAL]
        return _without(shown, without)

    def evidence(self, question: str) -> list[dict[str, Any]]:
        names, rows = self.tables.query(f"select * from {question}")
        return [dict(zip(names, row, strict=True)) for row in rows]


def _without(rows: Rows, columns: frozenset[str] | set[str]) -> Rows:
    kept = {
        name: [place for place, column in enumerate(views()[name].columns()) if column.name not in columns]
        for name in rows
    }
    return {
        name: sorted((tuple(row[place] for place in kept[name]) for row in found), key=repr)
        for name, found in rows.items()
    }


class Bench:
    """Makes fresh logs of one database, all with one id key; counts what was tried, and where it met its matter."""

    def __init__(self, postgres_home: Path | None) -> None:
        self.database = "PostgreSQL" if postgres_home else "SQLite"
        self._home = postgres_home
        self.examples = self.met = self.longest = 0

    @contextmanager
    def key(self) -> Iterator[None]:
        """The id key of every log within the block."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "id.key"
            path.touch(0o600)
            path.write_text(secrets.token_hex(32))
            with patch.dict(os.environ, {"LIFECIRCLE_ID_KEY": str(path)}):
                yield

    @contextmanager
    def log(self, buckets: int = 1) -> Iterator[Open]:
        """A new, empty log."""
        with (
            self._url() as url,
            Engine.create(url, buckets=buckets) as engine,
            closing(open_tables(url, engine.company)) as tables,
        ):
            yield Open(engine, tables, Projector(engine.log, tables, engine.company), Door(engine.log, engine.sealing))
            self.longest = max(self.longest, sum(engine.log.heads().numbers))

    @contextmanager
    def _url(self) -> Iterator[str]:
        if self._home is None:
            with TemporaryDirectory() as folder:
                yield f"sqlite:///{folder}/log.db"
            return
        with fresh_database(self._home) as url:
            yield url


def live_is_a_rebuild_is_a_replay_of_all_that_was_known_then(bench: Bench, most: int, draw: st.DataObject) -> None:
    left = draw.draw(shared_worlds(most))
    with bench.log() as log:
        seen = []
        while left:
            size = draw.draw(st.integers(1, 6))
            log.record(left[:size])
            left = left[size:]
            if draw.draw(st.booleans()):
                # One that remembers nothing folds again what the other would have gone on with.
                log = log._replace(projector=Projector(log.engine.log, log.tables, log.engine.company))
            live = log.rows(frozenset())
            seen.append((log.engine.log.heads(), live))
        rebuild(log.engine.log, log.tables, log.engine.company)
        assert contents(log.tables) == seen[-1][1]
        bench.met += bool(seen[-1][1]["merges"])
        pseudonyms = Pseudonyms.of_log(log.engine.url)
        for known, live in seen:
            found: dict[str, set[tuple[Any, ...]]] = {name: set() for name in live}
            for subject in STREAMS:
                if not log.engine.log.stream(subject, known):
                    continue
                for name, rows in found.items():
                    told = rows_as_of(log.engine.log, log.engine.company, name, subject, pseudonyms, known)
                    rows.update(map(tuple, told[1]))
            assert {name: sorted(rows, key=repr) for name, rows in found.items()} == live


def any_arrival_gives_equal_rows_in_one_bucket_or_four(bench: Bench, most: int, draw: st.DataObject) -> None:
    world = draw.draw(shared_worlds(most))
    with bench.log() as first, bench.log(draw.draw(st.sampled_from((1, 4)))) as second:
        admitted = first.record(world)
        other = draw.draw(arrivals(admitted))
        at = draw.draw(st.integers(0, len(other)))
        second.store(other[:at])
        second.rows()
        second.store(other[at:])
        assert second.rows() == first.rows()
        bench.met += other != admitted


def a_merge_taken_back_leaves_what_would_have_been(bench: Bench, most: int, draw: st.DataObject) -> None:
    """Touchpoints sent to either in between are the absorbed's where they concern what it had opened."""
    world = draw.draw(shared_worlds(most))
    with bench.log() as log, bench.log() as never:
        deals = [Told((each,), "OpportunityOpened", f"of {each}", 30, 0, {"opportunity": each}) for each in STREAMS]
        admitted = log.record([*world, *deals])
        for pair in draw.draw(st.permutations(list(permutations(STREAMS, 2)))):
            data: dict[str, Any] = {"survivor": pair[0], "absorbed": pair[1], "method": "manual"}
            if log.record([Told(pair, MERGED, "merge", 40, 9, data)]):
                break
        else:
            return  # all stand merged into one already
        survivor, absorbed = pair
        sent = [
            draw.draw(anything(f"n{place}") | _step(f"n{place}", pair, {"opportunity": absorbed}))
            for place in range(draw.draw(st.integers(0, 4)))
        ]
        # A place of their own in the order, for a stream's name would order what is told at once.
        between = log.record([told._replace(sequence=10 + place) for place, told in enumerate(sent)])
        aims = [told.id for told in (*admitted, *between) if told.kind not in MERGE_KINDS]
        mends: bool = draw.draw(st.booleans())
        if aims and mends:
            data = {"target": draw.draw(st.sampled_from(aims)), "retraction": True, "reason": "mistake"}
            stream = draw.draw(st.sampled_from(STREAMS))
            between += log.record([Told((stream,), "TouchpointCorrected", "fix", 72, 20, data)])
        facts = family_facts(log.engine.log, survivor)
        link = next(fact for fact in facts if fact.id == "merge")
        returned = proposed_return(link, facts)
        family = Families(facts).members(survivor)
        assert log.record([revert_of(link, "revert", 72, facts)])
        never.store(admitted)
        never.store([_where_it_belongs(told, returned, family, survivor, absorbed) for told in between])
        placed = {"version", "stream"}
        now, was = log.rows(placed), never.rows(placed)
        assert {**now, "merges": []} == {**was, "merges": []}
        (undone,) = (row for row in _rows_of(log, "merges") if row["merge"] == "merge")
        assert (undone["reverted_at"], undone["returned"]) == (72 * HOUR_US, len(returned))
        bench.met += bool(returned)


@st.composite
def _step(draw: st.DrawFn, name: str, where: Sequence[str], deal: dict[str, Any]) -> Told:
    """A step of a deal, told of either side of a merge."""
    data = {**deal, "probability": 0.5}
    return Told((draw(st.sampled_from(where)),), "OpportunityChanged", name, draw(HOURS), 0, data)


def _where_it_belongs(told: Told, returned: list[str], family: frozenset[str], survivor: str, absorbed: str) -> Told:
    if told.id in returned:
        return under(told, absorbed)
    # A correction sent to an absorbed customer is the survivor's, unless what it corrects goes back.
    return under(told, survivor) if told.kind == "TouchpointCorrected" and told.streams[0] in family else told


def _rows_of(log: Open, view: str) -> list[dict[str, Any]]:
    names, rows = log.tables.rows(view)
    return [dict(zip(names, row, strict=True)) for row in rows]


def proposals_are_the_pairs_that_share_evidence(bench: Bench, most: int, draw: st.DataObject) -> None:
    """The question in SQL against the same said in loops."""
    with bench.log() as log:
        log.record(draw.draw(shared_worlds(most)))
        log.rows()
        found = {
            (row["one"], row["other"], row["keyed"], row["known"], row["verified"], row["customers"], row["exact"])
            for row in log.evidence("merge_evidence")
        }
        assert found == set(_evidence(log))
        pairs = {(one, other): exact for one, other, *_, exact in sorted(found, key=lambda row: row[-1])}
        proposed = log.evidence("merge_proposals")
        told = {tuple(sorted((row["survivor"], row["absorbed"]))): row["method"] for row in proposed}
        assert told == {pair: "exact" if exact else "scored" for pair, exact in pairs.items()}
        assert len(told) == len(proposed)
        assert all(0 < row["score"] < 1 or row["method"] == "exact" for row in proposed)
        bench.met += bool(proposed)


def _evidence(log: Open) -> Iterator[tuple[Any, ...]]:
    merges, relations = _rows_of(log, "merges"), [row for row in _rows_of(log, "relations") if row["until_at"] is None]
    held = [row for row in _rows_of(log, "identifiers") if row["until_at"] is None]
    root = {row["absorbed"]: row["subject"] for row in merges if row["reverted_at"] is None}
    tied = {
        frozenset((row["subject"], root.get(row["other"], row["other"])))
        for row in relations
        if row["came_by"] == "linked"
    }
    houses = {(row["subject"], row["other"]) for row in relations if row["type"] == "household"}

    def speaks(one: str, other: str, told_at: int) -> bool:
        parted = [
            row["reverted_at"]
            for row in merges
            if row["reverted_at"] is not None
            and {row["subject"], root.get(row["absorbed"], row["absorbed"])} == {one, other}
        ]
        return frozenset((one, other)) not in tied and all(at < told_at for at in parted)

    def at_home(one: str, other: str) -> bool:
        return any((other, house) in houses for subject, house in houses if subject == one)

    for mine, theirs in combinations(sorted(held, key=lambda row: str(row["subject"])), 2):
        one, other = mine["subject"], theirs["subject"]
        alike = mine["type"] == theirs["type"] or None in (mine["type"], theirs["type"])
        if one == other or not alike or mine["keyed"] is None or mine["keyed"] != theirs["keyed"]:
            continue
        told_at = max(row["since_at"] if row["verified_at"] is None else row["verified_at"] for row in (mine, theirs))
        customers = len({row["subject"] for row in held if row["keyed"] == mine["keyed"]})
        verified = (mine["verified"] or 0) + (theirs["verified"] or 0)
        if speaks(one, other, told_at):
            exact = customers == 2 and verified == 2 and not at_home(one, other)
            yield one, other, mine["keyed"], None, verified, customers, int(exact)
    visits = [row for row in held if row["anonymous_id"] not in (None, row["subject"], *root)]
    for row in visits:
        known, visitor = row["subject"], row["anonymous_id"]
        if speaks(known, visitor, row["since_at"]):
            customers = 1 + sum(each["anonymous_id"] == visitor for each in visits)
            exact = customers == 2 and not at_home(known, visitor)
            yield *sorted((known, visitor)), None, known, 0, customers, int(exact)


def what_was_accepted_or_taken_back_is_not_proposed_again(bench: Bench, most: int, draw: st.DataObject) -> None:
    with bench.log() as log:
        log.record(draw.draw(shared_worlds(most)))
        log.rows()
        proposed = log.evidence("merge_proposals")
        if not proposed:
            return
        chosen = draw.draw(st.sampled_from(sorted(proposed, key=lambda row: (row["survivor"], row["absorbed"]))))
        pair = {chosen["survivor"], chosen["absorbed"]}
        data = {"survivor": chosen["survivor"], "absorbed": chosen["absorbed"], "method": chosen["method"]}
        if not log.record([Told((chosen["survivor"], chosen["absorbed"]), MERGED, "yes", 73, 9, data)]):
            return
        merged = log.rows()
        assert all(pair != {row["survivor"], row["absorbed"]} for row in log.evidence("merge_proposals"))
        assert all(row[0] != chosen["absorbed"] for rows in merged.values() for row in rows)
        facts = family_facts(log.engine.log, chosen["survivor"])
        link = next(fact for fact in facts if fact.id == "yes")
        assert log.record([revert_of(link, "no", 74, facts)])
        log.rows()
        assert all(pair != {row["survivor"], row["absorbed"]} for row in log.evidence("merge_proposals"))
        bench.met += 1


Law = Callable[[Bench, int, st.DataObject], None]

LAWS: tuple[Law, ...] = (
    live_is_a_rebuild_is_a_replay_of_all_that_was_known_then,
    any_arrival_gives_equal_rows_in_one_bucket_or_four,
    a_merge_taken_back_leaves_what_would_have_been,
    proposals_are_the_pairs_that_share_evidence,
    what_was_accepted_or_taken_back_is_not_proposed_again,
)


# A world is recorded on real logs, and long ones are the point.
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def hold(law: Law, bench: Bench, examples: int, most: int, *, anew: bool) -> None:
    """Try a law on so many worlds, each of at most so many touchpoints: on new ones each time, or the same again."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=_SLOW, derandomize=not anew)
    @given(draw=st.data())
    def holds(draw: st.DataObject) -> None:
        law(bench, most, draw)
        bench.examples += 1

    with bench.key():
        holds()
