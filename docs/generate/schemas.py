"""The schema registry beside the kinds. Run as a program it says what a changed kind breaks: part of `make check`."""

import json
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import domain.kinds  # noqa: F401 - registers every kind
from domain.registry import FILE, Registry, breaks, published, renewed
from domain.touchpoint import KINDS, Touchpoint

_WAY_OUT = (
    "raise the kind's schema_version and give it an upcast from the version before (CONTRIBUTING.md, "
    '"Add one, in one file"), or take the change back'
)


def verdict(old: Registry, kinds: Sequence[type[Touchpoint]]) -> str:
    """What keeps these kinds from standing beside what was published; nothing where all is well."""
    found = list(breaks(old, kinds))
    if found:
        told = "\n".join(f"  {each}" for each in found)
        return f"not compatible with what was published and is stored:\n{told}\nway out: {_WAY_OUT}"
    if renewed(old, kinds) != old:
        return "kinds were added or widened, which is compatible\nway out: note it with make docs"
    return ""


def write() -> None:
    """Note the kinds as they are now.

    Raises:
        SystemExit: one is not compatible with what was published.
    """
    kinds = list(KINDS.values())
    if any(breaks(published(), kinds)):
        raise SystemExit(verdict(published(), kinds))
    text = json.dumps(renewed(published(), kinds), indent=1, ensure_ascii=False, sort_keys=True)
    Path(str(files("domain.kinds").joinpath(FILE))).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(verdict(published(), list(KINDS.values())) or 0)
