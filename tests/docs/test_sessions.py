"""What the pages type works, and answers what they show."""

import os
import re
from pathlib import Path

import pytest

from tests.cli.forked import program
from tests.conftest import SERVER
from tests.docs.sessions import BLOCK, PAGES, ROOT, alike, play, renewed, shell, steps, wants_postgres

TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
EMBEDDED = [name for name, page in TEXTS.items() if name != "README.md" and steps(page) and not wants_postgres(page)]
SERVED = [name for name, page in TEXTS.items() if wants_postgres(page)]


def _holds(page: str, folder: Path, environment: dict[str, str]) -> None:
    came = play(page, folder, environment)
    assert len(came) == len(steps(page)), came[-1:]
    for step, answer in zip(steps(page), came, strict=True):
        if step.shown:
            assert alike(step.shown, answer.said), (
                f"$ {step.typed}\n{answer.said}\n--- but the page shows\n{step.shown}"
            )
        else:
            assert answer.code == 0, f"$ {step.typed}\n{answer.said}"


def _forked(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """The same, where every command is a process of its own that need not import the program."""
    folder.mkdir()
    program(folder)
    return environment | {"PATH": f"{folder}{os.pathsep}{environment['PATH']}"}


def test_the_first_minute(tmp_path: Path) -> None:
    """By the program as it is installed, from its very start."""
    _holds(TEXTS["README.md"], tmp_path, shell(tmp_path))


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_page_on_sqlite(name: str, tmp_path: Path) -> None:
    _holds(TEXTS[name], tmp_path, _forked(shell(tmp_path), tmp_path / ".bin"))


@pytest.mark.parametrize("name", SERVED)
def test_a_page_on_postgresql(name: str, tmp_path: Path) -> None:
    """What a page makes on the server has plain names, which no other test uses, and a page comes once."""
    _holds(TEXTS[name], tmp_path, _forked(shell(tmp_path, Path(os.environ[SERVER])), tmp_path / ".bin"))


def test_the_first_minute_and_the_tutorial_are_played() -> None:
    assert steps(TEXTS["README.md"])
    assert "docs/tutorial.md" in EMBEDDED
    assert SERVED


def test_what_a_shell_is_told_elsewhere_is_a_target_of_make() -> None:
    """A block that is not played must not look as if it were: only what works in a checkout is left."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    typed = [
        line
        for page in TEXTS.values()
        for block in BLOCK.finditer(page)
        if block[1] in ("sh", "bash", "shell")
        for line in block[3].splitlines()
    ]
    assert typed
    assert [line for line in typed if line.split()[0] != "make" or line.split()[1] not in targets] == []


SHOWN = "new log 910d271c881812af3c4f1b34 at 2026-11-23T13:54:16.993541Z\n\nfine"


@pytest.mark.parametrize(
    ("said", "same"),
    [
        (SHOWN.replace("fine", " fine "), True),
        (SHOWN.replace("fine", "broken"), False),
        (SHOWN + "\nmore", False),
        (SHOWN.replace("910d271c", "abcd271c"), True),
        (SHOWN.replace("2026-11-23T13:54:16.993541Z", "2026-11-23T13:54:17Z"), False),
    ],
)
def test_only_what_differs_each_time_may_differ(said: str, same: bool) -> None:  # noqa: FBT001 - a table's column
    assert alike(SHOWN, said) == same


@pytest.mark.parametrize(("said", "same"), [("a\nb\nc", True), ("a\nc", True), ("a\nb", False), ("b\nc", False)])
def test_an_ellipsis_stands_for_any_lines(said: str, same: bool) -> None:  # noqa: FBT001 - a table's column
    assert alike("a\n…\nc", said) == same


def test_what_came_takes_the_place_of_what_was_shown(tmp_path: Path) -> None:
    page = "```console\n$ echo one\ntwo\n\n$ true\n$ echo three\nthree\n```\n"
    assert renewed(page, play(page, tmp_path, shell(tmp_path))) == page.replace("two", "one")
