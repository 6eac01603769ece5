"""Has something become slower since the last release? `python -m tests.benchmarks.quick [--release] [SECONDS]`.

Short interleaved pairs of peer and ours, for as many rounds as the time allows; the medians of their ratios are
compared with those of the last release, which `--release` writes. A loss of more than a fifth in any of them fails.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

from tests.benchmarks import report
from tests.benchmarks.catalogue import MEASURES, SHORT
from tests.benchmarks.ground import Ground
from tests.benchmarks.measures import chosen, run_rounds
from tests.benchmarks.sizes import Sizes

RELEASED = Path(__file__).with_name("released.json")
FOUND = Path("build/bench-quick.json")
SECONDS = 100
ROUNDS_MIN, ROUNDS_MAX = 3, 9
LOSS_MAX = 0.2
LOWER_IS_BETTER = {"history_p50_x"}


def losses(released: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """By key, what share of its speed each ratio lost since the release, where it is more than is allowed."""
    lost = {}
    for key, then in released.items():
        if key in now:
            kept = then / now[key] if key in LOWER_IS_BETTER else now[key] / then
            if 1 - kept > LOSS_MAX:
                lost[key] = 1 - kept
    return lost


def main(seconds: float, *, release: bool) -> int:
    """Measure, compare, and answer the exit code."""
    measures = chosen(MEASURES, SHORT)
    sizes = Sizes.quick()
    began = monotonic()
    with Ground(sizes) as ground:
        load = report.load()

        def goes_on(done: int) -> bool:
            # Another round is begun only where one as long as those before would end in time.
            each = (monotonic() - began) / done if done else 0
            return done < ROUNDS_MIN or (done < ROUNDS_MAX and monotonic() - began + each < seconds)

        measured = run_rounds(ground, measures, goes_on)
        found = report.results(report.machine(ground) | load, sizes, measured)
    report.write(found, FOUND)
    report.show(measures, found)
    now = {key: found[key] for key in SHORT if key in found}
    if release:
        RELEASED.write_text(json.dumps(now, indent=1) + "\n")
        print(f"{RELEASED.name} written: {measured.rounds} rounds")
        return 0
    released: dict[str, float] = json.loads(RELEASED.read_text())
    if new := [key for key in now if key not in released]:
        print(f"no figure of the last release to compare with: {' '.join(new)}")
    lost = losses(released, now)
    for key, loss in lost.items():
        print(f"{key} lost {loss:.0%} since the last release: {released[key]:.3g} then, {now[key]:.3g} now")
    if not lost:
        print(f"nothing lost more than {LOSS_MAX:.0%} since the last release")
    return 1 if lost or measured.failed else 0


if __name__ == "__main__":
    words = sys.argv[1:]
    limit = next((float(word) for word in words if word.isdecimal()), SECONDS)
    sys.exit(main(limit, release="--release" in words))
