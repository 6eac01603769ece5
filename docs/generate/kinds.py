"""Kinds of touchpoint: one page that lists them all, and one for each phase with their fields."""

import domain.kinds  # noqa: F401 - registers every kind
from docs.generate.markdown import code, page, table
from domain.schema import fields, json_schema
from domain.touchpoint import KINDS, Phase, Touchpoint

_ACROSS = "across the circle"
_INDEX = """
A touchpoint is one thing that happened with a customer. Each kind has a name in the past tense, and fields of its own.
Kinds and fields are a storage format: once recorded they are never renamed.

`lifecircle kinds` shows the same in a terminal. `lifecircle kinds OrderPlaced --schema` gives the JSON Schema of one
kind, for producers in any language.
"""
_ENVELOPE = """
## The envelope

Every touchpoint comes in the same envelope, a [CloudEvent](https://cloudevents.io) 1.0. The fields of its kind are
its `data`.
"""
_FIELDS = """
`[]` stands for each element of a list. An amount is sent as `"12.34 EUR"`, or as
`{"amount": "12.34", "currency": "EUR"}`.
"""


def pages() -> dict[str, str]:
    """The list of all kinds, and a page for each phase."""
    by_phase = {phase: [kind for kind in KINDS.values() if kind.phase == phase] for phase in (*Phase, None)}
    lists = [_listed(phase, kinds) for phase, kinds in by_phase.items()]
    made = {"kinds.md": page(f"The {len(KINDS)} kinds of touchpoint", _INDEX, *lists, _ENVELOPE, _envelope())}
    for phase, kinds in by_phase.items():
        title = f"Kinds of the phase {phase}" if phase else "Kinds across the circle"
        made[f"kinds/{_file(phase)}"] = page(title, _FIELDS, *map(_described, kinds))
    return made


def _file(phase: Phase | None) -> str:
    return f"{phase or _ACROSS.replace(' ', '-')}.md"


def _listed(phase: Phase | None, kinds: list[type[Touchpoint]]) -> str:
    place = f"{list(Phase).index(phase) + 1}. " if phase else ""
    rows = [
        (f"[{kind.kind}](kinds/{_file(phase)}#{kind.kind.lower()})", (kind.__doc__ or "").partition("\n")[0])
        for kind in kinds
    ]
    return f"## {place}{str(phase or _ACROSS).capitalize()}\n\n" + table(("kind", "what happened"), rows)


def _described(kind: type[Touchpoint]) -> str:
    rows = [(code(each.name), each.type, "yes" if each.required else "", each.meaning) for each in fields(kind)]
    said = "\n".join(line.strip() for line in (kind.__doc__ or "").splitlines())
    return f"## {kind.kind}\n\n{said.strip()}\n\n" + table(("field", "type", "required", "meaning"), rows)


def _envelope() -> str:
    schema = json_schema(next(iter(KINDS.values())))
    rows = [
        (code(name), "yes" if name in schema["required"] else "", attribute.get("description", ""))
        for name, attribute in schema["properties"].items()
        if name != "data"
    ]
    return table(("attribute", "required", "meaning"), rows)
