"""Merges and reverts in both directions by a process of its own; what is refused is not its business.

Run as: python -m tests.engine.merger URL NAME ROUNDS
"""

import random
import sys

from adapters.engine import Engine
from domain.errors import MergeRefused, VersionConflict
from tests.read_side.story import called, merged, reverted

SUBJECTS = ("c0", "c1", "c2", "c3", "c4", "c5")


def work(engine: Engine, name: str, rounds: int) -> int:
    """Answer how many merges and reverts were stored."""
    chance, stored, mine = random.Random(name), 0, list[tuple[str, str, str]]()  # noqa: S311 - whom to merge
    for n in range(rounds):
        survivor, absorbed = chance.sample(SUBJECTS, 2)
        engine.append([called(survivor, f"{name}-{n}-call")])
        try:
            engine.append([merged(survivor, absorbed, f"{name}-{n}")])
            mine.append((survivor, absorbed, f"{name}-{n}"))
            stored += 1
        except (MergeRefused, VersionConflict):
            pass
        if mine and n % 2:
            survivor, absorbed, merge = mine.pop()
            try:
                engine.append([reverted(survivor, absorbed, f"{name}-{n}-back", merge)])
                stored += 1
            except (MergeRefused, VersionConflict):
                pass
    return stored


if __name__ == "__main__":
    with Engine.open(sys.argv[1]) as opened:
        print(work(opened, sys.argv[2], int(sys.argv[3])))
