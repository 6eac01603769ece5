"""The views show, for real histories, the figures that are published or were reckoned otherwise."""

import json
import os
from pathlib import Path

import pytest

from adapters.engine import Engine
from domain.company import Company
from tests.reference.figures import HISTORIES, History, imported, shown

DATA = Path(os.environ.get("LIFECIRCLE_DATA") or Path(__file__).parents[3] / "shared" / "data")

pytestmark = pytest.mark.skipif(
    not (DATA / "expected.json").is_file(), reason=f"the real histories are not at {DATA}; LIFECIRCLE_DATA names them"
)


# Of the large sets only their first import is tried here, for time; the small ones derive ids in the same ways.
TWICE = ("helpdesk", "cdnow_sample")


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
def test_the_views_show_the_figures_of_a_real_history_and_a_second_import_adds_nothing(
    history: History, url: str
) -> None:
    expected = {
        name: value
        for name, value in json.loads((DATA / "expected.json").read_text()).items()
        if name.startswith(f"{history.name}.")
    }
    wanted = {name: _within_tolerance(name, value) for name, value in expected.items()}
    with Engine.create(url, Company(name=history.name, zone=history.zone)) as engine:
        reports = imported(history, DATA, engine)
        assert shown(history, reports, engine) == wanted
        if history.name in TWICE:
            (first,), (second,) = reports, imported(history, DATA, engine)
            assert sum(engine.log.heads().numbers) == first.touchpoints.total() > 0
            assert (second.stored, second.repeats, second.touchpoints.total()) == (0, first.stored, 0)
            assert second.counted == first.counted


def _within_tolerance(name: str, value: float) -> object:
    """Counts are exact; rates, means, sums and fits to a thousandth, likelihoods to a hundredth, as they are given."""
    if isinstance(value, int):
        return value
    return pytest.approx(value, rel=0, abs=0.01) if name.endswith("log_likelihood") else pytest.approx(value, rel=1e-3)
