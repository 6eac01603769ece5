"""Where in touchpoints there stands what is to be sealed."""

from collections.abc import Sequence
from functools import cache

import orjson

from domain.company import Company
from domain.compiled import Appendable, Encoded
from domain.corrections import CORRECTED
from domain.custom import schema_for
from domain.fields import Personal, SealedField, sealed_fields
from domain.touchpoint import KINDS, Envelope, Fact, Touchpoint


def holds_personal(envelope: Appendable, company: Company) -> bool:
    """Whether a touchpoint holds anything that is to be sealed."""
    if isinstance(envelope, Encoded):
        return False
    data = envelope.data
    for name in sealing_attributes(type(data)):
        value = getattr(data, name)
        if value is not None and value != ():
            return True
    if envelope.custom is None or not company.custom:
        return False
    schema = schema_for(envelope.type, company.custom)
    return bool(schema and schema.personal)


@cache
def sealing_attributes(kind: type[Touchpoint]) -> tuple[str, ...]:
    """The Python names of the fields in which a kind holds what is sealed."""
    if kind.kind == CORRECTED:
        return ("replacement",)
    stored = {each.path[0] for each in sealed_fields(kind)}
    return tuple(name for name, field in kind.model_fields.items() if (field.alias or name) in stored)


@cache
def sealed_texts_of(kind: type[Touchpoint]) -> tuple[tuple[str, bytes], ...]:
    """Where all that a kind seals is texts of its own: the Python name of each, and what stands before it in JSON."""
    places = sealed_fields(kind)
    if kind.kind == CORRECTED or any(len(path) > 1 or type(mark) is not Personal for path, mark in places):
        return ()
    named = {field.alias or name: name for name, field in kind.model_fields.items()}
    return tuple((named[path[0]], orjson.dumps(path[0]) + b":") for path, _ in places)


def places_of(envelope: Envelope, original: Fact | None = None) -> Sequence[SealedField]:
    """What is sealed in the data of a touchpoint; of a correction, what is sealed in what it corrects."""
    if envelope.type != CORRECTED:
        return sealed_fields(type(envelope.data))
    kind = KINDS.get(original.kind) if original else None
    return _replaced(sealed_fields(kind) if kind else _of_any_kind(len(KINDS)))


@cache
def _of_any_kind(_: int) -> tuple[SealedField, ...]:
    """What any kind seals: of a correction whose original is not known yet, all that might be personal is sealed."""
    return tuple({each.path: each for kind in KINDS.values() for each in sealed_fields(kind)}.values())


@cache
def _replaced(places: tuple[SealedField, ...]) -> tuple[SealedField, ...]:
    return tuple(each._replace(path=("replacement", *each.path)) for each in places)
