"""Object-centric event logs in OCEL 2.0, as JSON: an event for every fact, an object for every subject and entity.

Memory does not grow with the log: events are written as they come, and objects wait in a passing file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import IO, Any

import orjson

from adapters.export.delimited import iso
from adapters.export.told import Histories
from adapters.export.xes import columns_of, written
from domain.flat import Sort
from domain.touchpoint import KINDS, Fact

SUBJECT = "subject"
"""The type of the objects that histories are about."""

_TYPES = {
    Sort.INTEGER: "integer",
    Sort.MICROS: "integer",
    Sort.NUMBER: "float",
    Sort.FLAG: "boolean",
    Sort.MOMENT: "time",
}
_PLAIN = (Sort.INTEGER, Sort.MICROS, Sort.NUMBER, Sort.FLAG)

_OBJECTS = "CREATE TABLE objects (id TEXT, type TEXT, owner TEXT, PRIMARY KEY (id, owner)) WITHOUT ROWID"
_ADD = "INSERT OR IGNORE INTO objects VALUES (?, ?, ?)"
_EVERY = "SELECT id, type, json_group_array(owner) FILTER (WHERE owner <> '') FROM objects GROUP BY id ORDER BY id"


def write_ocel(into: IO[bytes], histories: Histories) -> int:
    """Write every fact as an event; how many it were."""
    count, kinds = 0, dict[str, dict[str, str]]()
    # SQLite's own temporary file: gone with the connection.
    with closing(sqlite3.connect("")) as objects:
        objects.execute(_OBJECTS)
        into.write(b'{"events":[')
        for root, facts in histories:
            for fact in facts:
                into.write((b",\n" if count else b"\n") + orjson.dumps(_event(root, fact, kinds)))
                count += 1
            objects.executemany(_ADD, _objects(root, facts))
        into.write(b'],"objects":[')
        types = set[str]()
        for place, (name, type_, owners) in enumerate(objects.execute(_EVERY)):
            types.add(type_)
            related = [{"objectId": owner, "qualifier": "of"} for owner in orjson.loads(owners)]
            told = {"id": name, "type": type_, "attributes": [], "relationships": related}
            into.write((b",\n" if place else b"\n") + orjson.dumps(told))
    event_types = [
        {"name": kind, "attributes": [{"name": name, "type": type_} for name, type_ in sorted(columns.items())]}
        for kind, columns in sorted(kinds.items())
    ]
    object_types = [{"name": type_, "attributes": []} for type_ in sorted(types)]
    into.write(b'],"eventTypes":' + orjson.dumps(event_types))
    into.write(b',"objectTypes":' + orjson.dumps(object_types) + b"}\n")
    return count


def _event(root: str, fact: Fact, kinds: dict[str, dict[str, str]]) -> dict[str, Any]:
    attributes, known = [], kinds.setdefault(fact.kind, {})
    for column in columns_of(fact):
        if (cell := column.read(fact)) is not None:
            known[column.name] = _TYPES.get(column.sort, "string")
            value = cell if column.sort in _PLAIN else written(column, cell)
            attributes.append({"name": column.name, "value": value})
    related = [{"objectId": _named(SUBJECT, root), "qualifier": SUBJECT}]
    related += [{"objectId": _named(type_, name), "qualifier": field} for field, type_, name in _entities(fact)]
    return {
        "id": f"{fact.stream}/{fact.version}",
        "type": fact.kind,
        "time": iso(fact.at),
        "attributes": attributes,
        "relationships": related,
    }


def _objects(root: str, facts: list[Fact]) -> Iterator[tuple[str, str, str]]:
    owner = _named(SUBJECT, root)
    if facts:
        yield owner, SUBJECT, ""
    for fact in facts:
        for _, type_, name in _entities(fact):
            yield _named(type_, name), type_, owner


def _entities(fact: Fact) -> Iterator[tuple[str, str, str]]:
    """The entities that a fact names: by which field, of which type, and which."""
    kind = KINDS.get(fact.kind)
    for field, type_ in kind.entity_fields().items() if kind else ():
        if isinstance(name := fact.data.get(field), str) and name:
            yield field, type_, name


def _named(type_: str, name: str) -> str:
    return f"{type_}/{name}"
