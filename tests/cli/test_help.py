"""Help: quick, whole, and in words that a newcomer understands."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from cli.main import lifecircle
from tests.cli.program import ROOT, Shell

NAMES = lifecircle.list_commands(click.Context(lifecircle))
HEAVY = ("pydantic", "rich", "psycopg", "eventsourcing", "sqlite3", "structlog", "matplotlib", "scipy", "numpy")


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(lifecircle, info_name="lifecircle")
    yield "lifecircle", lifecircle
    for name in NAMES:
        command = lifecircle.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {part}", each) for part, each in command.commands.items())


COMMANDS = dict(_commands())


def test_every_file_of_a_command_is_a_command() -> None:
    files = {path.stem.rstrip("_").replace("_", "-") for path in (ROOT / "cli").glob("*.py")}
    assert set(NAMES) == files - {"--init", "main", "options", "output"}
    assert {"demo", "init", "kinds", "record", "import", "quarantine", "history", "view", "query"} <= set(NAMES)
    assert {"rebuild", "follow", "run", "status"} <= set(NAMES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert len(command.help) > 20
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name}: {parameter.opts} has no help"
        else:
            # An argument has no help of its own: the command's words speak of it by its name.
            said = (parameter.metavar or parameter.name or "").strip("[].").partition("]")[0]
            assert said.upper().partition("=")[0] in command.help.upper(), f"{name} says nothing of {said}"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_shown(name: str) -> None:
    words = [] if name == "lifecircle" else name.split()
    for option in ("--help", "-h"):
        shown = Shell("")(*words, option)
        assert (shown.code, shown.err) == (0, "")
        assert shown.out.startswith("Usage: lifecircle")


def test_the_first_help_names_every_command_with_its_summary() -> None:
    shown = Shell("")("--help").out
    summaries = shown.partition("Commands:")[2]
    for name in NAMES:
        line = next(line for line in summaries.splitlines() if line.startswith(f"  {name} "))
        assert len(line.split()) > 3


def test_help_waits_for_no_library() -> None:
    asked = f"""
import sys
from cli.main import main
for words in {[[], *([name] for name in NAMES)]}:
    try:
        main([*words, "--help"])
    except SystemExit as end:
        print(words, end.code, sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr.splitlines() == [f"{words} 0 []" for words in [[], *([name] for name in NAMES)]]


@pytest.mark.parametrize("wrong", [["histroy"], ["history"], ["history", "c1", "--nope"], ["history", "c1"], ["init"]])
def test_wrong_usage_is_explained_and_ends_with_2(wrong: list[str]) -> None:
    ended = Shell("")(*wrong)
    assert ended.code == 2
    assert ended.out == ""
    assert "Error: " in ended.err


def test_without_a_command_help_is_shown() -> None:
    ended = Shell("")()
    assert "Commands:" in ended.out + ended.err
    assert ended.code == 2
