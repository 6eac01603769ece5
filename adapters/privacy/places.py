"""Where in touchpoints there stands what is to be sealed."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from domain.company import Company
from domain.compiled import Appendable, Encoded
from domain.corrections import CORRECTED
from domain.custom import schema_for
from domain.fields import SealedField, personal_places, sealed_fields
from domain.touchpoint import KINDS, Fact, Touchpoint


def holds_personal(envelope: Appendable, company: Company) -> bool:
    """Whether a touchpoint holds anything that is to be sealed."""
    if isinstance(envelope, Encoded):
        return bool(envelope.personal)
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


def personal_texts(envelope: Appendable) -> Sequence[tuple[bytes, Any]]:
    """What is sealed, each with what stands before it in JSON, where all of it is personal fields of the kind's own."""
    if isinstance(envelope, Encoded):
        return envelope.personal
    kind = type(envelope.data)
    if kind.kind == CORRECTED or len(personal_places(kind)) < len(sealed_fields(kind)):
        return ()
    found = [(before, getattr(envelope.data, name)) for name, before in personal_places(kind)]
    return [each for each in found if each[1] is not None]


def places_of(envelope: Appendable, original: Fact | None = None) -> Sequence[SealedField]:
    """What is sealed in the data of a touchpoint; of a correction, what is sealed in what it corrects."""
    if envelope.type != CORRECTED:
        return sealed_fields(KINDS[envelope.type])
    kind = KINDS.get(original.kind) if original else None
    return _replaced(sealed_fields(kind) if kind else _of_any_kind(len(KINDS)))


@cache
def _of_any_kind(_: int) -> tuple[SealedField, ...]:
    """What any kind seals: of a correction whose original is not known yet, all that might be personal is sealed."""
    return tuple({each.path: each for kind in KINDS.values() for each in sealed_fields(kind)}.values())


@cache
def _replaced(places: tuple[SealedField, ...]) -> tuple[SealedField, ...]:
    return tuple(each._replace(path=("replacement", *each.path)) for each in places)
