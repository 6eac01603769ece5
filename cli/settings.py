"""The company's settings, which rules, calendars and views read: show them, or record others."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.told import iso
from cli.options import format_option, log_option, principal
from cli.output import show

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.log import Settings
    from domain.company import Company


_VALUES = ("value", "default")


@click.command()
@log_option
@format_option
@click.option("--history", is_flag=True, help="Show which settings were changed when, and by whom.")
@click.argument("changes", nargs=-1, metavar="[KEY=VALUE]...")
def command(url: str, style: str, changes: tuple[str, ...], *, history: bool) -> None:
    """Show the company's settings, or record other ones as KEY=VALUE.

    VALUE is JSON, or @FILE that holds JSON; plain text needs no quotes. For example:

    lifecircle settings payment_tolerance=0.01 frequency_caps='[{"messages": 2, "days": 7}]'

    Nothing is overwritten: a change is a new version. It makes views stale, which run and rebuild make anew. Strict
    appends read it at once; other programs that have the log open read it when they open it again.
    """
    from adapters.engine import Engine

    if changes and history:
        raise click.UsageError("give either changes or --history")
    with Engine.open(url) as engine:
        if changes:
            recorded = engine.change_settings(_read(changes), recordedby=principal())
            click.echo("recorded" if recorded else "nothing changes: the settings are these already", err=True)
        columns: tuple[str, ...]
        if history:
            columns, rows = ("number", "recorded", "by", "setting", "value"), _history(engine.log.settings())
        else:
            columns, rows = ("setting", "value", "default", "meaning"), _settings(engine.company)
    if style != "json":
        rows = [tuple(_json(cell) if columns[at] in _VALUES else cell for at, cell in enumerate(row)) for row in rows]
    show(columns, rows, style)


def _read(changes: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise click.UsageError(f"{change} is not KEY=VALUE; put quotes round blanks")
        if key in found:
            raise click.UsageError(f"{key} is given twice")
        found[key] = _from_file(key, value[1:]) if value.startswith("@") else _value(key, value)
    return found


def _from_file(key: str, name: str) -> Any:
    from adapters.codec import parse_json

    try:
        return parse_json(Path(name).read_bytes(), where=key)
    except OSError as error:
        raise click.UsageError(f"{name} cannot be read: {error.strerror}") from error


def _value(key: str, text: str) -> Any:
    """JSON where it looks like JSON; whether the setting can be so is for the company to say."""
    from adapters.codec import parse_json

    if text in ("true", "false", "null") or text.startswith(("{", "[", '"')) or text.lstrip("-")[:1].isdecimal():
        return parse_json(text, where=key)
    return text


def _settings(company: "Company") -> list[tuple[Any, ...]]:
    defaults = type(company)().model_dump(mode="json")
    values = company.model_dump(mode="json")
    fields = type(company).model_fields
    return [(name, value, defaults[name], fields[name].description) for name, value in values.items()]


def _history(versions: "list[Settings]") -> list[tuple[Any, ...]]:
    """One row for each setting that a version changed; of the first, what is not as by default."""
    rows: list[tuple[Any, ...]] = []
    before = type(versions[0].company)().model_dump(mode="json")
    for number, recorded, recordedby, company in versions:
        values = company.model_dump(mode="json")
        when = iso(recorded) if recorded is not None else None
        rows += [(number, when, recordedby, name, value) for name, value in values.items() if value != before[name]]
        before = values
    return rows


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value).decode()
