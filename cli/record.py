"""Record one touchpoint, or a CloudEvent or a list of them given as JSON."""

import getpass
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import click
from domain.schema import json_schema

from adapters.codec import parse_json, read_envelope
from adapters.engine import Engine, clock_us
from adapters.log import Receipt
from cli.options import format_option, log_option
from cli.output import iso, show
from domain.errors import InvalidTouchpoint
from domain.touchpoint import Touchpoint, kind_named

_ENVELOPE_OPTIONS = ("subject", "id", "source", "time", "precision", "channel", "actor", "campaign", "partner", "brand")


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
@click.option("--source", default="cli", show_default=True, help="The system that tells of it.")
@click.option("--time", help="When it occurred, with an offset; now by default.")
@click.option("--precision", type=click.Choice(["instant", "date"]), help="Whether only the date of its time counts.")
@click.option("--channel", help="The channel it came by.")
@click.option("--actor", help="The responsible person or system.")
@click.option("--campaign", help="The campaign it belongs to.")
@click.option("--partner", help="The partner it came through.")
@click.option("--brand", help="The brand it concerns.")
@click.option("--expected", type=int, help="Store it only at this version of the subject.")
@click.option("--strict", is_flag=True, help="Refuse it if it would break a rule.")
@click.option("--wait", is_flag=True, help="Show the breaches that it is part of.")
def command(
    url: str,
    style: str,
    kind: str | None,
    fields: tuple[str, ...],
    document: str | None,
    expected: int | None,
    *,
    strict: bool,
    wait: bool,
    **envelope: str | None,
) -> None:
    """Record one touchpoint of KIND, its fields as FIELD=VALUE; asks for them one by one when none is given.

    Amounts are given as "12.34 EUR", lists and objects as JSON: lifecircle record OrderPlaced --subject c1 order=o1
    total="12.34 EUR". A whole CloudEvent, or a list of them, comes with --json.
    """
    with Engine.open(url) as engine:
        given = _from_json(document) if document else [_from_options(kind, fields, envelope)]
        clock = clock_us()
        touchpoints = [read_envelope(each, clock, engine.company) for each in given]
        principal = f"cli:{getpass.getuser()}"
        receipts = engine.append(touchpoints, expected=expected, strict=strict, recordedby=principal)
        _show_receipts(receipts, style)
        if wait:
            breaches = engine.breaches_of(receipts)
            columns = ("touchpoint", "kind", "rule", "entity", "detail")
            rows = [(each.id, each.kind, each.rule, each.entity, each.detail) for each in breaches]
            show(columns, rows, style, title=f"breaches: {len(rows)}")


def _show_receipts(receipts: list[Receipt], style: str) -> None:
    columns = ("subject", "version", "position", "recorded", "sha256", "repeat")
    rows = [
        (each.stream, each.version, f"{each.bucket}/{each.number}", iso(each.recorded), each.digest.hex(), each.repeat)
        for each in receipts
    ]
    show(columns, rows, style)


def _from_json(document: str) -> list[Mapping[str, Any]]:
    found = parse_json(sys.stdin.buffer.read() if document == "-" else document)
    events = found if isinstance(found, list) else [found]
    if not events or not all(isinstance(event, dict) for event in events):
        raise InvalidTouchpoint("this is no CloudEvent", where="--json", rule="it is an object, or a list of objects")
    return events


def _from_options(kind: str | None, fields: tuple[str, ...], envelope: Mapping[str, str | None]) -> dict[str, Any]:
    if kind is None:
        raise click.UsageError("say which KIND (see: lifecircle kinds), or give a CloudEvent with --json")
    model = kind_named(kind)
    attributes = {name: value for name, value in envelope.items() if value is not None}
    interactive = not fields and sys.stdin.isatty()
    if "subject" not in attributes and interactive:
        attributes["subject"] = click.prompt("subject (whom it concerns)")
    data = _ask(model) if interactive else dict(_field(model, each) for each in fields)
    attributes.setdefault("id", str(uuid4()))
    attributes.setdefault("time", datetime.now().astimezone().isoformat())
    return {**attributes, "type": kind, "data": data}


def _field(model: type[Touchpoint], given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not equals:
        raise click.UsageError(f"{given!r} is not FIELD=VALUE")
    return name, _value(model, name, value)


def _value(model: type[Touchpoint], name: str, text: str) -> Any:
    """Fields that are no plain text in the kind's schema are read as JSON where that is what was written."""
    schema = json_schema(model)["properties"]["data"]["properties"].get(name, {})
    if _is_text(schema) or (not text.startswith(("{", "[")) and not _looks_like_number(text)):
        return {"true": True, "false": False}.get(text, text) if not _is_text(schema) else text
    return parse_json(text, where=name)


def _is_text(schema: Mapping[str, Any]) -> bool:
    options = schema.get("anyOf", [schema])
    return all(option.get("type") in ("string", "null") for option in options)


def _looks_like_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


def _ask(model: type[Touchpoint]) -> dict[str, Any]:
    """Ask field by field; an empty answer leaves an optional field out."""
    click.echo((model.__doc__ or "").strip())
    data: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        wanted = f"{key}{'' if field.is_required() else ' (optional)'}"
        answer = click.prompt(wanted, default=None if field.is_required() else "", show_default=False)
        if answer:
            data[key] = _value(model, key, answer)
    return data
