"""The reports: each a file of its own, found by its being there, and those that a company adds."""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from domain.errors import LifecircleError
from projections.report import Report


class UnknownReport(LifecircleError):
    """There is no report of this name."""

    exit_code = 6


_COMPANYS_OWN: list[Report] = []


def add_reports(added: Iterable[Report]) -> None:
    """Take in reports of a company's own; their names must be no other's."""
    _COMPANYS_OWN.extend(added)
    reports.cache_clear()


@cache
def reports() -> dict[str, Report]:
    """Every report by its name, in the order in which they are read."""
    found: list[Report] = [import_module(f"{__name__}.{module.name}").REPORT for module in iter_modules(__path__)]
    return {report.name: report for report in sorted(found + _COMPANYS_OWN, key=lambda each: (each.place, each.name))}


def report_named(name: str) -> Report:
    """Look a report up by its name.

    Raises:
        UnknownReport: there is none of this name.
    """
    try:
        return reports()[name]
    except KeyError:
        raise UnknownReport(
            f"there is no report named {name}",
            rule="a report is one of: all, " + ", ".join(reports()),
            way_out="choose one of them",
        ) from None
