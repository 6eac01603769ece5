"""The JSON Schema of each kind: what a producer in any language may send."""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from domain.company import Company
from domain.custom import schema_for
from domain.money import Amount
from domain.touchpoint import Envelope, Touchpoint, marks

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ATTRIBUTES = {
    "specversion": "the version of CloudEvents",
    "id": "the producer's own id of this touchpoint: sent again, it is stored once",
    "source": "the producing system",
    "type": "the kind",
    "subject": "whom it concerns: the customer, person, campaign, partner, company or log, by id",
    "time": "when it occurred, with its offset",
    "precision": "whether the time is an instant, or only its calendar date counts",
    "sequence": "the order among touchpoints of the same time",
    "channel": "where it happened, such as web, shop or phone",
    "actor": "the person or system responsible, as the producer claims",
    "campaign": "the campaign it belongs to",
    "partner": "the partner who had a part in it",
    "brand": "the brand the customer met",
    "cost": "what this touch cost us",
    "correlationid": "what all touchpoints of one process have in common",
    "causationid": "the id of the touchpoint that led to this one",
    "custom": "the company's own fields",
    "dataschema": "the kind and the version of its fields",
    "datacontenttype": "the form of the data",
}


def json_schema(kind: type[Touchpoint], company: Company | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a kind's whole CloudEvent: the envelope, its type, and the kind's fields as data.

    With a company, `custom` is that company's own schema of this kind, where it has one.
    """
    envelope, data = Envelope.model_json_schema(), kind.model_json_schema()
    definitions = {**envelope.pop("$defs", {}), **data.pop("$defs", {})}
    definitions.pop(Touchpoint.__name__, None)
    attributes: dict[str, Any] = envelope["properties"]
    attributes["type"] = {"const": kind.kind}
    attributes["dataschema"] = {"const": kind.dataschema}
    attributes["datacontenttype"] = {"const": "application/json"}
    for name, meaning in _ATTRIBUTES.items():
        attributes[name]["description"] = meaning
    attributes["data"] = data
    own = schema_for(kind.kind, company.custom) if company else None
    if own:
        # Under an id of its own, so that references within it go on meaning its own definitions.
        whole = own.given
        attributes["custom"] = {"$id": f"{kind.dataschema}:custom", **whole} if isinstance(whole, dict) else whole
    return {
        "$schema": DIALECT,
        "$id": kind.dataschema,
        "title": kind.kind,
        "description": data.pop("description"),
        "type": "object",
        "properties": attributes,
        "required": envelope["required"],
        "additionalProperties": False,
        "$defs": definitions,
    }


class Described(NamedTuple):
    """A field of a kind in words: `type` as a reader says it, `meaning` from the model."""

    name: str
    type: str
    required: bool
    meaning: str


def fields(kind: type[Touchpoint]) -> Iterator[Described]:
    """The fields of a kind, in their order, by their stored names; those of each line as `lines[].sku`."""
    schema = kind.model_json_schema()
    yield from _fields(kind, schema, schema.get("$defs", {}))


def _fields(model: type[BaseModel], schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[Described]:
    for python_name, field in model.model_fields.items():
        name = field.alias or python_name
        yield Described(name, _in_words(schema["properties"][name]), field.is_required(), _meaning(field))
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel) and inner is not Amount:
                for described in _fields(inner, definitions[inner.__name__], definitions):
                    yield described._replace(name=f"{name}[].{described.name}")


def _meaning(field: FieldInfo) -> str:
    own = [field.description, *(mark.description for mark in marks(field) if isinstance(mark, FieldInfo))]
    return next((text for text in own if text), "")


def _in_words(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_in_words(choice) for choice in schema["anyOf"] if choice != {"type": "null"})
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "amount, such as 12.34 EUR" if name == "Amount" else str(name)
    if "enum" in schema or "const" in schema:
        return " | ".join(map(str, schema.get("enum") or [schema["const"]]))
    if schema.get("type") == "array":
        return f"list of {_in_words(schema['items'])}"
    if schema.get("type") == "string":
        return {"date": "date", "date-time": "time with offset"}.get(schema.get("format", ""), "text")
    if isinstance(schema.get("type"), list):
        return "decimal"
    return {"object": "fields", "integer": "integer", "number": "number", "boolean": "yes or no"}[schema["type"]]
