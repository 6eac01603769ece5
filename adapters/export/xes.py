"""Event logs in XES (IEEE 1849-2016): a trace for every customer, an event for every fact of its effective history.

Characters that XML cannot hold are written as U+FFFD.
"""

import re
from collections.abc import Iterator
from typing import IO, Any
from xml.sax.saxutils import quoteattr

import orjson

from adapters.export.delimited import iso
from adapters.export.told import Histories
from domain.flat import ATTRIBUTES, Flat, Sort, flat_fields
from domain.touchpoint import KINDS, Fact

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849-2016" xes.features="" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<global scope="trace"><string key="concept:name" value="unknown"/></global>
<global scope="event"><string key="concept:name" value="unknown"/><string key="lifecycle:transition" value="complete"/>
<date key="time:timestamp" value="1970-01-01T00:00:00.000000+00:00"/></global>
<classifier name="Activity" keys="concept:name"/>
"""
_TAGS = {
    Sort.INTEGER: "int",
    Sort.MICROS: "int",
    Sort.NUMBER: "float",
    Sort.FLAG: "boolean",
    Sort.MOMENT: "date",
}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_xes(into: IO[bytes], histories: Histories, company_name: str) -> int:
    """Write every history as a trace; how many events it were."""
    count = 0
    into.write(_HEAD.encode())
    into.write(_attribute("string", "concept:name", company_name).encode())
    for root, facts in histories:
        if facts:
            into.write("".join(_trace(root, facts)).encode())
            count += len(facts)
    into.write(b"</log>\n")
    return count


def _trace(root: str, facts: list[Fact]) -> Iterator[str]:
    yield f"<trace>\n{_attribute('string', 'concept:name', root)}"
    for fact in facts:
        yield "<event>\n"
        yield _attribute("string", "concept:name", fact.kind)
        yield _attribute("date", "time:timestamp", iso(fact.at))
        yield _attribute("string", "lifecycle:transition", "complete")
        if resource := fact.envelope.get("actor"):
            yield _attribute("string", "org:resource", resource)
        yield _attribute("string", "id", fact.id)
        for column in columns_of(fact):
            if (cell := column.read(fact)) is not None:
                yield _attribute(_TAGS.get(column.sort, "string"), column.name, written(column, cell))
        yield "</event>\n"
    yield "</trace>\n"


def columns_of(fact: Fact) -> tuple[Flat, ...]:
    """What is told of a fact besides who, what and when: the envelope's attributes and the kind's fields."""
    kind = KINDS.get(fact.kind)
    return (*ATTRIBUTES, *flat_fields(kind)) if kind else ATTRIBUTES


def written(column: Flat, cell: Any) -> str:
    """A cell as a text: instants as ISO 8601, lists and objects as JSON."""
    match column.sort:
        case Sort.MOMENT:
            return iso(cell)
        case Sort.JSON:
            return orjson.dumps(cell).decode()
        case Sort.FLAG:
            return "true" if cell else "false"
        case _:
            return str(cell)


def _attribute(tag: str, key: str, value: str) -> str:
    return f"<{tag} key={quoteattr(key)} value={quoteattr(_NO_XML.sub(chr(0xFFFD), value))}/>\n"
