"""Commands: what `--help` says, on one page."""

import re
from collections.abc import Iterator
from inspect import getdoc

import click

from cli.main import lifecircle, main
from docs.generate.markdown import code, page, table

_OPENING = """
Inside a checkout the program is `.venv/bin/lifecircle`. `lifecircle COMMAND --help` says the same as this page.
"""
_CODE = re.compile(r"(\d+) (.+?)[;.](?=\s|$)", re.DOTALL)


def pages() -> dict[str, str]:
    """One page of all commands with every option."""
    context = _context(lifecircle, "lifecircle", None)
    said = [_described(command, inner) for command, inner in _commands(context)]
    codes = table(("exit code", "means"), _CODE.findall((getdoc(main) or "").partition("\n\n")[2]))
    return {"commands.md": page("Commands", _OPENING, *said, f"## Exit codes\n\n{codes}")}


def _commands(context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    command = context.command
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (found := command.get_command(context, name)) is not None:
                yield from _commands(_context(found, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, **command.context_settings)


def _described(command: click.Command, context: click.Context) -> str:
    usage = command.get_usage(context).removeprefix("Usage: ")
    rows = [_option(option) for option in command.params if isinstance(option, click.Option)]
    options = table(("option", "default", "meaning"), rows) if rows else ""
    said = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    return f"## {context.command_path}\n\n```\n{' '.join(usage.split())}\n```\n\n{said}\n\n{options}".rstrip()


def _option(option: click.Option) -> tuple[str, str, str]:
    takes = "" if option.is_flag else f" {_values(option)}"
    names = ", ".join(code(name) for name in (*option.opts, *option.secondary_opts))
    default = option.show_default if isinstance(option.show_default, str) else option.default
    unsaid = default is None or callable(default) or "Sentinel" in type(default).__name__
    shown = "" if option.is_flag or unsaid else str(default)
    return names + takes, code(shown) if shown else "", option.help or ""


def _values(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return ", ".join(map(str, option.type.choices))
    return option.metavar or option.type.name.upper()
