"""The JSON Schema of each kind: what a producer in any language may send."""

from typing import Any

from domain.touchpoint import Envelope, Touchpoint

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


def json_schema(kind: type[Touchpoint]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a kind's whole CloudEvent: the envelope, its type, and the kind's fields as data."""
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
