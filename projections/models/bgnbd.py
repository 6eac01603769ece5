"""BG/NBD: customers buy at a steady pace of their own, and after each purchase may leave for good, unseen.

Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2). Paces are gamma
distributed over customers (r, alpha), and the chances of leaving after a purchase beta distributed (a, b).
"""

from typing import ClassVar

import numpy as np
from scipy.special import betaln, digamma, expit, gammaln, roots_jacobi

from projections.models.buyers import Buyers, Cases, cases
from projections.models.likelihood import Array, Fit, enough, maximised

NODES = 64
"""Places at which the chance of leaving is tried when purchases to come are expected."""


class BgNbd:
    """The fitted model."""

    name: ClassVar[str] = "BG/NBD"
    parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")

    def __init__(self, fit: Fit) -> None:
        self.fit = fit

    @classmethod
    def fitted(cls, known: Buyers) -> "BgNbd":
        """Fit it to customers by maximum likelihood.

        Raises:
            NoFit: too few bought again, or the likelihood has no maximum.
        """
        enough(cls.name, known.repeat_customers)
        seen = cases(known)
        pace = float(np.mean(known.age)) / 4
        return cls(
            maximised(
                cls.name,
                lambda parameters: likelihood(seen, parameters),
                seen.seen,
                ((0.5, pace, 1.0, 2.0), (2.0, 2 * pace, 0.3, 3.0)),
            )
        )

    def alive(self, known: Buyers) -> Array:
        """The chance that each customer has not left by the end of the calibration; 1 for who bought once (eq. 5)."""
        return 1 - _left(known, np.array(self.fit.parameters))

    def expected(self, known: Buyers, horizon: float) -> Array:
        """Purchase days expected of each customer within a time after the calibration, in its units.

        Equation 10 as a mean over the chance p of leaving, of (1 - (1 + p h / (alpha + T))^-(r + x)) / p: it holds
        for every a and b, where the printed form divides by a - 1.
        """
        r, alpha, a, b = self.fit.parameters
        alive, answer = self.alive(known), np.empty_like(known.age)
        for frequency in np.unique(known.frequency):
            chosen = known.frequency == frequency
            places, weights = roots_jacobi(NODES, b + frequency - 1, a - 1)
            chance = (1 + places) / 2
            reach = horizon / (alpha + known.age[chosen])
            bought = -np.expm1(-(r + frequency) * np.log1p(np.outer(reach, chance))) / chance
            answer[chosen] = bought @ (weights / weights.sum())
        return alive * answer


def _weighed(known: Buyers | Cases, parameters: Array) -> tuple[Array, Array]:
    """The logarithms of how likely the silence since the last purchase is if the customer stayed, and if not."""
    r, alpha, a, b = parameters
    x = known.frequency
    stayed = -(r + x) * np.log(alpha + known.age)
    again = np.maximum(x, 1)
    left = np.log(a) - np.log(b + again - 1) - (r + x) * np.log(alpha + known.recency)
    return stayed, np.where(x > 0, left, -np.inf)


def _left(known: Buyers | Cases, parameters: Array) -> Array:
    stayed, left = _weighed(known, parameters)
    answer: Array = expit(left - stayed)
    return answer


def likelihood(seen: Cases, parameters: Array) -> tuple[Array, Array]:
    """The log-likelihood of each distinct case, and its derivatives, a row for each parameter in their order."""
    r, alpha, a, b = parameters
    x, recency, age = seen.frequency, seen.recency, seen.age
    stayed, left = _weighed(seen, parameters)
    values = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    values += np.logaddexp(stayed, left)
    # How likely it is that the customer left, and stayed.
    gone = _left(seen, parameters)
    there = 1 - gone
    sums = digamma(a + b) - digamma(a + b + x)
    slopes = np.stack(
        (
            digamma(r + x) - digamma(r) + np.log(alpha) - there * np.log(alpha + age) - gone * np.log(alpha + recency),
            r / alpha - (r + x) * (there / (alpha + age) + gone / (alpha + recency)),
            sums + gone / a,
            sums + digamma(b + x) - digamma(b) - gone / (b + np.maximum(x, 1) - 1),
        )
    )
    return values, slopes
