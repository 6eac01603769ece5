"""What customers will come to: a model of when they buy and one of how much, put together and set against what came."""

from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from domain.money import MICROS
from projections.models.buyers import DAYS_OF_UNIT, DAYS_OF_YEAR, Buyers
from projections.models.gammagamma import GammaGamma
from projections.models.likelihood import Array, Fit

CLASS_MAX = 7
"""Customers with as many repeat purchases or more are one class."""
_NODES = 16
_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(_NODES)


class Buying(Protocol):
    """A fitted model of when customers buy."""

    parameters: ClassVar[tuple[str, ...]]
    fit: Fit

    def alive(self, known: Buyers) -> Array:
        """The chance that each customer has not left by the end of the calibration."""
        ...

    def expected(self, known: Buyers, horizon: float) -> Array:
        """Purchase days expected of each customer within a time after the calibration, in its units."""
        ...


class Prospect(NamedTuple):
    """What is expected of a customer; the two values are None without a model of value, or where it has none."""

    subject: str
    repeat_purchases: int
    recency: float
    age: float
    alive: float
    expected_purchases: float
    value_micros: int | None
    lifetime_micros: int | None


class HoldOut(NamedTuple):
    """A class of customers by their repeat purchases, and what came after the calibration, expected and true."""

    repeat_purchases: int
    customers: int
    expected_mean: float
    mean: float


def discounted(model: Buying, known: Buyers, horizon: float, yearly: float, unit: str) -> Array:
    """Purchase days expected within a time, each counted less the later it comes.

    A purchase after t units counts e^(-d t), where d turns the yearly rate into one of the unit. As the integral of
    e^(-d t) over the purchases expected by t, it is e^(-d h) E(h) + d times the integral of e^(-d t) E(t) up to h.

    Args:
        model: when customers buy.
        known: the customers.
        horizon: how far to look, in units of time.
        yearly: by which share a value of today exceeds one of next year, such as 0.1.
        unit: days or weeks.
    """
    rate = float(np.log1p(yearly)) * DAYS_OF_UNIT[unit] / DAYS_OF_YEAR
    answer: Array = np.exp(-rate * horizon) * model.expected(known, horizon)
    if rate:
        for place, weight in zip(_PLACES, _WEIGHTS, strict=True):
            moment = horizon * (1 + place) / 2
            answer += rate * weight * horizon / 2 * np.exp(-rate * moment) * model.expected(known, moment)
    return answer


def prospects(
    buying: Buying, worth: GammaGamma | None, known: Buyers, horizon: float, yearly: float, unit: str
) -> list[Prospect]:
    """What is expected of every customer, those of greatest lifetime value first.

    Lifetime value is the mean value of a purchase day times the discounted purchase days expected within the horizon.
    """
    alive, bought = buying.alive(known), buying.expected(known, horizon)
    value = worth.value(known) if worth else np.full_like(alive, np.nan)
    lifetime = value * discounted(buying, known, horizon, yearly, unit)
    columns = (known.frequency, known.recency, known.age, alive, bought, value, lifetime)
    told = np.stack(columns, axis=1).tolist()
    found = [
        Prospect(subject, int(x), recency, age, chance, days, _micros(each), _micros(whole))
        for subject, (x, recency, age, chance, days, each, whole) in zip(known.subjects, told, strict=True)
    ]
    return sorted(found, key=lambda each: (-(each.lifetime_micros or 0), -each.expected_purchases, each.subject))


def _micros(value: float) -> int | None:
    return None if np.isnan(value) else round(value * MICROS)


def holdout(buying: Buying, known: Buyers, length: float) -> list[HoldOut]:
    """Expected and true purchase days after the calibration, by class; `length` is in units of time."""
    expected = buying.expected(known, length)
    classes = np.minimum(known.frequency, CLASS_MAX)
    found = []
    for each in np.unique(classes):
        chosen = classes == each
        means = float(expected[chosen].mean()), float(known.later[chosen].mean())
        found.append(HoldOut(int(each), int(chosen.sum()), *means))
    return found


def correlation(known: Buyers) -> float | None:
    """How the mean value of purchases hangs on their number among who bought again; the Gamma-Gamma model takes 0."""
    chosen = known.frequency > 0
    x, spend = known.frequency[chosen], known.spend[chosen]
    if not (chosen.sum() > 1 and np.ptp(x) and np.ptp(spend)):
        return None
    return float(np.corrcoef(x, spend)[0, 1])
