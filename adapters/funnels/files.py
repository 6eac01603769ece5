"""A funnel in a small TOML file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.errors import UnreadableInput
from domain.funnel import Funnel, FunnelInvalid, read_funnel

_KEYS = {"steps": list, "within": str, "order": str, "by": str}


def load_funnel(path: Path, given: Mapping[str, str]) -> Funnel:
    """Read a funnel from a TOML file: steps, and perhaps within, order and by; what is given comes before these.

    Raises:
        UnreadableInput: there is no such file, or it is no TOML.
        FunnelInvalid, UnknownKind: it states no funnel.
    """
    try:
        told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        rule = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableInput(
            "the funnel cannot be read",
            where=str(path),
            rule=rule or "it is TOML",
            way_out="write it as TOML, in UTF-8",
        ) from None
    wrong = [key for key, value in told.items() if not isinstance(value, _KEYS.get(key, ()))]
    texts = isinstance(told.get("steps"), list) and all(isinstance(step, str) for step in told["steps"])
    if wrong or not texts:
        raise FunnelInvalid(
            "the file states no funnel",
            where=", ".join(wrong) or "steps",
            rule="it has steps, a list of texts, and perhaps the texts within, order and by",
            way_out='write for example steps = ["OpportunityOpened", "OpportunityWon"] and within = "30 days"',
        )
    return read_funnel(**{**told, **given})
