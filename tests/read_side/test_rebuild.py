"""Rebuilding beside readers, writers and the projector."""

from dataclasses import replace
from threading import Event, Thread

import pytest

from adapters.engine import Engine
from adapters.settings import LIMITS
from adapters.views.projector import Projector, status
from adapters.views.rebuild import rebuild
from adapters.views.tables import Tables, open_tables
from domain.errors import ProjectorFenced, UnknownView
from tests.read_side.story import CHOSEN, TallyAgain, called, contents, merged, ordered, record, replayed, touch


def test_beside_appends_and_a_projector_nothing_is_lost(engine: Engine, tables: Tables) -> None:
    stop, subjects = Event(), ("anna", "bert", "cleo")
    record(engine, [ordered(subjects[place % 3], f"o{place}", 1 + place % 28) for place in range(60)])
    following = open_tables(engine.url, engine.company)
    projector = Projector(engine.log, following, engine.company)
    projector.run_once()

    def append() -> None:
        for place in range(10_000):  # not for ever: on a busy machine a rebuild might never catch up with it
            if stop.is_set():
                return
            engine.append([called(subjects[place % 3], f"t{place}", 1 + place % 28)])

    work = [Thread(target=append), Thread(target=projector.run, args=(stop,))]
    for thread in work:
        thread.start()
    try:
        for _ in range(3):
            rebuild(engine.log, tables, engine.company)
            assert tables.query("SELECT COUNT(*) FROM purchases")[1][0][0] > 0
    finally:
        stop.set()
        for thread in work:
            thread.join()
    projector.run_once()
    assert contents(tables) == replayed(engine)
    assert {view.generation for view in status(engine.log, tables)} == {4}
    following.close()


def test_one_view_alone_is_rebuilt_while_the_others_catch_up(engine: Engine, tables: Tables) -> None:
    record(engine, [called("anna", "a1"), ordered("anna", "o1")])
    Projector(engine.log, tables, engine.company).run_once()
    record(engine, [ordered("anna", "o2", 2), called("bert", "b1", 2), merged("anna", "bert", "m1")])
    made = rebuild(engine.log, tables, engine.company, ["contacts"])
    assert [generation.view for generation in made] == ["contacts"]
    assert contents(tables) == replayed(engine)
    assert {view.lag for view in status(engine.log, tables)} == {0}


@pytest.mark.parametrize(
    "texts",
    [
        ['a "mug"', "back\\slash", "two\r\nlines", "\tand\x01", '"],["', "null", "\\.", "é☕", "x],[1"],
        ["[erased]", "x],[1", "null", "a, b", "]", "["],
    ],
    ids=["escaped", "brackets"],
)
def test_a_rebuilt_text_is_the_same_whatever_stands_in_it(engine: Engine, tables: Tables, texts: list[str]) -> None:
    for place, text in enumerate(texts):
        record(engine, [touch("OpportunityOpened", f"c{place}", "d", opportunity="d", product=text, stage="new")])
    rebuild(engine.log, tables, engine.company)
    assert [row[0] for row in tables.query("SELECT product FROM opportunities ORDER BY subject")[1]] == texts
    assert contents(tables) == replayed(engine, [f"c{place}" for place in range(len(texts))])


@pytest.mark.parametrize("buckets", [4], ids=["four"])
def test_in_several_processes_the_rows_are_the_same(
    engine: Engine, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.views.folding.LIMITS", replace(LIMITS, rebuild_part_touchpoints=10))
    subjects = [f"c{place}" for place in range(40)]
    record(engine, [called(subjects[place % 40], f"t{place}", 1 + place % 28) for place in range(120)])
    record(engine, [merged("c1", "c2", "m1"), merged("c1", "c3", "m2")])
    told: list[tuple[int, int]] = []
    rebuild(engine.log, tables, engine.company, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (124, 124)
    assert contents(tables) == replayed(engine, subjects)


def test_a_failed_rebuild_leaves_what_stands_and_the_next_clears_up(engine: Engine, tally: Tables) -> None:
    engine.append([called("anna", "a1")])
    Projector(engine.log, tally, engine.company).run_once()
    before = contents(tally)

    class Stopped(Exception):
        pass

    def stop(_done: int, _total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        rebuild(engine.log, tally, engine.company, on_progress=stop)
    assert contents(tally) == before
    assert [known.state for known in tally.state()[0]] == ["live", "building"]
    engine.append([called("anna", "a2", 2)])
    assert Projector(engine.log, tally, engine.company).run_once() == 1
    rebuild(engine.log, tally, engine.company)
    assert contents(tally) == {"tally": [("anna", 2, 0.2)]}
    assert [known.state for known in tally.state()[0]] == ["retired", "live"]


def test_readers_keep_their_names_over_a_switch(engine: Engine, tally: Tables) -> None:
    engine.append([called("anna", "a1"), called("bert", "b1")])
    rebuild(engine.log, tally, engine.company)
    assert tally.query("SELECT calls FROM calls") == (["calls"], [(2,)])
    again = open_tables(engine.url, engine.company, {"tally": TallyAgain})
    rebuild(engine.log, again, engine.company)
    assert again.query("SELECT calls FROM calls") == (["calls"], [(200,)])
    assert tally.query("SELECT subject, calls FROM tally ORDER BY subject")[1] == [("anna", 100), ("bert", 100)]
    again.close()


def test_one_rebuild_at_a_time(engine: Engine, tally: Tables) -> None:
    engine.append([called("anna", "a1")])
    other = open_tables(engine.url, engine.company, CHOSEN)

    def second(_done: int, _total: int) -> None:
        with pytest.raises(ProjectorFenced):
            rebuild(engine.log, other, engine.company)

    rebuild(engine.log, tally, engine.company, on_progress=second)
    assert contents(tally) == {"tally": [("anna", 1, 0.1)]}
    other.close()


def test_a_view_that_is_none_is_refused(engine: Engine, tally: Tables) -> None:
    with pytest.raises(UnknownView):
        rebuild(engine.log, tally, engine.company, ["nonsense"])
