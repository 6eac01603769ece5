"""However touchpoints arrive, the rows are those of one fold of what stands recorded."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.engine import Engine
from adapters.settings import LIMITS
from adapters.views.projector import Projector
from adapters.views.rebuild import rebuild
from adapters.views.tables import Tables, open_tables
from domain.touchpoint import Envelope
from tests.read_side.story import (
    called,
    contents,
    merged,
    moved,
    ordered,
    record,
    replayed,
    retracted,
    reverted,
    stories,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(told=stories(), data=st.data())
def test_live_in_any_batches_is_a_rebuild_is_a_replay(told: list[Envelope], data: st.DataObject) -> None:
    buckets = data.draw(st.sampled_from([1, 4]))
    with TemporaryDirectory() as folder, Engine.create(f"sqlite:///{Path(folder)}/shop.db", None, buckets) as engine:
        tables = open_tables(engine.url, engine.company)
        projector = Projector(engine.log, tables, engine.company)
        while told:
            size = data.draw(st.integers(1, 8))
            record(engine, told[:size])
            told = told[size:]
            if data.draw(st.booleans()):
                # A new projector remembers nothing, so it folds again what the old one would have gone on with.
                projector = Projector(engine.log, tables, engine.company)
            projector.run_once()
        live = contents(tables)
        rebuild(engine.log, tables, engine.company)
        assert contents(tables) == live == replayed(engine)
        tables.close()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(told=stories(), page=st.integers(1, 5))
def test_one_bucket_or_four_and_pages_that_part_what_belongs_together(told: list[Envelope], page: int) -> None:
    found = []
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.views.projector.LIMITS", replace(LIMITS, projector_batch_max=page))
        for buckets in (1, 4):
            with Engine.create(f"sqlite:///{Path(folder)}/{buckets}.db", buckets=buckets) as engine:
                record(engine, told)
                tables = open_tables(engine.url, engine.company)
                Projector(engine.log, tables, engine.company).run_once()
                found.append(contents(tables))
                tables.close()
    assert found[0] == found[1]


def test_a_story_with_everything_on_both_databases(engine: Engine, tables: Tables) -> None:
    projector = Projector(engine.log, tables, engine.company)
    chapters = [
        [called("anna", "a1", 3), ordered("anna", "o1", 5), called("bert", "b1", 4), ordered("bert", "o2", 6)],
        [called("anna", "a2", 1), moved("anna", "c1", "o1", 2), retracted("bert", "c2", "b9")],
        [merged("anna", "bert", "m1"), called("bert", "b2", 8), ordered("anna", "o3", 9)],
        [called("bert", "b9", 7), called("cleo", "d1", 7)],
        [reverted("anna", "bert", "r1", "m1"), retracted("anna", "c3", "c1"), called("bert", "b3", 10)],
    ]
    for chapter in chapters:
        record(engine, chapter)
        assert projector.run_once() >= len(chapter)
        assert contents(tables) == replayed(engine)
    assert projector.run_once() == 0
    live = contents(tables)
    rebuild(engine.log, tables, engine.company)
    assert contents(tables) == live


def test_a_merge_takes_the_rows_of_the_absorbed_to_the_survivor_at_once(engine: Engine, tables: Tables) -> None:
    projector = Projector(engine.log, tables, engine.company)
    record(engine, [called("anna", "a1"), called("bert", "b1")])
    projector.run_once()
    record(engine, [merged("anna", "bert", "m1")])
    projector.run_once()
    assert tables.rows("contacts", "bert")[1] == []
    assert len(tables.rows("contacts", "anna")[1]) >= 2
