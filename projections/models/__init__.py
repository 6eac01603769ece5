"""Models over the rows of views: pure functions that are loaded only when one is asked for; some need scipy."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from domain.decision import Estimate
from projections.report import Model
from projections.view import Row

ESTIMATES = ("alive",)
"""The modules of this package that tell decisions something of a customer."""


class Estimation(NamedTuple):
    """What tells something of each customer: `asks` and `solve` are as of a `Model`; the answer is asked by subject."""

    asks: tuple[str, ...]
    solve: Callable[[Sequence[Sequence[Row]]], Callable[[str], Estimate]]


def model_named(module: str) -> Model:
    """What a module of this package shows on reports; it is loaded now."""
    found: Model = import_module(f"{__name__}.{module}").MODEL
    return found


def estimation_named(module: str) -> Estimation:
    """What a module of this package tells decisions; it is loaded now."""
    found: Estimation = import_module(f"{__name__}.{module}").ESTIMATION
    return found
