"""Options that several commands share."""

import os
import pwd
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.engine import Engine
    from adapters.log import Cursor

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d")

F = TypeVar("F", bound=Callable[..., Any])


LOG_HELP = "The log: sqlite:///file.db or postgresql://…; by default what LIFECIRCLE_LOG says."


def log_url(ctx: click.Context, given: str | None) -> str:
    """The log's address: as given after the command's name, before it, or by the environment."""
    url = given or (ctx.find_root().obj or {}).get("url")
    if not url:
        raise click.UsageError("say which log: --log sqlite:///file.db, or set LIFECIRCLE_LOG")
    return str(url)


def log_option(command: F) -> F:
    """`--log URL` after the command's name, as well as before it."""
    return click.option("--log", "url", metavar="URL", callback=_log_url, help=LOG_HELP)(command)


def _log_url(ctx: click.Context, _: click.Parameter, given: str | None) -> str:
    return log_url(ctx, given)


def format_option(command: F) -> F:
    """`--format`, for every command that reads."""
    choice = click.Choice(["table", "json", "csv"])
    said = "A table for people; JSON or CSV for programs, errors as JSON too under json."
    return click.option("--format", "style", type=choice, default="table", show_default=True, help=said)(command)


def principal() -> str:
    """Who types a command: the account of this process, or its number where it has no name, as in a container."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"


class Moment(click.ParamType[int]):
    """A moment as microseconds since 1970 UTC, given as ISO 8601; a bare day means its end, UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read `2026-03-01`, or `2026-03-01T10:00:00+01:00`."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 time such as 2026-03-01T10:00:00+01:00", param, ctx)
        if len(value) == len("2026-03-01"):
            moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999, tzinfo=UTC)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no offset; write {value}Z or {value}+01:00", param, ctx)
        from domain.touchpoint import microseconds

        return microseconds(moment)


MOMENT = Moment()


def cut(engine: "Engine", text: str) -> "Cursor | int":
    """Read a known cut: a cursor that this log gave, or else a moment."""
    from domain.errors import CursorInvalid

    try:
        return engine.cursor(text)
    except CursorInvalid:
        if not _MOMENT.match(text):
            raise
        return MOMENT.convert(text, None, None)
