"""All subjects as of any moment: what each one's replay tells, and nothing of it left behind."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.engine import Engine
from adapters.settings import LIMITS
from adapters.views.moments import Moment, clear_up, named_in, views_at
from adapters.views.projector import Projector
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import rows_as_of
from adapters.views.tables import Tables, open_tables
from domain.errors import QueryRefused, UnknownSubject
from domain.touchpoint import Envelope
from projections import views
from tests.read_side.projecting import look
from tests.read_side.story import (
    CHOSEN,
    SUBJECTS,
    called,
    contents,
    merged,
    moved,
    ordered,
    record,
    retracted,
    reverted,
    stories,
)

DAY_US = 86_400_000_000
MARCH_1 = 1_772_323_200_000_000


def _replayed(engine: Engine, names: Iterable[str], moment: Moment) -> dict[str, list[tuple[object, ...]]]:
    """The rows of each subject, folded on its own from its history as it stood."""
    found: dict[str, set[tuple[object, ...]]] = {name: set() for name in names}
    for subject in SUBJECTS:
        for name, rows in found.items():
            try:
                pseudonyms, at = Pseudonyms.of_log(engine.url), (moment.known, moment.as_of)
                rows.update(rows_as_of(engine.log, engine.company, name, subject, pseudonyms, *at)[1])
            except UnknownSubject:
                continue
    return {name: sorted(map(tuple, rows), key=repr) for name, rows in found.items()}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(told=stories(), data=st.data())
def test_a_moment_of_all_is_the_moment_of_each(told: list[Envelope], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, Engine.create(f"sqlite:///{Path(folder)}/shop.db") as engine:
        cuts = [engine.log.start()]
        for each in told:
            record(engine, [each])
            cuts.append(engine.log.heads())
        known = data.draw(st.none() | st.sampled_from(cuts))
        moment = Moment(known, data.draw(st.none() | st.integers(0, 29).map(lambda day: MARCH_1 + day * DAY_US)))
        with views_at(engine.log, engine.url, engine.company, views(), moment) as tables:
            assert contents(tables) == _replayed(engine, views(), moment)
        assert {path.name for path in Path(folder).iterdir()} <= {"shop.db", "shop.db-wal", "shop.db-shm"}


def _told(engine: Engine) -> None:
    record(engine, [called("anna", "a1", 3), ordered("anna", "o1", 5), called("bert", "b1", 4), ordered("bert", "o2")])
    record(engine, [moved("anna", "c1", "o1", 2), retracted("bert", "c2", "b1"), merged("anna", "bert", "m1")])
    record(engine, [called("bert", "b2", 8), reverted("anna", "bert", "r1", "m1"), called("cleo", "d1", 7)])


@pytest.mark.parametrize("buckets", [4], ids=["four"])
def test_every_cut_on_both_databases_and_by_several_processes(
    engine: Engine, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    _told(engine)
    Projector(engine.log, tables, engine.company).run_once()
    live, generations = contents(tables), tables.state()[0]
    cuts = [engine.log.start().advanced(1, number) for number in (0, 6)]
    for moment in (*map(Moment, cuts), Moment(), Moment(as_of=MARCH_1 + 4 * DAY_US)):
        with views_at(engine.log, engine.url, engine.company, views(), moment) as stood:
            assert contents(stood) == _replayed(engine, views(), moment)
            assert contents(tables) == live
    monkeypatch.setattr("adapters.views.folding.LIMITS", replace(LIMITS, rebuild_part_touchpoints=3))
    with views_at(engine.log, engine.url, engine.company, views(), Moment()) as stood:
        assert contents(stood) == live
    assert tables.state()[0] == generations
    assert tables.moments() == []


def test_today_is_the_moment_that_is_asked(engine: Engine) -> None:
    _told(engine)

    def today(moment: Moment) -> tuple[int, str]:
        with views_at(engine.log, engine.url, engine.company, CHOSEN, moment) as tables:
            ((at, day),) = tables.query("SELECT at, day FROM moment")[1]
            assert tables.query("SELECT day FROM today")[1] == [(day,)]
        return at, day

    # Half past eleven at night in UTC is already tomorrow in London's summer.
    summer = 1_782_862_200_000_000
    assert today(Moment(as_of=summer)) == (summer, "2026-07-01")
    assert today(Moment(known=summer)) == (summer, "2026-07-01")
    assert today(Moment(known=summer, as_of=MARCH_1)) == (MARCH_1, "2026-03-01")
    stored = engine.log.read(engine.log.start(), 1)[0]
    first = engine.log.start().advanced(stored.bucket, stored.number)
    assert today(Moment(known=first))[0] == stored.recorded
    assert today(Moment(known=engine.log.start()))[0] == 0


def test_what_a_killed_process_left_is_cleared_up_and_what_lives_is_not(engine: Engine, tables: Tables) -> None:
    _told(engine)
    processes = get_context("forkserver")
    processes.set_forkserver_preload([look.__module__])

    def begin() -> tuple[object, str]:
        hears, tells = processes.Pipe(duplex=False)
        process = processes.Process(target=look, args=(engine.url, tells))
        process.start()
        assert hears.poll(60)
        return process, hears.recv()

    (alive, living), (dead, left) = begin(), begin()
    try:
        assert tables.moments() == sorted([living, left])
        dead.kill()  # type: ignore[attr-defined]
        dead.join()  # type: ignore[attr-defined]
        # A server notices a moment later that a client is gone.
        for _ in range(200):
            clear_up(engine.url, engine.company)
            if tables.moments() == [living]:
                break
        assert tables.moments() == [living]
    finally:
        alive.kill()  # type: ignore[attr-defined]
        alive.join()  # type: ignore[attr-defined]


def test_a_fold_that_fails_leaves_its_subject_out_visibly(engine: Engine) -> None:
    record(engine, [called("anna", "a1", 1, "poison"), called("bert", "b1")])
    with views_at(engine.log, engine.url, engine.company, CHOSEN, Moment()) as tables:
        assert contents(tables) == {"tally": [("bert", 1, 0.1)]}
        assert tables.state()[2] == {("tally", 1): 1}


@pytest.mark.parametrize("named", ["report.tally", "lifecircle_views.tally_g1", "lifecircle.touchpoints"])
def test_a_moment_never_mixes_in_what_stands_now(postgres_url: str, named: str) -> None:
    with Engine.create(postgres_url) as engine, closing(open_tables(postgres_url, engine.company, CHOSEN)) as live:
        engine.append([called("anna", "a1")])
        Projector(engine.log, live, engine.company).run_once()
        with views_at(engine.log, engine.url, engine.company, CHOSEN, Moment(as_of=0)) as tables:
            assert tables.query("SELECT * FROM tally")[1] == []
            with pytest.raises(QueryRefused, match="schema"):
                tables.query(f"SELECT 1 FROM {named}")
        with psycopg.connect(postgres_url) as connection:
            assert connection.execute("SELECT calls FROM report.tally").fetchall() == [(1,)]


def test_a_query_folds_the_views_that_it_names_itself_or_by_questions() -> None:
    assert set(named_in("select * from Contacts", views())) == {"contacts"}
    assert set(named_in('select * from "rfm_segments"', views())) == {"loyalty"}
    assert set(named_in("select * from cohorts", views())) == {"loyalty", "purchases"}
    assert set(named_in("select day from moment", views())) == set()
    assert set(named_in("select 1 as tasks from (select 1 as n) as orders, contacts, report.phases p", views())) == {
        "contacts",
        "phases",
    }
    assert set(named_in("select * from attribution", views())) == {"touches", "conversions", "campaigns", "partners"}
