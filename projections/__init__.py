"""The views: each a file of its own, found by its being there, and those that a company adds."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from domain.errors import UnknownView
from projections.view import View

_COMPANYS_OWN: list[type[View[Any]]] = []


def add_views(added: Iterable[type[View[Any]]]) -> None:
    """Take in views of a company's own; their names must be no other's."""
    _COMPANYS_OWN.extend(added)
    views.cache_clear()


@cache
def views() -> dict[str, type[View[Any]]]:
    """Every view by its name, in the order of their names."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found = _COMPANYS_OWN + [
        member
        for module in modules
        for member in vars(module).values()
        if isinstance(member, type) and issubclass(member, View) and member.__module__ == module.__name__
    ]
    return {view.name: view for view in sorted(found, key=lambda view: getattr(view, "name", "")) if view is not View}


def view_named(name: str, among: Mapping[str, type[View[Any]]] | None = None) -> type[View[Any]]:
    """Look a view up by its name, among some or among all.

    Raises:
        UnknownView: there is none of this name.
    """
    known = views() if among is None else among
    try:
        return known[name]
    except KeyError:
        raise UnknownView(
            f"there is no view named {name}",
            rule="a view is one of: " + ", ".join(known),
            way_out="choose one of them",
        ) from None
