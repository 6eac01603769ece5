"""A mapping as the TOML text that a person reads and changes."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from adapters.sources.answers import Doubt

Table = dict[str, Any]


def mapping_text(tables: Table, assumed: Sequence[str], unsure: Sequence[Doubt]) -> str:
    """Write a mapping, with what was assumed and what is in doubt before it."""
    return "\n".join(_lines(tables, assumed, unsure)) + "\n"


def _lines(tables: Table, assumed: Sequence[str], unsure: Sequence[Doubt]) -> Iterator[str]:
    yield "# Guessed from a file; docs/how-to/import.md says what each key means."
    yield from (f"# UNSURE: {_comment(each.text)}" for each in unsure)
    yield from (f"# assumed: {_comment(each)}" for each in assumed)
    yield ""
    yield from _pairs({key: tables[key] for key in ("name", "source", "zone")})
    if tables["file"]:
        yield from ("", "[file]")
        yield from _pairs(tables["file"])
    for left in tables["leave_out"]:
        yield from ("", "[[leave_out]]")
        yield from _pairs(left)
    if tables["group"]:
        yield from ("", "[group]")
        yield from _pairs(tables["group"])
    for rule in tables["touchpoint"]:
        yield from ("", "[[touchpoint]]")
        yield from (
            f"{key} = {_table(given) if key == 'time' else _value(given)}"
            for key, given in rule.items()
            if key not in ("fields", "each_row")
        )
        yield from ("", "[touchpoint.fields]")
        yield from _pairs(rule["fields"])
        for name, values in rule.get("each_row", {}).items():
            yield from ("", f"[touchpoint.each_row.{name}]")
            yield from _pairs(values)


def _pairs(table: Table) -> Iterator[str]:
    yield from (f"{_key(key)} = {_value(given)}" for key, given in table.items())


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _text(key)


def _value(given: Any) -> str:
    match given:
        case bool():
            return "true" if given else "false"
        case str():
            return _text(given)
        case list():
            return "[" + ", ".join(map(_value, given)) + "]"
        case {"column": str(column), **rest} if not rest:
            return _text(column)
        case _:
            return _table(given)


def _table(given: Table) -> str:
    return "{ " + ", ".join(_pairs(given)) + " }"


def _text(text: str) -> str:
    # A JSON string is a basic string of TOML, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
