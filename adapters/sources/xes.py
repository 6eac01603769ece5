"""Event logs in XES (IEEE 1849-2016): a row for every event, with the attributes of its trace, in flat memory.

A trace's attributes are columns named `case:…`, an event's are named by their keys, an attribute within another one
`outer/inner`; `event:number` is the event's place in its trace, from 1. The members of lists are no columns.
XML is hostile until checked: a document type, and with it every entity, is refused before it is read.
"""

from collections.abc import Iterator
from xml.parsers import expat

from adapters.settings import LIMITS
from adapters.sources.readers import Row, Source, damaged
from domain.errors import UnreadableInput

NUMBER = "event:number"
_CASE = "case:"
_CHUNK_BYTES = 1 << 16
_ATTRIBUTES = frozenset({"string", "date", "int", "float", "boolean", "id", "container"})
"""The elements of attributes that have a single value, or others within them."""


class EventLog(Source):
    """An XES file. Its first reading finds out which attributes there are, and whether the file is whole."""

    def _checked(self) -> tuple[str, ...]:
        case, event, count = dict[str, None](), dict[str, None](), 0
        for trace, attributes, _ in self._events():
            case.update(dict.fromkeys(trace))
            event.update(dict.fromkeys(attributes))
            count += 1
            if len(case) + len(event) > LIMITS.import_columns_max:
                break
        if not count:
            raise damaged(self.path, "it is XES: a log of traces of events")
        self._case, self._event = tuple(case), tuple(event)
        return (*(_CASE + key for key in case), *event, NUMBER)

    def rows(self) -> Iterator[Row]:
        """A row for every event."""
        for number, (trace, attributes, place) in enumerate(self._events(), start=1):
            cells = [trace.get(name, "") for name in self._case]
            cells += [attributes.get(name, "") for name in self._event]
            cells.append(str(place) if place else "")
            yield Row(number, cells, "")

    def _events(self) -> Iterator[tuple[dict[str, str], dict[str, str], int]]:
        """The attributes of every event's trace and its own, and its place in the trace; 0 outside of traces."""
        with self._opened() as unpacked:
            walk = _Walk()
            fed = 0
            try:
                while chunk := unpacked.read(_CHUNK_BYTES):
                    walk.parser.Parse(chunk)
                    fed += len(chunk)
                    # What the parser holds back is the beginning of a tag whose end has not come yet.
                    if fed - walk.parser.CurrentByteIndex > LIMITS.xml_tag_max_bytes + _CHUNK_BYTES:
                        raise _Forbidden(f"a tag has at most {LIMITS.xml_tag_max_bytes} bytes")  # noqa: TRY301
                    yield from walk.events
                    walk.events.clear()
                walk.parser.Parse(b"", True)  # noqa: FBT003 - expat's own
            except expat.ExpatError as error:
                rule = f"it is well-formed XML; at line {error.lineno}: {expat.ErrorString(error.code)}"
                raise damaged(self.path, rule) from None
            except (LookupError, ValueError):
                rule = "its encoding is UTF-8, UTF-16 or one of single bytes"
                raise damaged(self.path, rule) from None
            except _Forbidden as error:
                raise UnreadableInput(
                    "the event log cannot be read; nothing of it was stored",
                    where=f"{self.path}, line {walk.parser.CurrentLineNumber}",
                    rule=str(error),
                    way_out="write it anew as plain XES (IEEE 1849)",
                ) from None
            yield from walk.events


class _Forbidden(Exception):
    """What this reader does not take, as the rule that it breaks."""


class _Walk:
    """Follows the tags of an event log; `events` are those that have ended."""

    def __init__(self) -> None:
        self.events: list[tuple[dict[str, str], dict[str, str], int]] = []
        self._trace: dict[str, str] = {}
        self._place = 0
        self._event: dict[str, str] | None = None
        self._in_trace = False
        self._open: list[str] = []
        """The tags that are open."""
        self._keys: list[str] = []
        """The keys of the attributes that are open."""
        self._skipped = 0
        """How many open tags lie within something that holds no attribute of a trace or an event."""
        self.parser = parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end

    @staticmethod
    def _doctype(*_: object) -> None:
        raise _Forbidden("it has no document type and no entities of its own")

    def _start(self, tag: str, given: dict[str, str]) -> None:
        if len(self._open) >= LIMITS.xml_depth_max:
            raise _Forbidden(f"tags are nested at most {LIMITS.xml_depth_max} deep")
        name = tag.rpartition(":")[2]
        if not self._open and name != "log":
            raise _Forbidden("it is XES: its outermost tag is log")
        self._open.append(name)
        if self._skipped:
            self._skipped += 1
        elif name == "event":
            self._begin_event()
        elif name == "trace":
            self._begin_trace()
        elif name in _ATTRIBUTES and (self._in_trace or self._event is not None):
            self._take(given)
        elif len(self._open) > 1:
            self._skipped = 1

    def _begin_trace(self) -> None:
        if self._in_trace or self._event is not None:
            raise _Forbidden("a trace lies in the log")
        self._trace, self._place, self._in_trace = {}, 0, True

    def _begin_event(self) -> None:
        if self._event is not None or self._keys:
            raise _Forbidden("an event lies in a trace or in the log")
        self._event = {}
        self._place += self._in_trace

    def _take(self, given: dict[str, str]) -> None:
        if "key" not in given:
            raise _Forbidden("every attribute has a key")
        self._keys.append(given["key"])
        if "value" not in given:
            return
        attributes = self._trace if self._event is None else self._event
        key = "/".join(self._keys) if len(self._keys) > 1 else given["key"]
        if key in attributes:
            raise _Forbidden("an attribute occurs once in a trace or an event")
        if self._event is None and self._place:
            raise _Forbidden("the attributes of a trace stand before its events")
        if len(attributes) >= LIMITS.import_columns_max:
            raise _Forbidden(f"a trace or an event has at most {LIMITS.import_columns_max} attributes")
        attributes[key] = given["value"]

    def _end(self, _: str) -> None:
        name = self._open.pop()
        if self._skipped:
            self._skipped -= 1
        elif name == "event":
            if self._event is not None:
                self.events.append((self._trace, self._event, self._place if self._in_trace else 0))
            self._event = None
        elif name == "trace":
            self._trace, self._in_trace = {}, False
        elif self._keys:
            self._keys.pop()
