"""A rebuild that was stopped, killed, or ran out of disk: the next one goes on, and the rows are the same."""

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from multiprocessing import active_children, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.engine import Engine
from adapters.settings import LIMITS
from adapters.views.folding import missing
from adapters.views.projector import Projector
from adapters.views.rebuild import rebuild
from adapters.views.sweep import Part
from adapters.views.tables import Tables, open_tables
from domain.errors import FoldingStopped, LogNotWritable, ProjectorFenced
from tests.read_side.projecting import build, follow
from tests.read_side.story import CHOSEN, TallyAgain, called, contents, merged, moved, ordered, record
from tests.read_side.test_projector import waited

SUBJECTS = [f"c{place:02}" for place in range(40)]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts, folded in this process."""
    monkeypatch.setattr("adapters.views.folding.LIMITS", replace(LIMITS, rebuild_part_touchpoints=10))


def _stopping_after(parts: int, told: list[tuple[int, int]]) -> Callable[[int, int], None]:
    def on_progress(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) > parts:
            raise FoldingStopped("enough")

    return on_progress


def _filled(engine: Engine) -> None:
    engine.append([called(subject, f"{subject}-{day}", day) for subject in SUBJECTS for day in (1, 2, 3)])


@pytest.mark.usefixtures("parts")
def test_what_was_folded_is_not_folded_again(engine: Engine, tally: Tables) -> None:
    _filled(engine)
    record(engine, [merged("c05", "c06", "m1")])
    first, second = list[tuple[int, int]](), list[tuple[int, int]]()
    with pytest.raises(FoldingStopped):
        rebuild(engine.log, tally, engine.company, on_progress=_stopping_after(4, first), workers=0)
    begun = tally.state()[0]
    # Recorded since: in the parts that are folded, and in those that are not.
    record(engine, [called(subject, f"late-{subject}") for subject in (SUBJECTS[0], SUBJECTS[-1], "c99")])
    made = rebuild(engine.log, tally, engine.company, on_progress=lambda *done: second.append(done), workers=0)
    assert [each[:2] for each in begun] == [each[:2] for each in made]
    assert second[0] == (first[-1][0], 122)
    assert second[0][0] > 0
    assert second[-1] == (122, 122)
    assert len(second) > 3
    rows = contents(tally)
    rebuild(engine.log, tally, engine.company)
    assert contents(tally) == rows


@pytest.mark.usefixtures("parts")
def test_it_is_begun_anew_where_going_on_would_be_wrong_or_slower(engine: Engine, tally: Tables) -> None:
    _filled(engine)

    def begun_after(change: Callable[[], Tables]) -> int:
        with pytest.raises(FoldingStopped):
            rebuild(engine.log, tally, engine.company, on_progress=_stopping_after(2, []), workers=0)
        tables, told = change(), list[tuple[int, int]]()
        rebuild(engine.log, tables, engine.company, on_progress=lambda *done: told.append(done), workers=0)
        rows = contents(tables)
        rebuild(engine.log, tables, engine.company, workers=0)
        assert contents(tables) == rows
        return told[0][0]

    def nothing() -> Tables:
        return tally

    def recorded_much() -> Tables:
        engine.append([called("much", f"much-{at}", 1 + at % 28) for at in range(60)])
        return tally

    again = open_tables(engine.url, engine.company, {"tally": TallyAgain})
    assert begun_after(nothing) > 0
    assert begun_after(recorded_much) == 0
    assert begun_after(lambda: again) == 0, "the fold was changed"
    again.close()


@given(st.data())
def test_parts_and_what_is_missing_are_the_whole_once(data: st.DataObject) -> None:
    streams = sorted(data.draw(st.sets(st.text("ab\U0001f600\uffff", min_size=1, max_size=3), min_size=1)))

    def ended(size: int) -> Callable[[int, str], str | None]:
        def end(_bucket: int, after: str) -> str | None:
            beyond = [stream for stream in streams if stream > after]
            return beyond[size] if size < len(beyond) else None

        return end

    all_parts = list(missing(1, {}, ended(data.draw(st.integers(0, 3)))))
    kept = {part: 1 for part in all_parts if data.draw(st.booleans())}
    # Another size stands for ends that moved.
    found = sorted([*kept, *missing(1, kept, ended(data.draw(st.integers(0, 5))))], key=lambda part: part.after)
    assert found[0].after == ""
    assert found[-1].last is None
    assert [part.last for part in found[:-1]] == [part.after for part in found[1:]]
    assert {Part(2, "", None)} == set(missing(2, kept, lambda *_: None)), "another bucket is none of its business"


class _Workshop:
    """Processes that are killed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._processes = get_context("forkserver")
        self._processes.set_forkserver_preload([build.__module__])
        self._heard: list[Connection] = []

    def build_until(self, told_enough: int, workers: int) -> tuple[list[tuple[int, int, list[int]]], bool]:
        """Rebuild until so much was told, then kill it; what was told, and whether it came to its end."""
        hears, tells = self._processes.Pipe(duplex=False)
        process = self._processes.Process(target=build, args=(self.url, tells, workers))
        process.start()
        tells.close()
        told: list[tuple[int, int, list[int]]] = []
        try:
            while len(told) < told_enough:
                assert hears.poll(60)
                if (heard := hears.recv()) is None:
                    return told, True
                told.append(heard)
        finally:
            process.kill()
            process.join()
        return told, False

    def follow(self) -> BaseProcess:
        hears, tells = self._processes.Pipe(duplex=False)
        self._heard.append(hears)  # it speaks of every commit, and must not find that nobody is there
        process = self._processes.Process(target=follow, args=(self.url, tells))
        process.start()
        return process


@pytest.fixture
def workshop(engine: Engine) -> _Workshop:
    return _Workshop(engine.url)


@pytest.mark.parametrize("buckets", [4], ids=["four"])
def test_killed_at_any_point_beside_a_projector_that_is_killed_too(
    engine: Engine, tables: Tables, workshop: _Workshop
) -> None:
    chance = random.Random(11)  # noqa: S311 - moments to kill at, and days
    _filled(engine)
    record(engine, [merged("c01", "c02", "m1"), merged("c03", "c01", "m2"), moved("c07", "x1", "c07-2", 20)])
    Projector(engine.log, tables, engine.company).run_once()
    resumed = ended = 0
    following = workshop.follow()
    try:
        for round_ in range(9):
            workers = 2 if round_ == 4 else 0
            told, whole = workshop.build_until(chance.randint(1, 14), workers)
            resumed += told[0][0] > 0
            ended += whole
            new = [chance.choice(SUBJECTS) for _ in range(8)]
            record(engine, [ordered(each, f"o{round_}-{at}", chance.randint(1, 28)) for at, each in enumerate(new)])
            if chance.random() < 0.4:
                following.kill()
                following.join()
                following = workshop.follow()
    finally:
        following.kill()
        following.join()
    assert resumed > 2, "some were taken up"
    assert ended < 9, "some were cut off"
    rebuild(engine.log, tables, engine.company)
    Projector(engine.log, tables, engine.company).run_once()
    rows = contents(tables)
    rebuild(engine.log, tables, engine.company)
    assert contents(tables) == rows


def test_the_processes_of_a_rebuild_that_was_killed_end_with_it(
    engine: Engine, tables: Tables, workshop: _Workshop
) -> None:
    _filled(engine)
    told, whole = workshop.build_until(3, 2)
    assert not whole
    pids = {pid for _, _, pids in told for pid in pids}
    assert pids
    assert waited(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    rebuild(engine.log, tables, engine.company)


@pytest.mark.usefixtures("parts")
def test_one_whose_other_process_is_killed_says_so_and_the_next_goes_on(sqlite_url: str) -> None:
    def kill(_done: int, _total: int) -> None:
        for process in active_children():
            process.kill()

    with Engine.create(sqlite_url) as engine, closing(open_tables(engine.url, engine.company, CHOSEN)) as tables:
        _filled(engine)
        with pytest.raises(FoldingStopped, match="killed"):
            rebuild(engine.log, tables, engine.company, on_progress=kill)
        assert {each.state for each in tables.state()[0]} == {"building"}
        rebuild(engine.log, tables, engine.company, workers=0)
        assert contents(tables) == {"tally": [(subject, 3, 0.3) for subject in SUBJECTS]}


def test_a_second_one_is_refused_while_the_first_lives_and_not_after_it_was_killed(
    engine: Engine, tables: Tables, workshop: _Workshop
) -> None:
    _filled(engine)

    def second(done: int, _total: int) -> None:
        if not done:
            with pytest.raises(ProjectorFenced, match="rebuild"):
                rebuild(engine.log, other, engine.company)

    with closing(open_tables(engine.url, engine.company)) as other:
        rebuild(engine.log, tables, engine.company, on_progress=second)
    workshop.build_until(2, 0)
    rebuild(engine.log, tables, engine.company)


@pytest.mark.usefixtures("parts")
def test_a_database_that_is_full_in_the_midst_keeps_what_was_folded(postgres_url: str) -> None:
    """As the server says it: a real disk of its own cannot be filled here."""
    with Engine.create(postgres_url) as engine, closing(open_tables(engine.url, engine.company, CHOSEN)) as tables:
        _filled(engine)
        Projector(engine.log, tables, engine.company).run_once()
        before = contents(tables)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF (SELECT count(*) FROM lifecircle_views.folded_parts) > 4 THEN"
                " RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END IF; RETURN NULL; END $$;"
                "CREATE TRIGGER full_disk AFTER INSERT ON lifecircle_views.folded_parts"
                " EXECUTE FUNCTION public.full_disk()"
            )
            with pytest.raises(LogNotWritable, match="disk"):
                rebuild(engine.log, tables, engine.company, workers=0)
            assert contents(tables) == before
            connection.execute("DROP TRIGGER full_disk ON lifecircle_views.folded_parts")
        told: list[tuple[int, int]] = []
        rebuild(engine.log, tables, engine.company, on_progress=lambda *done: told.append(done), workers=0)
        assert told[0][0] > 0
        assert contents(tables) == before


def test_appends_and_readers_go_on_beside_one_that_is_stopped(engine: Engine, tally: Tables) -> None:
    _filled(engine)
    Projector(engine.log, tally, engine.company).run_once()
    answered: list[int] = []

    def meanwhile(_done: int, _total: int) -> None:
        beside = Thread(target=lambda: answered.append(len(tally.query("SELECT * FROM tally")[1])))
        beside.start()
        beside.join()
        engine.append([called("new", "n1")])
        raise FoldingStopped("enough")

    with pytest.raises(FoldingStopped):
        rebuild(engine.log, tally, engine.company, on_progress=meanwhile)
    assert answered == [len(SUBJECTS)]
    assert Projector(engine.log, tally, engine.company).run_once() == 1
