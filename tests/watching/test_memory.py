"""What a process of the service keeps of memory that it needs no more."""

import gc
import os
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep
from weakref import ref

import pytest

from adapters.collector import look_seldom
from adapters.memory import give_back
from adapters.settings import LIMITS

PIECE, PIECES, MB = 2_000, 50_000, 1_000_000
WITHIN_S = 60


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB


def frees_most_of_a_burst() -> None:
    at_rest = resident_mb()
    burst = [b"x" * size for size in [PIECE] * PIECES]
    kept = burst[::500]
    del burst
    after = resident_mb()
    assert after - at_rest > PIECE * PIECES / MB * 0.9, "it all stays: the last piece is among those that are needed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.memory.LIMITS", replace(LIMITS, memory_free_s=0.05))
        give_back()
        until = monotonic() + WITHIN_S
        while resident_mb() - at_rest > PIECE * PIECES / MB * 0.2:
            assert monotonic() < until, f"{at_rest:.0f} MB at rest, {after:.0f} after a burst, now {resident_mb():.0f}"
            sleep(0.05)
    assert all(len(each) == PIECE for each in kept)


class Connection:
    """What ends in a cycle."""

    def __init__(self) -> None:
        self.itself = self


def forgets_what_ended_in_a_cycle() -> None:
    look_seldom()
    connection = Connection()
    gc.collect(0)  # it is found once, while it is needed
    ended = ref(connection)
    del connection
    for _ in range(4):
        new = [[number] for number in range(gc.get_threshold()[0] * 2)]
        del new
    assert ended() is None


@pytest.mark.parametrize("law", [frees_most_of_a_burst, forgets_what_ended_in_a_cycle])
def test_a_process_keeps_no_memory_that_it_does_not_need(law: Callable[[], None]) -> None:
    process = get_context("spawn").Process(target=law)
    process.start()
    process.join()
    assert process.exitcode == 0
