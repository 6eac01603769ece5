"""Errors: each with its meaning, its exit code, and where it is raised the rule and the way out."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from docs.generate.markdown import page, table
from domain.errors import LifecircleError

_PACKAGES = ("domain", "projections", "adapters", "cli")
_OPENING = """
Every error says what went wrong, where, which rule forbids it, and the way out. It never repeats what a customer's
fields hold, for it may be read by people who may not read the customer. Programs ask for `--format json` and get
`{"error": name, "what": …, "where": …, "rule": …, "way_out": …}` on standard error.

An error below another is a special case of it. `…` stands for what differs from case to case.
"""


def pages() -> dict[str, str]:
    """One page of all errors."""
    found = sorted(errors(), key=lambda error: (error.exit_code, error.__name__))
    rows = [(f"[{error.__name__}](#{error.__name__.lower()})", error.exit_code, _meaning(error)) for error in found]
    summary = table(("error", "exit code", "means"), rows)
    return {"errors.md": page("Errors", _OPENING, summary, *map(_described, found))}


@cache
def errors() -> frozenset[type[LifecircleError]]:
    """Every class of error, in whichever module it is defined."""
    for package in _PACKAGES:
        for module in walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    return frozenset(_subclasses(LifecircleError))


def _subclasses(error: type[LifecircleError]) -> Iterator[type[LifecircleError]]:
    for below in error.__subclasses__():
        if below.__module__.partition(".")[0] in _PACKAGES:
            yield below
            yield from _subclasses(below)


def _meaning(error: type[LifecircleError]) -> str:
    return (error.__doc__ or "").partition("\n")[0]


def _described(error: type[LifecircleError]) -> str:
    above = error.__mro__[1]
    special = f"A case of [{above.__name__}](#{above.__name__.lower()}). " if above is not LifecircleError else ""
    rows = sorted(set(cases()[error.__name__]))
    said = table(("what", "way out"), rows) if rows else ""
    return f"## {error.__name__}\n\n{special}Exit code {error.exit_code}. {_meaning(error)}\n\n{said}".rstrip()


@cache
def cases() -> dict[str, list[tuple[str, str]]]:
    """By the name of an error, what it says wherever it is made in the code: what went wrong, and the way out."""
    found: dict[str, list[tuple[str, str]]] = {}
    for package in _PACKAGES:
        for path in sorted(Path(import_module(package).__path__[0]).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                    said = {keyword.arg: _text(keyword.value) for keyword in node.keywords}
                    found.setdefault(node.func.id, []).append((_text(node.args[0]), said.get("way_out", "")))
    return {
        error.__name__: [case for case in found.get(error.__name__, []) if set("".join(case)) - {"…"}]
        for error in errors()
    }


def _text(node: ast.expr) -> str:
    """A text in the code as a reader would see it; what is put into it at run time as `…`."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_text, parts))
        case ast.IfExp(body=one, orelse=other):
            return " / ".join(dict.fromkeys(filter(None, (_text(one), _text(other)))))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case _:
            return "…"
