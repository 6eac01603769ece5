"""The views show, for real histories, the figures that are published or were reckoned otherwise."""

import json
import os
from pathlib import Path

import pytest

from adapters.engine import Engine
from domain.company import Company
from tests.reference.figures import HISTORIES, History, figures_of, imported

DATA = Path(os.environ.get("LIFECIRCLE_DATA") or Path(__file__).parents[3] / "shared" / "data")

pytestmark = pytest.mark.skipif(
    not (DATA / "expected.json").is_file(), reason=f"the real histories are not at {DATA}; LIFECIRCLE_DATA names them"
)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
def test_the_views_show_the_figures_of_a_real_history(history: History, url: str) -> None:
    expected = {
        name: value
        for name, value in json.loads((DATA / "expected.json").read_text()).items()
        if name.startswith(f"{history.name}.")
    }
    wanted = {name: _within_tolerance(name, value) for name, value in expected.items()}
    assert figures_of(history, DATA, url) == wanted


def _within_tolerance(name: str, value: float) -> object:
    """Counts are exact; rates, means, sums and fits to a thousandth, likelihoods to a hundredth, as they are given."""
    if isinstance(value, int):
        return value
    return pytest.approx(value, rel=0, abs=0.01) if name.endswith("log_likelihood") else pytest.approx(value, rel=1e-3)


# Of the large sets only their first import is tried here, for time; the small ones derive ids in the same ways.
@pytest.mark.parametrize(
    "history",
    [each for each in HISTORIES if each.name in ("helpdesk", "cdnow_sample")],
    ids=lambda history: history.name,
)
def test_a_second_import_adds_nothing(history: History, url: str) -> None:
    with Engine.create(url, Company(zone=history.zone)) as engine:
        (first,), (second,) = imported(history, DATA, engine), imported(history, DATA, engine)
        assert sum(engine.log.heads().numbers) == first.touchpoints.total() > 0
    assert (second.stored, second.repeats, second.touchpoints.total()) == (0, first.stored, 0)
    assert second.counted == first.counted
