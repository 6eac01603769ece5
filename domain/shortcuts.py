"""Rules with a Python half, and the plain forms that pass without asking it.

Nearly every id, time and count that comes is plain, and compiled code knows it for a third of what the rule costs.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_SHORTCUT, _RULE = "(shortcut)", "(rule)"


class Shortcut:
    """Lets values of a plain form through; whatever else comes is left to the rule that this is written after.

    Args:
        plain: a form that only right values have, in compiled code.
        written: what all right values are written as in JSON; None where each is written as its own half says.
    """

    def __init__(self, plain: CoreSchema, written: Literal["str", "datetime", "any"] | None = None) -> None:
        self.plain = plain
        self._serialization = core_schema.simple_ser_schema(written) if written else None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Try the plain form first, then the whole rule."""
        return core_schema.union_schema(
            [(self.plain, _SHORTCUT), (handler(source), _RULE)],
            mode="left_to_right",
            serialization=self._serialization,
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the rule alone."""
        _, (rule, _) = cast("Any", core)["choices"]
        return handler(rule)


def text(pattern: str) -> CoreSchema:
    """Texts of a form."""
    return core_schema.str_schema(pattern=pattern)


def one_of(texts: Iterable[str]) -> CoreSchema:
    """Some texts and no others."""
    return core_schema.literal_schema(sorted(texts))


def whole(low: int, high: int) -> CoreSchema:
    """Integers of a range, both ends in it."""
    return core_schema.int_schema(strict=True, ge=low, le=high)


def moment(pattern: str, read: Callable[[str], Any]) -> CoreSchema:
    """Aware times written as texts of a form, which `read` turns into them."""
    aware = core_schema.no_info_before_validator_function(read, core_schema.datetime_schema(tz_constraint="aware"))
    return core_schema.chain_schema([text(pattern), aware])


FAULTS_MAX = 500
"""How many faults of one touchpoint are named at most."""


def problems(error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    """What pydantic found: the place of each fault and the rule it breaks, and never a value.

    Of what is wrong in hundreds of places only that is said: to name them all takes far longer than to find them.
    """
    if (count := error.error_count()) > FAULTS_MAX:
        return [((), f"it is wrong in {count} places, which is more than are named")]
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        (tuple(step for step in each["loc"] if step != _RULE), each["msg"].removeprefix("Value error, "))
        for each in found
        if _SHORTCUT not in each["loc"]
    ]


def where_and_rule(error: ValidationError) -> tuple[str, str]:
    """The same for an error of ours: all places that are at fault, and the rule that is broken at each."""
    found = [(".".join(map(str, place)), rule) for place, rule in problems(error)]
    rules = [f"{place}: {rule}" if place else rule for place, rule in found]
    return ", ".join(dict.fromkeys(place for place, _ in found)), "; ".join(rules)
