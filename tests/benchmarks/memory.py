"""The most memory that a process and all that it starts hold at once, as the machine tells it."""

import os
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, NamedTuple

_EVERY_S = 0.05
_PARENT, _RSS = 1, 21
"""Fields of /proc/PID/stat after the name of the program: proc(5) counts from 1 and has these as 4 and 24."""


class Ran(NamedTuple):
    """How long something ran; and the peak resident set of its process tree in MB, where the machine tells it."""

    seconds: float
    peak_mb: float | None


def tree_mb(root: int) -> float | None:
    """Resident memory of a process and its descendants now, in MB: pages that two share count twice."""
    if not Path("/proc/self/stat").exists():
        return None
    children: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        pid = int(stat.parent.name)
        children.setdefault(int(told[_PARENT]), []).append(pid)
        pages[pid] = int(told[_RSS])
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        total += pages.get(pid, 0)
        waiting += children.get(pid, [])
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


def in_process(work: Callable[..., object], *arguments: Any) -> Ran:
    """Run something in a process of its own, watched from here.

    Raises:
        RuntimeError: it failed; its traceback is on the terminal.
    """
    context = get_context("spawn")
    told: SimpleQueue[float] = context.SimpleQueue()
    process = context.Process(target=_timed, args=(told, work, *arguments))
    process.start()
    peak: float | None = None
    while process.is_alive():
        if process.pid and (now := tree_mb(process.pid)) is not None:
            peak = max(peak or 0.0, now)
        sleep(_EVERY_S)
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} failed in its process")
    return Ran(told.get(), peak)


def _timed(told: "SimpleQueue[float]", work: Callable[..., object], *arguments: Any) -> None:
    began = perf_counter()
    work(*arguments)
    told.put(perf_counter() - began)
