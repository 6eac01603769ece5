"""The rules of the house that no linter keeps: where imports may go, how long a file is, what it may be called."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
FOLDERS = ("domain", "projections", "adapters", "cli", "tests", "docs")
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in (HOUSE / folder).rglob("*")
    if path.suffix in {".py", ".sql", ".toml"} and "__pycache__" not in path.parts
)
PAGES = [*HOUSE.glob("*.md"), *sorted((HOUSE / "docs").rglob("*.md"))]
LINES_MAX = 400
SAYS_NOTHING = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
HOME_FOLDER = re.compile(r"(?<![\w.])/(?:home|root|Users|work|mnt)/\w")

each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(HOUSE)))


def test_imports_run_from_cli_to_domain_and_never_back() -> None:
    """The contracts stand in pyproject.toml; the tool names every import chain that breaks one."""
    linter = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([linter, "--no-cache", "--no-logo"], cwd=HOUSE, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_folder_of_the_house_has_sources() -> None:
    assert {path.relative_to(HOUSE).parts[0] for path in SOURCES} == set(FOLDERS)


@each_source
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= LINES_MAX, f"{lines} lines: split it where its meaning parts"


@each_source
def test_a_name_says_what_the_file_is_about(path: Path) -> None:
    words = {word for part in path.relative_to(HOUSE).with_suffix("").parts for word in part.lower().split("_")}

    assert not words & SAYS_NOTHING


@each_source
def test_no_source_knows_the_machine_it_was_written_on(path: Path) -> None:
    found = HOME_FOLDER.findall(path.read_text(encoding="utf-8"))

    assert not found


def test_the_lock_pins_every_package_by_hash_and_names_no_host() -> None:
    lock = (HOUSE / "requirements.lock").read_text(encoding="utf-8")
    packages = re.split(r"\n(?=[a-z0-9])", lock)

    assert "://" not in lock
    assert all("==" in package and "--hash=sha256:" in package for package in packages)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_page_is_reached_from_the_first_one() -> None:
    reached, waiting = set[Path](), [HOUSE / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in reached:
            links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
            waiting += [(page.parent / link).resolve() for link in links]
        reached.add(page)

    pages = {*PAGES, *(HOUSE / "docs").rglob("*.ipynb")}
    assert [str(page.relative_to(HOUSE)) for page in sorted(pages - reached)] == []
