"""The laws of identity, with few examples; `make laws` runs them for longer."""

import os
from pathlib import Path

import pytest

from tests.conftest import SERVER
from tests.identity.laws import LAWS, Bench, Law, hold

each_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)


@each_law
def test_on_sqlite(law: Law) -> None:
    bench = Bench(None)
    hold(law, bench, examples=15, most=16, anew=False)
    assert bench.met > 0


@each_law
def test_on_postgresql(law: Law) -> None:
    hold(law, Bench(Path(os.environ[SERVER])), examples=2, most=16, anew=False)
