"""What a kind, a lifecycle and a decision must be: checked on a company's own when loaded, on ours by the tests."""

import re
from collections.abc import Iterator
from typing import Any

from domain.company import Company
from domain.decision import Decision, Now
from domain.lifecycle import Lifecycle
from domain.touchpoint import Touchpoint

_DECISION_NAME = re.compile(r"[a-z][a-z0-9-]{1,49}")
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


def flaws_of_decision(decision: Decision[Any]) -> Iterator[str]:
    """What keeps a decision from being taken, each as the rule that it breaks."""
    if not (isinstance(decision.name, str) and _DECISION_NAME.fullmatch(decision.name)):
        yield f"decision {decision.name!r} must be named like dunning or first-response, in at most 50 characters"
    if not str(decision.rule).strip():
        yield f"decision {decision.name} must say its rule in words"
    fields = getattr(decision.row, "_fields", ())
    if not fields or fields[0] != "subject":
        yield f"decision {decision.name} must have a NamedTuple as its row, whose first field is subject"
        return
    try:
        bounded = set(decision.bounds(Company(), Now(0, "1970-01-01")))
    except Exception as error:  # noqa: BLE001 - whatever its function raises
        yield f"decision {decision.name} must have bounds under any settings: {type(error).__name__}"
        return
    if strange := sorted({*bounded, *decision.best} - set(decision.columns)):
        yield f"decision {decision.name} must bound and compare columns that it reads, unlike {', '.join(strange)}"
    if strange := sorted(set(decision.estimates) - set(fields)):
        yield f"decision {decision.name} must have a field of its row for each estimate, as for {', '.join(strange)}"
