"""The schema registry: every version of every kind that was ever published, and what a change may not do to one.

A change is compatible if whatever fitted the old schema fits the new one, for touchpoints are stored for ever and
producers are not updated on our day. What is not compatible is a new version with an upcast.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from domain.touchpoint import Envelope, Touchpoint

Schema = Mapping[str, Any]
Registry = Mapping[str, Mapping[str, Schema]]
"""By the name of a kind and the number of a version, as JSON writes it, the JSON Schema of the kind's data."""

ENVELOPE = "Envelope"
"""Stands among the kinds for what all of them come in."""

FILE = "schemas.json"
"""Beside the kinds, and written by `make docs`."""

_LOWER_IS_NARROWER = ("maximum", "maxLength", "maxItems", "maxProperties")
_HIGHER_IS_NARROWER = ("minimum", "minLength", "minItems", "minProperties")
_SAME_OR_GONE = ("pattern", "format", "const")


class Break(NamedTuple):
    """What a change does to a kind that it may not, and where: `OrderPlaced.lines[].sku`."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@cache
def published() -> Registry:
    """The versions that were published: as the file beside the kinds has them."""
    found: Registry = json.loads(files("domain.kinds").joinpath(FILE).read_text(encoding="utf-8"))
    return found


@cache  # the service tells anybody who asks
def versions_of(kind: type[Touchpoint]) -> Mapping[int, Schema]:
    """The JSON Schema of a kind's data in each version that is known, the present one among them."""
    older = {int(version): schema for version, schema in published().get(kind.kind, {}).items()}
    return older | {kind.schema_version: kind.model_json_schema()}


def renewed(old: Registry, kinds: Iterable[type[Touchpoint]]) -> Registry:
    """The registry with these kinds as they are now, and all older versions as they were."""
    now = {ENVELOPE: ("1", Envelope.model_json_schema())}
    now |= {kind.kind: (str(kind.schema_version), kind.model_json_schema()) for kind in kinds}
    now[ENVELOPE][1]["properties"]["data"] = {}
    now[ENVELOPE][1].get("$defs", {}).pop(Touchpoint.__name__, None)
    return {
        name: {**old.get(name, {}), **({now[name][0]: now[name][1]} if name in now else {})}
        for name in sorted({*old, *now})
    }


def breaks(old: Registry, kinds: Iterable[type[Touchpoint]]) -> Iterator[Break]:
    """What these kinds break of what was published, each with its place."""
    found = {kind.kind: kind for kind in kinds}
    new = renewed(old, found.values())
    for name, versions in old.items():
        newest = max(map(int, versions), default=0)
        if name != ENVELOPE and name not in found:
            yield Break(name, "is gone or renamed, but touchpoints of it are stored")
        elif name != ENVELOPE and found[name].schema_version < newest:
            yield Break(name, f"has schema version {found[name].schema_version}, but {newest} was published")
        elif name == ENVELOPE or found[name].schema_version == newest:
            was, now = versions[str(newest)], new[name][str(newest)]
            yield from _narrowed(name, was, now, was.get("$defs", {}), now.get("$defs", {}))


def _narrowed(where: str, old: Schema, new: Schema, old_defs: Schema, new_defs: Schema) -> Iterator[Break]:
    """Why something that fits the old schema may not fit the new one."""
    old, new = _resolved(old, old_defs), _resolved(new, new_defs)
    if "anyOf" in old or "anyOf" in new:
        for choice in old.get("anyOf", [old]):
            refused = [list(_narrowed(where, choice, each, old_defs, new_defs)) for each in new.get("anyOf", [new])]
            if all(refused):
                yield min(refused, key=len)[0] if len(refused) == 1 else Break(where, "no longer takes all it took")
        return
    yield from _narrowed_values(where, old, new)
    yield from _narrowed_fields(where, old, new, old_defs, new_defs)
    if new.get("items"):
        yield from _narrowed(f"{where}[]", old.get("items", {}), new["items"], old_defs, new_defs)


def _narrowed_values(where: str, old: Schema, new: Schema) -> Iterator[Break]:
    types, before = _types(new), _types(old)
    if types and not (before and before <= types):
        yield Break(where, f"is {_told(types)}, and was {_told(before) or 'anything'}")
        return
    if "enum" in new:
        lost = [each for each in old.get("enum", [old.get("const")]) if each not in new["enum"]]
        if lost:
            yield Break(where, "no longer takes " + (", ".join(map(repr, lost)) if lost != [None] else "any text"))
    for rule in _SAME_OR_GONE:
        if rule in new and new[rule] != old.get(rule):
            yield Break(where, f"has another {rule}")
    for rule in _LOWER_IS_NARROWER:
        if rule in new and (rule not in old or new[rule] < old[rule]):
            yield Break(where, f"{rule} fell to {new[rule]}")
    for rule in _HIGHER_IS_NARROWER:
        if rule in new and (rule not in old or new[rule] > old[rule]):
            yield Break(where, f"{rule} rose to {new[rule]}")


def _narrowed_fields(where: str, old: Schema, new: Schema, old_defs: Schema, new_defs: Schema) -> Iterator[Break]:
    fields, before = new.get("properties", {}), old.get("properties", {})
    for name in before:
        if name not in fields:
            yield Break(f"{where}.{name}", "is gone or renamed")
        else:
            yield from _narrowed(f"{where}.{name}", before[name], fields[name], old_defs, new_defs)
    for name in new.get("required", ()):
        if name not in old.get("required", ()):
            yield Break(f"{where}.{name}", "is required now")


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def _types(schema: Schema) -> frozenset[str]:
    given = schema.get("type", ())
    return frozenset([given] if isinstance(given, str) else given)


def _told(types: Iterable[str]) -> str:
    return " or ".join(sorted(types))
