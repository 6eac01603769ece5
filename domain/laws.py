"""What a kind and a lifecycle must be: checked on a company's own when they are loaded, on ours by the tests."""

import re
from collections.abc import Iterator

from domain.lifecycle import Lifecycle
from domain.touchpoint import Touchpoint

_KIND_NAME = re.compile(r"[A-Z][A-Za-z0-9]{2,99}")


def flaws_of_kind(kind: type[Touchpoint]) -> Iterator[str]:
    """What keeps a class from being a kind, each as the rule that it breaks. It takes about half a millisecond."""
    if not _KIND_NAME.fullmatch(kind.kind):
        yield f"{kind.kind} must be named in PascalCase: its name is a storage format"
    if not (vars(kind).get("__doc__") or "").strip():
        yield f"{kind.kind} must say in its docstring what happened"
    if not (kind.model_config.get("frozen") and kind.model_config.get("extra") == "forbid"):
        yield f"{kind.kind} must stay frozen, and refuse fields that it does not name"
    try:
        kind.model_rebuild()
        kind.entity_fields()
    except Exception as error:  # noqa: BLE001 - whatever its annotations hold
        yield f"{kind.kind} must have fields that pydantic understands: {type(error).__name__}: {error}"
    if type(kind.schema_version) is not int or kind.schema_version < 1:
        yield f"{kind.kind} must have an integer from 1 as its schema_version"
        return
    steps = [f"upcast_v{version}_v{version + 1}" for version in range(1, kind.schema_version)]
    if absent := [step for step in steps if not callable(getattr(kind, step, None))]:
        yield f"{kind.kind} must define {', '.join(absent)}, so that what was stored is read"


def flaws_of_lifecycle(table: Lifecycle) -> Iterator[str]:
    """What keeps a lifecycle from judging every step in every state, each as the rule that it breaks."""
    reached = {*table.opens.values(), *(after for row in table.steps.values() for after in row.values())}
    if not table.opens:
        yield f"lifecycle {table.key} must be opened by some kind"
    if missing := sorted(reached - table.steps.keys()):
        yield f"lifecycle {table.key} must say what may happen in state {', '.join(missing)}"
    closed = {state for state, row in table.steps.items() if table.kinds - table.opens.keys() - row.keys()}
    if missing := sorted(closed - table.refuses.keys()):
        yield f"lifecycle {table.key} must name the rule that forbids a step in state {', '.join(missing)}"
