"""A company's own fields: the `custom` object of a touchpoint, checked against the company's JSON Schema.

The schema is a recorded setting, one for a kind or one for all. It is compiled once, and looks nothing up: no network,
no file; its patterns run in linear time.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from domain.errors import InvalidTouchpoint

PERSONAL = "x-personal"
"""The keyword by which a company's schema marks a property as personal, so that it is sealed: `"x-personal": true`."""

EVERY_KIND = "*"
"""The key of the schema for all kinds that have none of their own."""

SCHEMA_SIZE_MAX_CHARS = 100_000
"""How long one schema may be, as JSON."""

PATTERN_SIZE_MAX_BYTES = 1_000_000
"""How much memory one compiled pattern may take."""

PROBLEMS_TOLD_MAX = 10
"""Of how many problems an error tells at most."""


class FieldsSchema:
    """A JSON Schema of the `custom` object, ready to check with.

    `given` is the schema as the company wrote it; `personal` names the fields that it marks as personal, each by the
    path of properties to it, through the items of lists.
    """

    __slots__ = ("_validator", "given", "personal")

    def __init__(self, given: Any) -> None:
        # Only a log with a schema waits for the library.
        from jsonschema_rs import RegexOptions, ValidationError, validator_for

        try:
            text = json.dumps(given, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            text = "null"
        if text[0] not in "{tf":
            raise ValueError("must be a JSON Schema: an object, or true or false")
        if len(text) > SCHEMA_SIZE_MAX_CHARS:
            raise ValueError(f"must be at most {SCHEMA_SIZE_MAX_CHARS} characters long")
        self.given: dict[str, Any] | bool = json.loads(text)
        self.personal = tuple(_marked(self.given))
        if len(self.personal) != text.count(f'"{PERSONAL}"'):
            raise ValueError(f"must mark as {PERSONAL} only, with true, what stands under properties from its top")
        try:
            self._validator = validator_for(
                self.given,
                validate_formats=True,
                ignore_unknown_formats=False,
                mask="it",
                # Neither look-around nor back-references: these are what makes a pattern's cost explode.
                pattern_options=RegexOptions(size_limit=PATTERN_SIZE_MAX_BYTES, dfa_size_limit=PATTERN_SIZE_MAX_BYTES),
                offline=True,
            )
        except ValidationError as error:
            raise ValueError(
                f"must be a JSON Schema that refers to nothing outside itself: at {pointer(error.instance_path)!r}, "
                f"{error.message}"
            ) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldsSchema) and self.given == other.given

    def __hash__(self) -> int:
        return hash(json.dumps(self.given, sort_keys=True))

    def __reduce__(self) -> tuple[type["FieldsSchema"], tuple[Any]]:
        """Other processes compile it for themselves."""
        return FieldsSchema, (self.given,)

    def problems(self, custom: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What does not fit, each as the JSON pointer of the field and the rule; never a value."""
        found: list[tuple[str, str]] = []
        for error in self._validator.iter_errors(custom):
            if len(found) == PROBLEMS_TOLD_MAX:
                break
            found.append((pointer(["custom", *error.instance_path]), error.message))
        return found


def _marked(schema: Any) -> Iterator[tuple[str, ...]]:
    """The properties that are marked as personal; of one that is, nothing beneath is asked."""
    while isinstance(schema, dict) and isinstance(schema.get("items"), dict):
        schema = schema["items"]
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        if isinstance(inner, dict) and inner.get(PERSONAL) is True:
            yield (name,)
        else:
            yield from ((name, *path) for path in _marked(inner))


CustomSchema = Annotated[
    FieldsSchema,
    PlainValidator(lambda given: given if isinstance(given, FieldsSchema) else FieldsSchema(given)),
    PlainSerializer(lambda schema: schema.given),
    WithJsonSchema({"type": ["object", "boolean"], "description": "a JSON Schema of the custom object"}),
]
"""As a field of settings: JSON outside, compiled inside."""


def pointer(path: list[str | int]) -> str:
    """A place in JSON as RFC 6901 writes it: `/custom/sizes/0`; the whole is the empty text."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def schema_for(kind: str, schemas: Mapping[str, FieldsSchema]) -> FieldsSchema | None:
    """The schema that a kind's custom fields must fit: its own, or else the one for every kind."""
    return schemas.get(kind) or schemas.get(EVERY_KIND)


def check_custom(kind: str, custom: Mapping[str, Any], schemas: Mapping[str, FieldsSchema]) -> None:
    """Check a touchpoint's custom fields against the company's schema.

    Raises:
        InvalidTouchpoint: with the pointer of each field that does not fit, and its rule.
    """
    schema = schema_for(kind, schemas)
    problems = schema.problems(custom) if schema else []
    if problems:
        raise InvalidTouchpoint(
            "the custom fields do not fit the company's schema",
            where=", ".join(dict.fromkeys(place for place, _ in problems)),
            rule="; ".join(f"{place}: {rule}" for place, rule in problems),
            way_out=f"mend these fields; the schema: lifecircle kinds {kind} --schema --log URL",
        )
