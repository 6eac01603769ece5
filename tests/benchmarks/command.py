"""Measure: `python -m tests.benchmarks [ROUNDS] [KEY…] [SIZE=NUMBER…]`; everything but the peers when no key is given.

Writes build/bench.json (or bench-peers.json, of peers alone) and prints the table. `--fetch-peers` first installs the
peers under build/.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tests.benchmarks import peers, report
from tests.benchmarks.catalogue import MEASURES, PEERS
from tests.benchmarks.ground import Ground
from tests.benchmarks.measures import chosen, run_rounds
from tests.benchmarks.sizes import Sizes

ROUNDS = 5


class Asked(NamedTuple):
    """What the command line asks for."""

    rounds: int
    keys: list[str]
    sizes: Sizes
    fetch: bool


def read_arguments(words: Sequence[str]) -> Asked:
    """Read the command line.

    Raises:
        ValueError: a word is no number of rounds, no key and no size.
    """
    asked = Asked(ROUNDS, [], Sizes(), fetch=False)
    for word in words:
        name, is_size, number = word.partition("=")
        if word == "--fetch-peers":
            asked = asked._replace(fetch=True)
        elif word.isdecimal() and int(word) > 0:
            asked = asked._replace(rounds=int(word))
        elif is_size and number.isdecimal():
            asked = asked._replace(sizes=asked.sizes.given(name, int(number)))
        else:
            asked.keys.append(word)
    chosen((*MEASURES, *PEERS), asked.keys)
    return asked


def main(asked: Asked) -> int:
    """Measure each work in turn, in every round, on fresh databases; answer the exit code."""
    if asked.fetch:
        peers.fetch()
    measures = chosen((*MEASURES, *PEERS), asked.keys) if asked.keys else list(MEASURES)
    with Ground(asked.sizes) as ground:
        load = report.load()
        measured = run_rounds(ground, measures, lambda done: done < asked.rounds)
        found = report.results(report.machine(ground) | load, asked.sizes, measured)
    # The peers are measured on their own, and must not take the place of the whole.
    report.write(found, report.BENCH if any(each in MEASURES for each in measures) else report.BENCH_PEERS)
    report.show(measures, found)
    return 1 if measured.failed else 0
