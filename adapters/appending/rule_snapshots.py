"""What the rules remember of a long stream, written down now and then, so that it need not be folded from its start.

A snapshot is a copy and proves nothing: it may be deleted at any time, and one that was made under other rules or
settings is passed over.
"""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import orjson

from domain.judging import lifecycles
from domain.lifecycle import Life
from domain.shards import Shards
from domain.touchpoint import Fact

_TYPE, _PARTS = "$", "is"


def encode_state(state: Any) -> bytes:
    """Write rule state down as JSON: plain values as they are, all else with the name of its type.

    Raises:
        TypeError: a lifecycle keeps something that is not made of named tuples, mappings, sets and plain values.
    """
    return orjson.dumps(_plain(state))


def decode_state(raw: bytes) -> Any:
    """Read rule state back.

    Raises:
        KeyError: it holds a type that no lifecycle keeps any more.
    """
    return _alive(orjson.loads(raw))


@cache
def _named_tuples() -> dict[str, type[Any]]:
    """The types that lives and their lifecycles keep, by name; no other can be read back."""
    rooms = {function.__module__ for table in lifecycles() for function in table.keeps.values()}
    found = [member for room in rooms for member in vars(sys.modules[room]).values() if hasattr(member, "_fields")]
    return {_name(member): member for member in (Fact, Life, *found) if isinstance(member, type)}


def _name(member: type[Any]) -> str:
    return f"{member.__module__}.{member.__qualname__}"


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case tuple() if _name(type(value)) in _named_tuples():
            return {_TYPE: _name(type(value)), _PARTS: [_plain(part) for part in value]}
        case (_, None) | (_, tuple((_, _))) if type(value) is tuple:
            return _chain(value)
        case tuple() if type(value) is tuple:
            return {_TYPE: "tuple", _PARTS: [_plain(part) for part in value]}
        case list():
            return {_TYPE: "list", _PARTS: [_plain(part) for part in value]}
        case frozenset():
            return {_TYPE: "frozenset", _PARTS: sorted(_plain(part) for part in value)}
        case Shards():
            return {_TYPE: "Shards", _PARTS: [[_plain(key), _plain(held)] for key, held in value.items()]}
        case Mapping():
            return {_TYPE: "dict", _PARTS: [[_plain(key), _plain(held)] for key, held in value.items()]}
    raise TypeError(f"a lifecycle keeps a {type(value).__name__}, which no snapshot can hold")


def _chain(value: Any) -> dict[str, Any]:
    """A linked list, latest first, may be longer than JSON may be deep."""
    links = []
    while type(value) is tuple and len(value) == 2:
        head, value = value
        links.append(_plain(head))
    return {_TYPE: "chain", _PARTS: [links, _plain(value)]}


def _alive(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    parts = value[_PARTS]
    match value[_TYPE]:
        case "chain":
            links, end = parts
            end = _alive(end)
            for link in reversed(links):
                end = (_alive(link), end)
            return end
        case "Shards":
            return Shards[Any, Any]().updated({_alive(key): _alive(held) for key, held in parts})
        case "dict":
            return MappingProxyType({_alive(key): _alive(held) for key, held in parts})
        case name:
            made: Callable[..., Any] = _MAKERS.get(name) or _named_tuples()[name]._make
            return made([_alive(part) for part in parts])


_MAKERS: dict[str, Callable[..., Any]] = {"tuple": tuple, "list": list, "frozenset": frozenset}
