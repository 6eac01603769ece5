"""The projector: exactly once, one at a time, and nothing goes wrong silently."""

import random
from multiprocessing import get_context
from threading import Event, Thread
from time import monotonic, sleep

import psycopg
import pytest

from adapters.engine import Engine
from adapters.log import bucket_of
from adapters.views.projector import Projector, status
from adapters.views.rebuild import rebuild
from adapters.views.tables import Tables, ViewNotBuilt, open_tables
from domain.company import Company
from domain.errors import ProjectorFenced
from tests.read_side.projecting import follow
from tests.read_side.story import CHOSEN, TallyAgain, called, contents, ordered, retracted, touch


def waited(done: object, seconds: float = 30.0) -> bool:
    """Wait until something callable is true, for a bounded time."""
    assert callable(done)
    until = monotonic() + seconds
    while not done():
        if monotonic() > until:
            return False
        sleep(0.01)
    return True


@pytest.mark.parametrize("buckets", [4], ids=["four"])
def test_killed_at_any_moment_it_goes_on_exactly_once(engine: Engine, tables: Tables) -> None:
    chance = random.Random(5)  # noqa: S311 - moments to kill at, and days
    Projector(engine.log, tables, engine.company).run_once()
    stop = Event()

    def append() -> None:
        for place in range(100_000):
            subject, day = f"c{place % 40}", chance.randint(1, 28)
            engine.append([called(subject, f"t{place}", day), ordered(subject, f"o{place}", day)])
            if stop.wait(0.01):
                return

    appending = Thread(target=append)
    appending.start()
    processes = get_context("forkserver")
    processes.set_forkserver_preload([follow.__module__])
    try:
        for _ in range(10):
            committed, tells = processes.Pipe(duplex=False)
            process = processes.Process(target=follow, args=(engine.url, tells))
            process.start()
            assert committed.poll(60)
            sleep(chance.uniform(0, 0.1))
            process.kill()
            process.join()
    finally:
        stop.set()
        appending.join()
    Projector(engine.log, tables, engine.company).run_once()
    live = contents(tables)
    assert {view.lag for view in status(engine.log, tables)} == {0}
    rebuild(engine.log, tables, engine.company)
    assert contents(tables) == live


def test_a_second_projector_is_refused_while_one_leads(engine: Engine, tally: Tables) -> None:
    stop, first = Event(), Projector(engine.log, tally, engine.company)
    seen: list[int] = []
    leading = Thread(target=first.run, args=(stop, seen.append))
    leading.start()
    try:
        engine.append([called("anna", "a1")])
        assert waited(lambda: seen)
        with pytest.raises(ProjectorFenced):
            Projector(engine.log, open_tables(engine.url, engine.company, CHOSEN), engine.company).run_once()
    finally:
        stop.set()
        leading.join()
    assert Projector(engine.log, tally, engine.company).run_once() == 0


def test_who_led_has_given_it_up_when_it_says_so(postgres_url: str) -> None:
    """Its connection is closed too, but what the server makes of that may come after the next asks to lead."""
    with Engine.create(postgres_url) as engine, psycopg.connect(postgres_url, autocommit=True) as connection:
        tables = open_tables(engine.url, engine.company, CHOSEN)
        held = (
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        for _ in range(20):
            with tables.lead("projector"):
                pass
            assert connection.execute(held).fetchone() == (0,)
        tables.close()


def test_a_position_that_does_not_advance_fences_off(engine: Engine, tally: Tables) -> None:
    engine.append([called("anna", "a1"), called("anna", "a2")])
    Projector(engine.log, tally, engine.company).run_once()
    bucket = bucket_of("anna", engine.log.buckets)
    with pytest.raises(ProjectorFenced), tally.transaction() as transaction:
        transaction.track({bucket: 2})
    assert tally.state()[1] == {bucket: 2}


def test_it_goes_on_from_what_another_one_wrote(engine: Engine, tally: Tables) -> None:
    first, second = (Projector(engine.log, tally, engine.company) for _ in range(2))
    for place, projector in enumerate((first, second, first, first, second)):
        engine.append([called("anna", f"a{place}", 1 + place)])
        assert projector.run_once() == 1
    assert contents(tally) == {"tally": [("anna", 5, 0.5)]}


@pytest.mark.parametrize("bad", ["poison", "huge", "no number"])
def test_a_fold_that_fails_parks_its_subject_until_it_succeeds(engine: Engine, tally: Tables, bad: str) -> None:
    projector = Projector(engine.log, tally, engine.company)
    engine.append([called("anna", "a1"), called("bert", "b1")])
    projector.run_once()
    engine.append([called("anna", "a2", 2, bad), called("bert", "b2", 2)])
    projector.run_once()
    assert contents(tally) == {"tally": [("bert", 2, 0.2)]}
    assert [view.parked for view in status(engine.log, tally)] == [1]

    rebuild(engine.log, tally, engine.company)
    assert contents(tally) == {"tally": [("bert", 2, 0.2)]}
    assert [view.parked for view in status(engine.log, tally)] == [1]

    engine.append([called("anna", "a3", 3)])
    projector.run_once()
    assert [view.parked for view in status(engine.log, tally)] == [1]
    engine.append([retracted("anna", "c1", "a2")])
    projector.run_once()
    assert contents(tally) == {"tally": [("anna", 2, 0.2), ("bert", 2, 0.2)]}
    assert [view.parked for view in status(engine.log, tally)] == [0]


def test_only_rows_that_changed_are_written(postgres_url: str) -> None:
    with Engine.create(postgres_url) as engine:
        tables = open_tables(engine.url, engine.company, CHOSEN)
        engine.append([called("anna", "a1"), called("bert", "b1")])
        Projector(engine.log, tables, engine.company).run_once()
        # PostgreSQL tells which transaction wrote a row last.
        asked = "SELECT subject, xmin::text FROM lifecircle_views.tally_g1 ORDER BY subject"
        before = tables.query(asked)[1]
        # Late, and by a projector that remembers nothing: both are folded again, and only one has another row.
        engine.append([called("anna", "a0"), touch("PageViewed", "bert", "b2", url="https://shop.example")])
        Projector(engine.log, tables, engine.company).run_once()
        after = tables.query(asked)[1]
        assert (after[0] == before[0], after[1] == before[1]) == (False, True)
        tables.close()


def test_the_lag_is_told_in_touchpoints_and_seconds(engine: Engine, tally: Tables) -> None:
    assert [(view.state, view.lag) for view in status(engine.log, tally)] == [("missing", 0)]
    engine.append([called("anna", "a1")])
    projector = Projector(engine.log, tally, engine.company)
    projector.run_once()
    engine.append([called("anna", "a2")])
    sleep(0.02)
    (view,) = status(engine.log, tally)
    assert (view.state, view.lag, view.lag_s >= 0.02) == ("live", 1, True)
    projector.run_once()
    (view,) = status(engine.log, tally)
    assert (view.lag, view.lag_s) == (0, 0.0)


def test_another_definition_or_company_asks_for_a_rebuild(engine: Engine, tally: Tables) -> None:
    engine.append([called("anna", "a1")])
    Projector(engine.log, tally, engine.company).run_once()
    again = open_tables(engine.url, engine.company, {"tally": TallyAgain})
    assert [view.state for view in status(engine.log, again)] == ["stale: rebuild"]
    with pytest.raises(ViewNotBuilt, match="lifecircle rebuild tally"):
        Projector(engine.log, again, engine.company).run_once()
    with pytest.raises(ViewNotBuilt):
        Projector(engine.log, tally, Company(zone="Asia/Tokyo")).run_once()
    rebuild(engine.log, again, engine.company)
    assert contents(again) == {"tally": [("anna", 100, None)]}
    again.close()
