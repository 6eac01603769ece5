"""Options that several commands share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.engine import Engine
    from adapters.log import Cursor

F = TypeVar("F", bound=Callable[..., Any])


def _url(ctx: click.Context, _: click.Parameter, given: str | None) -> str:
    url = given or (ctx.find_root().obj or {}).get("url")
    if not url:
        raise click.UsageError("say which log: --log sqlite:///file.db, or set LIFECIRCLE_LOG")
    return str(url)


def log_option(command: F) -> F:
    """`--log URL` after the command's name, as well as before it."""
    return click.option("--log", "url", metavar="URL", callback=_url, help="The log; else LIFECIRCLE_LOG.")(command)


def format_option(command: F) -> F:
    """`--format`, for every command that reads."""
    choice = click.Choice(["table", "json", "csv"])
    return click.option("--format", "style", type=choice, default="table", show_default=True)(command)


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
        return MOMENT.convert(text, None, None)
