"""Merges over several buckets, by many threads and processes, in both directions at once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from adapters.engine import Engine
from adapters.log import LINK_KINDS
from adapters.views.replay import family_facts
from domain.history import roots
from tests.engine.merger import SUBJECTS, work

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("buckets", [4], ids=["four"])
def test_merges_in_both_directions_end_and_stand_whole(engine: Engine) -> None:
    command = [sys.executable, "-m", "tests.engine.merger", engine.url]
    processes = [
        subprocess.Popen([*command, f"process-{n}", "8"], cwd=ROOT, stdout=subprocess.PIPE, text=True) for n in range(2)
    ]
    with ThreadPoolExecutor(8) as pool:
        stored = sum(pool.map(lambda n: work(engine, f"thread-{n}", 8), range(8)))
    for process in processes:
        stored += int(process.communicate()[0])
        assert process.returncode == 0
    links = engine.log.links()
    assert len(links) == 2 * stored > 8, "each merge and revert stands in both streams, or in none"
    for link in links:
        halves = [each for each in links if each.id == link.id]
        assert len(halves) == 2
        assert len({each.recorded for each in halves}) == 1
    assert len({row.stream for row in links if row.kind in LINK_KINDS}) > 2
    # Every one was decided on what stood before it: as they were recorded, each still takes effect.
    facts = family_facts(engine.log, *SUBJECTS)
    standing = {row.id for row in links if row.kind == LINK_KINDS[0]}
    standing -= {str(fact.data["merge"]) for fact in facts if fact.kind == LINK_KINDS[1]}
    assert len(roots(facts)) == len(standing)
    if engine.url.startswith("postgresql"):
        with psycopg.connect(engine.url, autocommit=True) as connection:
            asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            assert connection.execute(asked).fetchone() == (0,)
