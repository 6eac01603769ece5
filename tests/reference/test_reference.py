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

LATER = ("cdnow_sample.bgnbd.", "cdnow_sample.gamma_gamma.", "cdnow_sample.pareto_nbd.", "cdnow_sample.holdout_mean.")
"""Figures that rest on models, which are not part of the views yet."""


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
def test_the_views_show_the_figures_of_a_real_history(history: History, url: str) -> None:
    expected = {
        name: value
        for name, value in json.loads((DATA / "expected.json").read_text()).items()
        if name.startswith(f"{history.name}.") and not name.startswith(LATER)
    }
    # Counts are exact; rates, means and sums to a thousandth, as the figures are given.
    wanted = {
        name: value if isinstance(value, int) else pytest.approx(value, rel=1e-3) for name, value in expected.items()
    }
    assert figures_of(history, DATA, url) == wanted


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
