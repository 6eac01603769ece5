"""What the models know of each customer: how often, how lately and how long, up to the end of a calibration."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from domain.money import MICROS
from projections.models.likelihood import Array

DAYS_OF_UNIT = {"days": 1, "weeks": 7}
DAYS_OF_YEAR = 365

PURCHASES = "SELECT subject, currency, dayno, net_micros FROM purchases WHERE orders > 0 ORDER BY subject, dayno"
"""Every purchase: those of one day and currency are one; what was wholly cancelled is none, what was free is one."""

DAY = "SELECT dayno FROM moment"


class Buyers(NamedTuple):
    """Customers by what they did in the calibration; every field has one place for each of them.

    frequency: purchase days after the first (x); recency: from the first purchase to the last, in units of time (t_x);
    age: from the first purchase to the end of the calibration, in the same units (T); spend: mean net value of the
    purchase days after the first, in units of the currency, not a number without any; later: purchase days after
    the calibration.
    """

    subjects: list[str]
    frequency: Array
    recency: Array
    age: Array
    spend: Array
    later: Array

    @property
    def repeat_customers(self) -> int:
        """How many bought again within the calibration."""
        return int((self.frequency > 0).sum())


class Cases(NamedTuple):
    """The distinct cases among customers, and how often each was seen."""

    frequency: Array
    recency: Array
    age: Array
    seen: Array


def buyers(purchases: Iterable[tuple[str, int, int]], end: int, unit: str) -> Buyers:
    """Sum up customers who bought by the end of a calibration.

    Args:
        purchases: (subject, day number, net value in micro-units), by subject and day; a day may come twice.
        end: the day number on which the calibration ends.
        unit: days or weeks.
    """
    subjects, told = list[str](), list[tuple[float, ...]]()
    for subject, rows in groupby(purchases, key=itemgetter(0)):
        worth: dict[int, int] = {}
        for _, day, micros in rows:
            worth[day] = worth.get(day, 0) + micros
        days = sorted(day for day in worth if day <= end)
        if not days:
            continue
        again = days[1:]
        spend = sum(worth[day] for day in again) / len(again) / MICROS if again else float("nan")
        subjects.append(subject)
        told.append((len(again), days[-1] - days[0], end - days[0], spend, len(worth) - len(days)))
    frequency, recency, age, spends, later = np.array(told, dtype=np.float64).reshape(-1, 5).T
    length = DAYS_OF_UNIT[unit]
    return Buyers(subjects, frequency, recency / length, age / length, spends, later)


def cases(known: Buyers) -> Cases:
    """The distinct cases: most customers are like many others, and likelihoods need only be reckoned once for each."""
    told = np.stack((known.frequency, known.recency, known.age), axis=1)
    distinct, seen = np.unique(told, axis=0, return_counts=True)
    frequency, recency, age = distinct.T
    return Cases(frequency, recency, age, seen.astype(np.float64))
