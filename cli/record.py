"""Record one touchpoint, or a CloudEvent or a list of them given as JSON."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from adapters.told import receipt
from cli.options import format_option, log_option, principal
from cli.output import show
from domain.errors import InvalidTouchpoint, Refused

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.engine import Engine
    from adapters.log import Receipt
    from domain.compiled import Appendable
    from domain.touchpoint import Touchpoint


@click.command()
@log_option
@format_option
@click.argument("kind", required=False)
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option(
    "--json", "document", metavar="JSON", help="A whole CloudEvent or a list of them; - reads standard input."
)
@click.option("--subject", help="Whom it concerns.")
@click.option("--id", help="Its idempotency key; a new one by default.")
@click.option("--source", show_default="cli", help="The system that tells of it.")
@click.option("--time", help="When it occurred, with an offset; now by default.")
@click.option("--precision", type=click.Choice(["instant", "date"]), help="Whether only the date of its time counts.")
@click.option("--channel", help="The channel it came by.")
@click.option("--actor", help="The responsible person or system.")
@click.option("--campaign", help="The campaign it belongs to.")
@click.option("--partner", help="The partner it came through.")
@click.option("--brand", help="The brand it concerns.")
@click.option(
    "--expected",
    multiple=True,
    metavar="VERSION",
    help="Store it only at this version of the subject, or of one of its processes: order/123=5. May be repeated.",
)
@click.option("--strict", is_flag=True, help="Refuse it if it would break a rule.")
@click.option("--wait", is_flag=True, help="Show the breaches that it is part of.")
def command(
    url: str,
    style: str,
    kind: str | None,
    fields: tuple[str, ...],
    document: str | None,
    expected: tuple[str, ...],
    *,
    strict: bool,
    wait: bool,
    **envelope: str | None,
) -> None:
    """Record one touchpoint of KIND, its fields as FIELD=VALUE; on a terminal it asks for them when none is given.

    Amounts are given as "12.34 EUR", lists and objects as JSON. For example:

    lifecircle record OrderPlaced --subject c1 order=o1 total="12.34 EUR"

    What KIND may be, and which fields it has: lifecircle kinds. A whole CloudEvent, or a list of them, comes with
    --json instead.
    """
    from adapters.engine import Engine

    if document is not None and (kind or any(envelope.values())):
        raise click.UsageError("give either KIND with its fields and options, or a whole CloudEvent with --json")
    wanted = _expected(expected)
    with Engine.open(url) as engine:
        touchpoints = _read(engine, document, kind, fields, envelope)
        receipts = engine.append(touchpoints, expected=wanted, strict=strict, recordedby=principal())
        _show_receipts(receipts, style)
        if wait:
            breaches = engine.breaches_of(receipts)
            columns = ("touchpoint", "kind", "rule", "entity", "detail")
            rows = [(each.id, each.kind, each.rule, each.entity, each.detail) for each in breaches]
            show(columns, rows, style, title=f"breaches: {len(rows)}")


def _expected(given: tuple[str, ...]) -> int | dict[str, int] | None:
    """One version of the subject, or versions of processes, the process before the equals sign."""
    versions = [each.rpartition("=") for each in given]
    named = any(equals for _, equals, _ in versions)
    if any(not _is_count(version) or bool(name) != named for name, _, version in versions) or (
        len(versions) > 1 and not named
    ):
        raise click.UsageError("--expected is one VERSION, or PROCESS=VERSION once or more, such as order/123=5")
    if named:
        return {name: int(version) for name, _, version in versions}
    return int(versions[0][2]) if versions else None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _read(
    engine: "Engine",
    document: str | None,
    kind: str | None,
    fields: tuple[str, ...],
    envelope: Mapping[str, str | None],
) -> "list[Appendable]":
    """What was typed or sent, validated; what is refused is noted in the log."""
    try:
        given = _from_json(document) if document is not None else [_from_options(kind, fields, envelope)]
    except Refused as refusal:
        engine.refusals.note(refusal, principal(), kind, envelope.get("id"))
        raise
    return _validated(given, engine)


def _validated(given: Sequence[Mapping[str, Any]], engine: "Engine") -> "list[Appendable]":
    """Validate all before anything is stored; of a list the error says which touchpoint it is, counted from 1."""
    from adapters.appending.repeats import read_arrived
    from adapters.clock import clock_us

    clock, found = clock_us(), list["Appendable"]()
    for at, each in enumerate(given, 1):
        try:
            found.append(read_arrived(each, clock, engine.log))
        except InvalidTouchpoint as error:
            engine.refusals.note(error, principal(), each.get("type"), each.get("id"))
            if len(given) > 1:
                error.where = f"touchpoint {at} of {len(given)}: {error.where}"
            raise
    return found


def _show_receipts(receipts: "list[Receipt]", style: str) -> None:
    told = [receipt(each) for each in receipts]
    for each in told if style == "table" else ():
        each["sha256"] = f"{each['sha256'][:16]}…"  # enough for people to compare
    show(tuple(told[0]), [tuple(each.values()) for each in told], style)


def _from_json(document: str) -> list[Mapping[str, Any]]:
    from adapters.codec import parse_json

    found = parse_json(sys.stdin.buffer.read() if document == "-" else document)
    events = found if isinstance(found, list) else [found]
    if not events or not all(isinstance(event, dict) for event in events):
        raise InvalidTouchpoint("this is no CloudEvent", where="--json", rule="it is an object, or a list of objects")
    return events


def _from_options(kind: str | None, fields: tuple[str, ...], envelope: Mapping[str, str | None]) -> dict[str, Any]:
    if kind is None:
        raise click.UsageError("say which KIND (see: lifecircle kinds), or give a CloudEvent with --json")
    from domain.touchpoint import kind_named

    model = kind_named(kind)
    attributes = {name: value for name, value in envelope.items() if value is not None}
    interactive = not fields and sys.stdin.isatty()
    if "subject" not in attributes and interactive:
        attributes["subject"] = click.prompt("subject (whom it concerns)", err=True)
    data = _ask(model) if interactive else _given(model, fields)
    attributes.setdefault("id", str(uuid4()))
    attributes.setdefault("source", "cli")
    attributes.setdefault("time", datetime.now().astimezone().isoformat())
    return {**attributes, "type": kind, "data": data}


def _given(model: "type[Touchpoint]", fields: tuple[str, ...]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for at, field in enumerate(fields, 1):
        name, equals, value = field.partition("=")
        if not equals:
            # By its place, for what was typed may be a customer's.
            raise click.UsageError(f"what stands in place {at} after KIND is not FIELD=VALUE; put quotes round blanks")
        if name in data:
            raise click.UsageError(f"field {name} is given twice")
        data[name] = _value(model, name, value)
    return data


def _value(model: "type[Touchpoint]", name: str, text: str) -> Any:
    """Fields that are no plain text in the kind's schema are read as JSON where that is what was written."""
    from adapters.codec import parse_json
    from domain.schema import json_schema

    schema = json_schema(model)["properties"]["data"]["properties"].get(name, {})
    if _is_text(schema) or (not text.startswith(("{", "[")) and not _looks_like_number(text)):
        return {"true": True, "false": False}.get(text, text) if not _is_text(schema) else text
    return parse_json(text, where=name)


def _is_text(schema: Mapping[str, Any]) -> bool:
    options = schema.get("anyOf", [schema])
    return all(option.get("type") in ("string", "null") for option in options)


def _looks_like_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


def _ask(model: "type[Touchpoint]") -> dict[str, Any]:
    """Ask field by field; an empty answer leaves an optional field out."""
    from domain.schema import fields

    click.echo(" ".join((model.__doc__ or "").split()), err=True)
    data: dict[str, Any] = {}
    for field in fields(model):
        if "[]" in field.name:
            continue  # a part of a list, which is asked for as a whole
        form = field.type.replace("list of", "JSON list of") + ("" if field.required else ", optional")
        wanted = f"{field.name} ({form})" + (f": {field.meaning}" if field.meaning else "")
        default = None if field.required else ""
        if answer := click.prompt(wanted, default=default, show_default=False, prompt_suffix="\n> ", err=True):
            data[field.name] = _value(model, field.name, answer)
    return data
