"""The entry point: each command is found by its file and loaded only when used; errors become exit codes."""

import ast
import json
import os
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn, cast

import click

from adapters.configuration import CONFIG
from cli.options import LOG_HELP
from domain.errors import LifecircleError

HERE = Path(__file__).parent
NOT_COMMANDS = {"__init__", "main", "output", "options"}


class Commands(click.Group):
    """A group whose commands are the files beside this one: `history.py` is `lifecircle history`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all commands, without loading any."""
        stems = (path.stem for path in HERE.glob("*.py") if path.stem not in NOT_COMMANDS)
        return sorted(stem.rstrip("_").replace("_", "-") for stem in stems)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command: `export_subject.py` is `lifecircle export-subject`.

        A trailing underscore keeps a reserved word free: `import_.py` is `lifecircle import`.
        """
        if cmd_name not in self.list_commands(ctx):
            return None
        return cast("click.Command", import_module(f"cli.{_file(cmd_name).stem}").command)

    def invoke(self, ctx: click.Context) -> Any:
        """Run one command; a reader that goes away, as `| head` does, ends it in good order."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _silence_output()
            ctx.exit(0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by the first line of their files, so that help need not load them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(name)) for name in self.list_commands(ctx)])

    @staticmethod
    def _summary(name: str) -> str:
        return (ast.get_docstring(ast.parse(_file(name).read_text())) or "").partition("\n")[0]


def _file(command: str) -> Path:
    """The file of a command."""
    path = HERE / f"{command.replace('-', '_')}.py"
    return path if path.exists() else path.with_stem(f"{path.stem}_")


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    metavar="FILE",
    help="A TOML file of settings (lifecircle config shows them); by default the one that LIFECIRCLE_CONFIG names.",
)
@click.option("--log", "url", metavar="URL", help=LOG_HELP)
@click.version_option(package_name="lifecircle")
@click.pass_context
def lifecircle(ctx: click.Context, config: str | None, url: str | None) -> None:
    """Record every touchpoint with a customer; replay and view what happened, as of any moment.

    Try it: lifecircle demo. Begin your own: lifecircle init --log sqlite:///shop.db
    """
    if config:
        os.environ[CONFIG] = config  # for the processes that this one starts, too
    ctx.obj = {"url": url}


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit code.

    0 done; 1 a failure; 2 wrong usage; 3 refused input; 4 a conflict; 5 a broken rule; 6 not found; 7 the log cannot
    be reached or written; 8 not our log; 9 another projector or sealer leads; 10 an import put rows into quarantine;
    11 a comparison found differences; 12 something is not what was sealed; 130 stopped.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        sys.exit(lifecircle.main(arguments, prog_name="lifecircle", standalone_mode=False) or 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        if _as_json(arguments):
            click.echo(json.dumps({"error": type(error).__name__, "what": error.format_message()}), err=True)
        else:
            error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except LifecircleError as error:
        _tell(error, arguments)
    except OSError as error:
        if error.filename is None:
            _silence_output()
        where = str(error.filename or "the output")
        refused = SystemRefused(
            "the operating system refused",
            where=where,
            rule=error.strerror or "",
            way_out="check that it exists, the rights of this account, and that there is room on the disk",
        )
        _tell(refused, arguments)


class SystemRefused(LifecircleError):
    """The operating system refused something: a folder, a file, or the output."""


def _tell(error: LifecircleError, arguments: list[str]) -> NoReturn:
    click.echo(json.dumps(error.as_dict()) if _as_json(arguments) else f"{error.name}: {error}", err=True)
    sys.exit(error.exit_code)


def _as_json(arguments: list[str]) -> bool:
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def _silence_output() -> None:
    """What is still buffered must not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
