"""The pages on a company's own package: what they show is the sample, and what they type works and answers so."""

import os
import re
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.cli.forked import program
from tests.docs.sessions import PACKAGED, alike, play, shell, steps
from tests.extension.packages import PIP, SAMPLE, on_path

TEXTS = {path.name: path.read_text(encoding="utf-8") for path in PACKAGED}
each_page = pytest.mark.parametrize("page", TEXTS)

_FILE = re.compile(r"`evergreen-gym/([\w./]+)`:\n\n```\w+\n(.*?)```\n", re.DOTALL)


def test_the_pages_show_the_sample_and_all_of_it() -> None:
    shown = [found for page in TEXTS.values() for found in _FILE.findall(page)]
    for name, text in shown:
        assert text in (SAMPLE / name).read_text(encoding="utf-8"), name
    files = {path.relative_to(SAMPLE).as_posix() for path in SAMPLE.rglob("*") if path.suffix in {".py", ".toml"}}
    assert {name for name, _ in shown} == files - {"evergreen_gym/__init__.py"}


@each_page
def test_what_a_page_types_works_and_answers_what_it_shows(page: str, tmp_path: Path) -> None:
    copytree(SAMPLE, tmp_path / SAMPLE.name, ignore=ignore_patterns("__pycache__"))
    # Installs as everybody's pip does, but into a folder of this test, and without a network.
    pip = tmp_path / "bin" / "pip"
    pip.parent.mkdir()
    pip.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} {" ".join(PIP)} --target "{tmp_path}/site" "$@"\n')
    pip.chmod(0o755)
    program(pip.parent)
    environment = shell(tmp_path) | {"PYTHONPATH": on_path(tmp_path / "site")["PYTHONPATH"]}
    environment["PATH"] = f"{pip.parent}{os.pathsep}{environment['PATH']}"
    came = play(TEXTS[page], tmp_path, environment)
    assert len(came) == len(steps(TEXTS[page])) > 5, came[-1:]
    for step, answer in zip(steps(TEXTS[page]), came, strict=True):
        works = alike(step.shown, answer.said) if step.shown else answer.code == 0
        assert works, f"$ {step.typed}\n{answer.said}"
