"""Settings: how the program is run, what a company decides when it makes its log, and every limit of the engine."""

import ast
import inspect
import json
from itertools import pairwise

from adapters import settings
from adapters.configuration import CONFIG, SETTINGS
from adapters.settings import LIMITS
from docs.generate.markdown import code, page, table
from domain.company import Company

UNITS = {
    "s": "seconds",
    "bytes": "bytes",
    "kib": "KiB",
    "chars": "characters",
    "rows": "rows",
    "subjects": "subjects",
    "touchpoints": "touchpoints",
    "days": "days",
    "hours": "hours",
}
"""What the words in the names of settings say of their unit; without one of them it is a number."""

_MACHINE = f"""
## The program on a machine

What is said nearer wins: a flag over the environment, that over the file that `--config` or `{CONFIG}` names, that over
the default. The file is TOML, a line for each setting; only its owner may read one that holds a secret.
`lifecircle config` shows what stands and where it was said.
"""
_COMPANY = """
## The company

These are recorded with the log, for rules and calendars depend on them.
"""
_LIMITS = """
## Limits

What one call, batch, queue or wait may take. They stand in `adapters/settings.py`.
"""


def pages() -> dict[str, str]:
    """One page of the company's settings and the limits."""
    defaults = Company().model_dump(mode="json")
    company = [
        (code(name), code(json.dumps(defaults[name])), unit(name), field.description or "")
        for name, field in Company.model_fields.items()
    ]
    meanings = limits()
    bounds = [(code(name), f"{value:,}", unit(name), meanings[name]) for name, value in vars(LIMITS).items()]
    head = ("setting", "default", "unit", "meaning")
    told = (_MACHINE, machine(), _COMPANY, table(head, company), _LIMITS, table(head, bounds))
    return {"settings.md": page("Settings", *told)}


def machine() -> str:
    """The table of what is said in a file, the environment or flags; its first column is the name in the file."""
    rows = [
        (
            code(name),
            code(setting.variable),
            code(setting.told.flag) if setting.told.flag else "",
            setting.told.sort.told,
            code(setting.default) if setting.default is not None else "",
            setting.told.meaning,
        )
        for name, setting in SETTINGS.items()
    ]
    return table(("setting", "variable", "flag", "is", "default", "meaning"), rows)


def limits() -> dict[str, str]:
    """What each limit means: the docstring below it, which Python itself does not keep."""
    tree = ast.parse(inspect.getsource(settings.Limits))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        named.target.id: said.value.value
        for named, said in pairwise(body)
        if isinstance(named, ast.AnnAssign) and isinstance(named.target, ast.Name)
        if isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant) and isinstance(said.value.value, str)
    }


def unit(name: str) -> str:
    """The unit that a setting's name tells."""
    words = name.split("_")
    return next((UNITS[word] for word in reversed(words) if word in UNITS), "")
