"""The sample package, built and installed once."""

from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.extension.packages import SAMPLE, installed


@pytest.fixture(scope="session")
def gym(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the sample is installed in."""
    source = tmp_path_factory.mktemp("source") / SAMPLE.name
    copytree(SAMPLE, source, ignore=ignore_patterns("__pycache__"))  # a build leaves files behind
    return installed(source, tmp_path_factory.mktemp("site"))
