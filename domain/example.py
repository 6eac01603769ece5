"""A small right example of each kind, read off its fields: what contracts, pages and tests show a producer."""

from collections.abc import Mapping
from typing import Any

from domain.schema import json_schema
from domain.touchpoint import Touchpoint

_BY_REFERENCE = {"Amount": "12.34 EUR", "JsonValue": "blue"}
_BY_FORMAT = {"date": "2026-03-02", "date-time": "2026-03-02T09:00:00Z"}
_DIGEST = "^[0-9a-f]{64}$"
_CURRENCY_LENGTH = 3


def example(kind: type[Touchpoint]) -> dict[str, Any]:
    """A CloudEvent of this kind as a producer would send it, with the fields that it requires.

    A kind whose rules ask for more than its fields tell has an example of its own (`examples` in its JSON Schema).
    """
    schema = json_schema(kind)
    data, definitions = schema["properties"]["data"], schema["$defs"]
    fields = {name: data["properties"][name] for name in data.get("required", ())}
    entities = kind.entity_fields()
    made = {name: _value(field, name, entities.get(name), definitions) for name, field in fields.items()}
    return {
        "specversion": "1.0",
        "id": f"{kind.kind}-1",
        "source": "shop",
        "type": kind.kind,
        "subject": "customer-17",
        "time": _BY_FORMAT["date-time"],
        "data": data.get("examples", [made])[0],
    }


def _value(schema: Mapping[str, Any], name: str, entity: str | None, definitions: Mapping[str, Any]) -> Any:
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], name, entity, definitions)
    if "$ref" in schema:
        named = schema["$ref"].rpartition("/")[2]
        return _BY_REFERENCE[named] if named in _BY_REFERENCE else _value(definitions[named], name, None, definitions)
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    type_ = schema.get("type")
    if type_ == "object":
        inner = schema.get("properties")
        if inner is None:
            return {"color": "blue"}
        return {each: _value(inner[each], each, None, definitions) for each in schema.get("required", ())}
    if type_ == "array":
        return [_value(schema["items"], name, None, definitions)]
    if type_ == "string":
        return _text(schema, name, entity)
    return {"boolean": True, "integer": 3, "number": 0.5}.get(str(type_), 2)


def _text(schema: Mapping[str, Any], name: str, entity: str | None) -> str:
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    if schema.get("pattern") == _DIGEST:
        return "9f" * 32
    if schema.get("maxLength") == _CURRENCY_LENGTH:
        return "EUR"
    return f"{entity or name.replace('_', '-')}-1"
