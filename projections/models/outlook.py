"""The outlook: models of purchases, fitted to all customers as of a moment, and what they tell of each.

When customers buy is fitted by BG/NBD and by Pareto/NBD, how much by Gamma-Gamma; each currency apart. Where a model
cannot be fitted there is no number, and the reason instead.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Final, NamedTuple, TypeVar

import numpy as np

from projections.models.bgnbd import BgNbd
from projections.models.buyers import DAY, DAYS_OF_UNIT, DAYS_OF_YEAR, PURCHASES, Buyers, buyers
from projections.models.gammagamma import GammaGamma
from projections.models.lifetime import CLASS_MAX, Buying, Prospect, prospects
from projections.models.likelihood import NoFit
from projections.models.paretonbd import ParetoNbd
from projections.report import Model, Shown, Table
from projections.view import Row

M = TypeVar("M", BgNbd, ParetoNbd, GammaGamma)

UNIT = "weeks"
HORIZON = DAYS_OF_YEAR / DAYS_OF_UNIT[UNIT]
"""How far is looked ahead, in weeks."""
DISCOUNT_YEARLY = 0.1
"""By which share a value of today exceeds one of next year."""
BEST_MAX = 20
"""How many customers are told one by one."""
BANDS = 5
"""Into how many bands of equal width chances are put."""


class Outlook(NamedTuple):
    """The models of one currency's purchases, where they could be fitted; `refused` tells by name why others are not.

    `prospects` are the customers by BG/NBD, those of greatest lifetime value first.
    """

    currency: str
    known: Buyers
    bgnbd: BgNbd | None
    paretonbd: ParetoNbd | None
    worth: GammaGamma | None
    prospects: Sequence[Prospect]
    refused: Mapping[str, str]


def outlooks(purchases: Sequence[Row], today: int) -> list[Outlook]:
    """Fit all models to the purchases of each currency up to a day; `purchases` are the rows of `PURCHASES`."""
    of_currency = sorted(purchases, key=itemgetter(1))  # stays by customer and day within
    return [_outlook(currency, list(rows), today) for currency, rows in groupby(of_currency, itemgetter(1))]


def _outlook(currency: str, rows: Sequence[Row], today: int) -> Outlook:
    known = buyers(((subject, dayno, net) for subject, _, dayno, net in rows), today, UNIT)
    refused: dict[str, str] = {}

    def fitted(model: type[M]) -> M | None:
        try:
            return model.fitted(known)
        except NoFit as reason:
            refused[model.name] = f"{reason.what} ({currency})"
            return None

    bgnbd, paretonbd, worth = fitted(BgNbd), fitted(ParetoNbd), fitted(GammaGamma)
    expected = prospects(bgnbd, worth, known, HORIZON, DISCOUNT_YEARLY, UNIT) if bgnbd else []
    return Outlook(currency, known, bgnbd, paretonbd, worth, expected, refused)


class FitRow(NamedTuple):
    """A model that was fitted."""

    model: Annotated[str, "BG/NBD and Pareto/NBD tell when customers buy, Gamma-Gamma for how much"]
    currency: Annotated[str, "the currency of the purchases that it is fitted to"]
    customers: Annotated[int, "customers who bought by the day of the page"]
    repeat_customers: Annotated[int, "of these with a second purchase day"]
    parameters: Annotated[str, "its parameters at the greatest likelihood, times in weeks"]
    log_likelihood: Annotated[float, "the logarithm of how likely these purchases are under it"]


def fits(found: Sequence[Outlook]) -> Shown:
    """The parameters of every model that was fitted."""
    rows = [
        FitRow(
            model.name,
            each.currency,
            len(each.known.subjects),
            each.known.repeat_customers,
            model.fit.told(model.parameters),
            round(model.fit.log_likelihood, 2),
        )
        for each in found
        for model in (each.bgnbd, each.paretonbd, each.worth)
        if model
    ]
    return Shown(rows, _refusals(found, BgNbd, ParetoNbd, GammaGamma))


class ChanceRow(NamedTuple):
    """Customers of like chance to be still there."""

    alive: Annotated[str, "the chance to be still a customer, P(alive)"]
    currency: Annotated[str, "the currency that they buy in"]
    bgnbd_customers: Annotated[int | None, "customers with such a chance by BG/NBD; 1 for who bought on one day only"]
    paretonbd_customers: Annotated[int | None, "customers with such a chance by Pareto/NBD"]


def chances(found: Sequence[Outlook]) -> Shown:
    """How many customers have which chance to be still there."""
    rows = []
    for each in found:
        told = [_banded(model, each.known) if model else [None] * BANDS for model in (each.bgnbd, each.paretonbd)]
        if each.bgnbd or each.paretonbd:
            rows += [ChanceRow(_band(at), each.currency, *counts) for at, counts in enumerate(zip(*told, strict=True))]
    return Shown(rows, _refusals(found, BgNbd, ParetoNbd))


def _banded(model: Buying, known: Buyers) -> list[int | None]:
    places = np.minimum((model.alive(known) * BANDS).astype(np.int64), BANDS - 1)
    counts: list[int | None] = np.bincount(places, minlength=BANDS).tolist()
    return counts


def _band(place: int) -> str:
    return f"{100 * place // BANDS} to {100 * (place + 1) // BANDS} %"


class ExpectedRow(NamedTuple):
    """Customers who bought again as often, and what is to come of them."""

    repeat_purchases: Annotated[str, "purchase days after the first"]
    currency: Annotated[str, "the currency that they buy in"]
    customers: Annotated[int, "number of such customers"]
    alive_share: Annotated[float, "the share of them that is expected to be still there, by BG/NBD"]
    expected_purchases: Annotated[float, "purchase days expected of all of them within a year, by BG/NBD"]
    lifetime_micros: Annotated[
        int | None, "net value of these to be expected, discounted by 10 % a year; null without Gamma-Gamma"
    ]


def expected(found: Sequence[Outlook]) -> Shown:
    """What is expected of customers by the number of days on which they bought again."""
    rows = []
    for each in found:
        by_class: dict[int, list[Prospect]] = {}
        for prospect in each.prospects:
            by_class.setdefault(min(prospect.repeat_purchases, CLASS_MAX), []).append(prospect)
        rows += [
            ExpectedRow(
                f"{again} or more" if again == CLASS_MAX else str(again),
                each.currency,
                len(alike),
                sum(one.alive for one in alike) / len(alike),
                round(sum(one.expected_purchases for one in alike), 2),
                sum(one.lifetime_micros or 0 for one in alike) if each.worth else None,
            )
            for again, alike in sorted(by_class.items())
        ]
    return Shown(rows, _refusals(found, BgNbd, GammaGamma))


class BestRow(NamedTuple):
    """What is expected of a customer."""

    subject: Annotated[str, "the customer"]
    currency: Annotated[str, "the currency that they buy in"]
    repeat_purchases: Annotated[int, "purchase days after the first"]
    alive_share: Annotated[float, "the chance to be still a customer, P(alive), by BG/NBD"]
    expected_purchases: Annotated[float, "purchase days expected within a year, by BG/NBD"]
    mean_value_micros: Annotated[int | None, "mean net value expected of a purchase day, by Gamma-Gamma"]
    lifetime_micros: Annotated[int | None, "net value expected within a year, discounted by 10 % a year"]


def best(found: Sequence[Outlook]) -> Shown:
    """The customers of whom most is to be expected."""
    rows = [
        BestRow(
            each.subject,
            outlook.currency,
            each.repeat_purchases,
            each.alive,
            each.expected_purchases,
            each.value_micros,
            each.lifetime_micros,
        )
        for outlook in found
        for each in outlook.prospects[:BEST_MAX]
    ]
    return Shown(rows, _refusals(found, BgNbd, GammaGamma))


def _refusals(found: Sequence[Outlook], *concerned: type[BgNbd | ParetoNbd | GammaGamma]) -> tuple[str, ...]:
    return tuple(each.refused[model.name] for each in found for model in concerned if model.name in each.refused)


MODEL: Final = Model(
    asks=(PURCHASES, DAY),
    solve=lambda answers: outlooks(answers[0], answers[1][0][0]),
    tables={
        "fits": Table(FitRow, fits),
        "chances": Table(ChanceRow, chances),
        "expected": Table(ExpectedRow, expected),
        "best": Table(BestRow, best),
    },
)
