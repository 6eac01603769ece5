"""Options that several commands share."""

import os
import pwd
import signal
from codecs import lookup
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import wraps
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from adapters.configuration import SETTINGS, configured

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.engine import Engine
    from adapters.views.moments import Moment

AS_OF_HELP = "Leave out what occurred after this moment; a day means its end in the company's zone."
KNOWN_AT_HELP = "Leave out what was recorded after this moment or cursor."


F = TypeVar("F", bound=Callable[..., Any])


LOG_HELP = f"{SETTINGS['log'].told.meaning}; by default what LIFECIRCLE_LOG says."


def setting_option(name: str, parameter: str, kind: "click.ParamType[Any] | None" = None) -> Callable[[F], F]:
    """The flag of a setting: its name, meaning and default are those of its definition, unless it is said elsewhere."""
    setting = SETTINGS[name]
    return click.option(
        setting.told.flag,
        parameter,
        type=kind,
        default=lambda: getattr(configured(), name),
        show_default=str(setting.default) if setting.default is not None else False,
        help=f"{setting.told.meaning.removesuffix('.')}, or what {setting.variable} says.",
    )


def seal_option(command: F) -> F:
    """`--seal FOLDER`, for every command that reads or writes a seal."""
    said = f"{SETTINGS['seal'].told.meaning.removesuffix('.')}, or where LIFECIRCLE_SEAL says."
    return click.option("--seal", "folder", metavar="FOLDER", help=said)(command)


def guess_options(command: F) -> F:
    """What somebody knows of a file whose mapping is guessed: parameters named as the fields of `Answers`."""
    for option in (
        click.option("--encoding", callback=_encoding, help="How its text is stored, where that is in doubt."),
        click.option(
            "--dates",
            type=click.Choice(("day-first", "month-first")),
            help="How dates are read that could be read either way.",
        ),
        click.option("--currency", metavar="CODE", callback=_currency, help="Of amounts where nothing names one."),
        click.option("--time", metavar="COLUMN", help="The column that says when it happened."),
        click.option("--subject", metavar="COLUMN", help="The column that says whom a row concerns."),
        click.option("--kind", help="What the rows are, such as OrderPlaced; see: lifecircle kinds."),
    ):
        command = option(command)
    return command


def _encoding(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    try:
        return value and lookup(value).name
    except LookupError:
        raise click.BadParameter("Python knows no such encoding", ctx, option) from None


def _currency(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    from domain.money import ISO_4217

    if value is not None and value.upper() not in ISO_4217:
        raise click.BadParameter("it is a code of ISO 4217, such as EUR", ctx, option)
    return value and value.upper()


def log_said(ctx: click.Context, given: str | None) -> str | None:
    """The log's address: as given after the command's name, before it, or by the configuration; None if nowhere."""
    return given or (ctx.find_root().obj or {}).get("url") or configured().log


def log_url(ctx: click.Context, given: str | None) -> str:
    """The same for commands that need one."""
    url = log_said(ctx, given)
    if not url:
        raise click.UsageError("say which log: --log sqlite:///file.db, or set LIFECIRCLE_LOG")
    return url


def log_option(command: F) -> F:
    """`--log URL` after the command's name, as well as before it."""
    return click.option("--log", "url", metavar="URL", callback=_log_url, help=LOG_HELP)(command)


def log_or_tenants(ends: Callable[[Mapping[str, Any]], bool], alone: Sequence[str] = ()) -> Callable[[F], F]:
    """`--log URL`, or `--tenants FILE` for the logs of several companies, each with a process of its own.

    Args:
        ends: whether the command ends by itself, with these parameters; else it is kept at work.
        alone: the parameters that are one log's, and go with no file of tenants.
    """

    def decorated(command: F) -> F:
        @click.option("--log", "url", metavar="URL", help=LOG_HELP)
        @click.option(
            "--tenants",
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            help="Do it for the logs of several companies, which this TOML file names, each in a process of its own.",
        )
        @click.pass_context
        @wraps(command)
        def for_one_or_each(ctx: click.Context, /, url: str | None, tenants: Path | None, **options: Any) -> None:
            if tenants is None:
                ctx.invoke(command, url=log_url(ctx, url), **options)
                return
            if url or (ctx.find_root().obj or {}).get("url"):
                raise click.UsageError("--log is one log, and --tenants are those of several companies: give one")
            if given := [name for name in alone if _given(ctx, name)]:
                flags = [each.opts[0] for each in ctx.command.params if each.name in given]
                raise click.UsageError(f"{', '.join(flags)} is for one log: give it with --log")
            _for_each(ctx, tenants, ends=ends(options))

        return cast("F", for_one_or_each)

    return decorated


def _for_each(ctx: click.Context, tenants: Path, *, ends: bool) -> None:
    from adapters.loglines import as_json
    from adapters.tenants_at_work import keep_for_each, once_for_each

    arguments = [str(ctx.info_name)]
    for option in ctx.command.params:
        if option.name != "tenants" and _given(ctx, str(option.name)):
            value = ctx.params[str(option.name)]
            if value is True:
                arguments.append(option.opts[0])
            else:
                for each in value if option.multiple else [value]:
                    arguments += [option.opts[0], str(each)]
    as_json()
    if ends:
        ctx.exit(once_for_each(tenants, arguments))
    stop = Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    keep_for_each(tenants, arguments, stop)


def _given(ctx: click.Context, parameter: str) -> bool:
    return ctx.get_parameter_source(parameter) is click.core.ParameterSource.COMMANDLINE


def _log_url(ctx: click.Context, _: click.Parameter, given: str | None) -> str:
    return log_url(ctx, given)


def format_option(command: F) -> F:
    """`--format`, for every command that reads."""
    choice = click.Choice(["table", "json", "csv"])
    said = "A table for people; JSON or CSV for programs, errors as JSON too under json."
    return click.option("--format", "style", type=choice, default="table", show_default=True, help=said)(command)


def mirror_option(*, required: bool) -> Callable[[F], F]:
    """`--mirror FOLDER`, for every command that can read one."""
    return click.option(
        "--mirror",
        default=lambda: configured().mirror,
        type=click.Path(path_type=Path, file_okay=False),
        required=required,
        help=f"{SETTINGS['mirror'].told.meaning.removesuffix('.')}; by default what LIFECIRCLE_MIRROR says.",
    )


def moment_options(command: F) -> F:
    """`--as-of` and `--known-at`, for every command that can look from a moment."""
    known_at = click.option("--known-at", metavar="MOMENT|CURSOR", help=KNOWN_AT_HELP)
    return click.option("--as-of", type=WHEN, help=AS_OF_HELP)(known_at(command))


def open_options(command: F) -> F:
    """`--open --purpose`, for every command that can show personal data in clear."""
    opens = click.option("--open", "opens", is_flag=True, help="Show personal data in clear; that is noted in the log.")
    return opens(click.option("--purpose", metavar="TEXT", help="What it is needed for, as it is noted.")(command))


def purpose_of(purpose: str | None, *, opens: bool) -> str | None:
    """The purpose for which personal data is to be opened; None where it stays sealed."""
    if opens != bool(purpose):
        raise click.UsageError("--open and --purpose go together: whoever opens personal data says what for")
    return purpose


def principal() -> str:
    """Who types a command: the account of this process, or its number where it has no name, as in a container."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"


class When(click.ParamType["int | date"]):
    """An instant as microseconds since 1970 UTC, given as ISO 8601; a bare day is a day of the company's calendar."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "int | date":
        """Read `2026-03-01`, or `2026-03-01T10:00:00+01:00`."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # click converts what is converted already
        from adapters.views.moments import read_when

        try:
            return read_when(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


WHEN = When()


def moment_of(engine: "Engine", as_of: "int | date | None", known_at: str | None) -> "Moment":
    """The moment that `--as-of` and `--known-at` name; a day means its end in the company's zone."""
    from adapters.views.moments import named_moment

    return named_moment(engine.log, as_of, known_at)


def moment_named(engine: "Engine", text: str) -> "Moment":
    """Read a moment of a comparison: `known-at=MOMENT`, `as-of=MOMENT`, both with a comma between, or a bare one.

    A bare moment or cursor is what was known at it.
    """
    parts = [part.rpartition("=") for part in text.split(",") if part]
    said = {name: value for name, _, value in parts}
    known_at, as_of = said.pop("known-at", None) or said.pop("", None), said.pop("as-of", None)
    if said or not (known_at or as_of):
        raise click.BadParameter(f"{text!r} is no moment such as 2026-03-01, as-of=2026-03-01 or known-at=CURSOR")
    return moment_of(engine, WHEN.convert(as_of, None, None) if as_of else None, known_at)
