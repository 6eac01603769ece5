"""The notebook of the how-to, run by Jupyter's own client against real data in both databases."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import clock_us
from adapters.codec import read_envelope
from adapters.engine import Engine
from adapters.mirror.mirroring import mirror
from adapters.views.projector import Projector
from adapters.views.tables import open_tables
from cli.stories import brightwater
from domain.company import Company
from tests.cli.program import ROOT

NOTEBOOK = ROOT / "docs" / "how-to" / "notebook.ipynb"
JUPYTER = Path(sys.executable).with_name("jupyter-execute")


@pytest.fixture
def told(url: str, tmp_path: Path) -> str:
    """The half-year of a small company, its views up to date."""
    with Engine.create(url, Company(name=brightwater.COMPANY, zone=brightwater.ZONE)) as engine:
        events = [*brightwater.anna(), *brightwater.neighbours()]
        engine.append([read_envelope(event, clock_us(), engine.company) for event in events])
        tables = open_tables(url, engine.company)
        Projector(engine.log, tables, engine.company).run_once()
        tables.close()
        mirror(engine, tmp_path / "mirror")
    return url


def _outputs(notebook: Path) -> list[str]:
    """What each cell of code answered."""
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(_said(output) for output in cell["outputs"]) for cell in cells if cell["cell_type"] == "code"]


def _said(output: dict[str, Any]) -> str:
    return "".join(output.get("data", {}).get("text/plain", output.get("text", "")))


def test_it_is_kept_without_outputs() -> None:
    assert set(_outputs(NOTEBOOK)) == {""}


def test_it_runs_over_real_views(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFECIRCLE_LOG", told)
    monkeypatch.setenv("LIFECIRCLE_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path))  # where Jupyter keeps its own

    done = subprocess.run(
        [JUPYTER, NOTEBOOK, f"--output={tmp_path / 'run.ipynb'}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    _, catalogue, columns, funnel, best, waits, months, steps, _ = _outputs(tmp_path / "run.ipynb")
    assert "question" in catalogue
    assert "where the lead came from" in columns
    assert "exhibition" in funnel
    assert "GBP" in best
    assert "median" in waits or "50%" in waits
    assert "GBP" in months
    assert "OpportunityWon" in steps
