"""The harness itself: what it measures with must be right before its figures mean anything."""

import json
import sys
from collections import Counter
from pathlib import Path
from statistics import mean
from time import sleep
from xml.etree.ElementTree import fromstring

import pytest

from adapters.codec import encode
from tests.benchmarks import report
from tests.benchmarks.catalogue import MEASURES, PEERS, SHORT
from tests.benchmarks.command import main, read_arguments
from tests.benchmarks.flames import sampled, svg
from tests.benchmarks.ground import Ground, Site, Unavailable
from tests.benchmarks.measures import Figures, chosen, percentile, run_rounds
from tests.benchmarks.memory import in_process
from tests.benchmarks.page import BEGIN, END, PAGE, with_results
from tests.benchmarks.quick import losses
from tests.benchmarks.sizes import Sizes
from tests.benchmarks.touchpoints import customers_of, envelopes, events

KEYS = [key for measure in (*MEASURES, *PEERS) for key in measure.keys]


def test_touchpoints_are_the_same_for_the_same_seed_and_of_the_size_that_is_told() -> None:
    made = list(events(2_000))

    assert made == list(events(2_000))
    assert made != list(events(2_000, seed=2))
    assert 280 <= mean(len(encode(envelope)) for envelope in envelopes(2_000)) <= 350  # the row adds the rest


def test_lives_have_geometric_lengths() -> None:
    count = 20_000
    customers = customers_of(count)

    lives = Counter(event["subject"] for event in events(count)).values()

    # Of lives with a mean of ten, counting from none: P(none) = 1/11, P(n or more) = (10/11) ** n.
    assert len(lives) / customers == pytest.approx(10 / 11, abs=0.03)
    assert sum(life >= 20 for life in lives) / customers == pytest.approx((10 / 11) ** 20, abs=0.03)


def test_a_percentile_is_reached_by_so_many() -> None:
    assert percentile([*range(1, 101)], 99) == 99
    assert percentile([3, 1, 2], 50) == 2
    assert percentile([7], 99) == 7


def test_a_loss_is_a_fifth_of_the_speed_whichever_way_is_better() -> None:
    released = {"append_1_x": 2.0, "history_p50_x": 0.5, "read_x": 3.0}

    assert losses(released, {"append_1_x": 1.61, "history_p50_x": 0.62, "read_x": 9.0}) == {}
    assert set(losses(released, {"append_1_x": 1.59, "history_p50_x": 0.63})) == {"append_1_x", "history_p50_x"}


def test_what_is_released_is_compared_by_keys_that_are_measured() -> None:
    released = json.loads((Path(__file__).parent / "released.json").read_text())

    assert set(released) <= set(SHORT) <= set(KEYS)
    assert len(KEYS) == len(set(KEYS))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_explained(key: str) -> None:
    page = PAGE.read_text(encoding="utf-8")

    # The table of SQLite's keys is that of PostgreSQL's.
    assert f"`{key}`" in page or f"`{key.removeprefix('sqlite_')}`" in page


@pytest.mark.parametrize("word", ["append_64", "append=0", "apend=3", "append=", "0"])
def test_a_word_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=word):
        read_arguments([word])


def test_a_run_writes_flat_results_and_the_page_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = "2 sqlite_append_1_x sqlite_batch_100_x sqlite_history_p50_x sqlite_import_per_s"
    sizes = "alone=5 batches=1 read=200 histories=5 imported=30"

    code = main(read_arguments([*words.split(), *sizes.split()]))

    assert code == 0, capsys.readouterr().err
    found = json.loads(report.BENCH.read_text())
    assert found["rounds"] == 2
    assert found["size_alone"] == 5
    for key in words.split()[1:]:
        assert 0 < found[f"{key}_lowest"] <= found[key] <= found[f"{key}_highest"]
    assert found["sqlite_append_1_per_s"] > 0
    assert "Not the usual sizes: alone=5" in capsys.readouterr().out
    page = with_results(f"before\n{BEGIN}\nold\n{END}\nafter\n", [found])
    assert page.startswith("before\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert "| `sqlite_history_p50_x` | one customer's history | sqlite |" in page


def test_what_cannot_run_is_left_out_and_what_fails_is_told() -> None:
    def impossible(_: Site) -> dict[str, float]:
        raise Unavailable("there is no such disk")

    def broken(_: Site) -> dict[str, float]:
        raise OSError("the disk is gone")

    measures = [
        Figures("impossible", "sqlite", {"impossible_s": None}, impossible),
        Figures("broken", "sqlite", {"broken_s": None}, broken),
    ]
    with Ground(Sizes()) as ground:
        measured = run_rounds(ground, measures, lambda done: done < 2)
    found = report.results({}, ground.sizes, measured)

    assert found["left_out_impossible_s"] == "there is no such disk"
    assert found["failed_broken_s"] == "OSError: the disk is gone"
    assert [line.figure for line in report.lines(measures, found)] == ["left out", "failed"]
    assert not ground.folder.exists()


def test_keys_choose_the_works_that_answer_them() -> None:
    (measure,) = chosen(MEASURES, ["append_p99_ms"])

    assert measure.keys == ("append_p50_ms", "append_p99_ms")


def test_a_flame_graph_shows_where_the_time_went() -> None:
    def slow() -> None:
        sleep(0.05)

    def quick() -> None:
        sleep(0.01)

    def both() -> None:
        slow()
        quick()

    stacks = sampled(both)
    drawn = fromstring(svg(stacks, "two of a kind"))  # noqa: S314 - of our own making

    titles = [found.text or "" for found in drawn.iter("{http://www.w3.org/2000/svg}title")]
    (share_of_slow,) = [float(title.split()[-1].rstrip("%")) for title in titles if ".slow:" in title]
    assert sum(stacks.values()) > 20
    assert share_of_slow > 60


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of processes in /proc")
def test_the_peak_counts_what_a_process_and_its_children_hold() -> None:
    ran = in_process(_hold, 60_000_000)

    assert ran.peak_mb is not None
    assert ran.peak_mb > 60
    assert ran.seconds >= 0.3


def _hold(size: int) -> None:
    from subprocess import run

    program = f"import time; held = bytearray(b'x') * {size}; time.sleep(0.3)"
    run([sys.executable, "-c", program], check=True)
