"""Pareto/NBD: customers buy at a steady pace of their own, and leave unseen at a moment of their own.

Schmittlein, Morrison, Colombo (1987), Counting Your Customers: Who Are They and What Will They Do Next?, Management
Science 33(1). Paces are gamma distributed over customers (r, alpha), and so are the rates of leaving (s, beta). The
moment of leaving is integrated out by Gauss-Legendre quadrature: the printed form subtracts two hypergeometric
functions that are nearly equal for who buys often, and loses its digits there.
"""

from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import digamma, expit, gammaln

from projections.models.buyers import Buyers, Cases, cases
from projections.models.likelihood import Array, Fit, enough, maximised

NODES = 48
"""Moments of leaving that are tried between the last purchase and the end of the calibration."""
_DECAY_MAX = 45.0
_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)


class ParetoNbd:
    """The fitted model."""

    name: ClassVar[str] = "Pareto/NBD"
    parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")

    def __init__(self, fit: Fit) -> None:
        self.fit = fit

    @classmethod
    def fitted(cls, known: Buyers) -> "ParetoNbd":
        """Fit it to customers by maximum likelihood.

        Raises:
            NoFit: too few bought again, or the likelihood has no maximum.
        """
        enough(cls.name, known.repeat_customers)
        seen = cases(known)
        pace = float(np.mean(known.age)) / 3
        return cls(
            maximised(
                cls.name,
                lambda parameters: likelihood(seen, parameters),
                seen.seen,
                ((0.5, pace, 0.5, pace), (1.5, 2 * pace, 0.3, pace / 2)),
            )
        )

    def alive(self, known: Buyers) -> Array:
        """The chance that each customer has not left by the end of the calibration."""
        parameters = np.array(self.fit.parameters)
        answer: Array = expit(_stayed(known, parameters) - _left(known, parameters).log)
        return answer

    def expected(self, known: Buyers, horizon: float) -> Array:
        """Purchase days expected of each customer within a time after the calibration, in its units."""
        r, alpha, s, beta = self.fit.parameters
        ahead = np.log1p(horizon / (beta + known.age))
        # (1 - e^-(s-1)z) / (s - 1), which is z where s is 1.
        shape = s - 1
        within = -np.expm1(-shape * ahead) / shape if shape else ahead
        answer: Array = self.alive(known) * (r + known.frequency) * (beta + known.age) / (alpha + known.age) * within
        return answer


class _Left(NamedTuple):
    """The logarithm of how likely the silence is if the customer left, and means over when that may have been."""

    log: Array
    log_alpha: Array
    log_beta: Array
    over_alpha: Array
    over_beta: Array


def _stayed(known: Buyers | Cases, parameters: Array) -> Array:
    r, alpha, s, beta = parameters
    answer: Array = -(r + known.frequency) * np.log(alpha + known.age) - s * np.log(beta + known.age)
    return answer


def _left(known: Buyers | Cases, parameters: Array) -> _Left:
    r, alpha, s, beta = parameters
    x, recency, age = known.frequency, known.recency, known.age
    # Along the logarithm of time since before the first purchase the integrand falls evenly; where it is below e^-45 of
    # its beginning nothing is left to be added.
    origin = min(alpha, beta)
    width = np.log((origin + age) / (origin + recency))
    decay = (r + x) * (origin + recency) / (alpha + recency) + (s + 1) * (origin + recency) / (beta + recency) - 1
    width = np.minimum(width, _DECAY_MAX / np.maximum(decay, 1.0))
    with np.errstate(divide="ignore"):
        log_width = np.log(width / 2)
    moments = np.exp(np.outer(width / 2, 1 + _PLACES)) * (origin + recency)[:, None] - origin
    log_alpha, log_beta = np.log(alpha + moments), np.log(beta + moments)
    terms = np.log(_WEIGHTS) + np.log(origin + moments) - (r + x)[:, None] * log_alpha - (s + 1) * log_beta
    highest = terms.max(axis=1)
    shares = np.exp(terms - highest[:, None])
    total = shares.sum(axis=1)
    shares /= total[:, None]
    return _Left(
        np.log(s) + log_width + highest + np.log(total),
        (shares * log_alpha).sum(axis=1),
        (shares * log_beta).sum(axis=1),
        (shares / (alpha + moments)).sum(axis=1),
        (shares / (beta + moments)).sum(axis=1),
    )


def likelihood(seen: Cases, parameters: Array) -> tuple[Array, Array]:
    """The log-likelihood of each distinct case, and its derivatives, a row for each parameter in their order."""
    r, alpha, s, beta = parameters
    x, age = seen.frequency, seen.age
    stayed, left = _stayed(seen, parameters), _left(seen, parameters)
    values = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.logaddexp(stayed, left.log)
    gone = expit(left.log - stayed)
    there = 1 - gone
    slopes = np.stack(
        (
            digamma(r + x) - digamma(r) + np.log(alpha) - there * np.log(alpha + age) - gone * left.log_alpha,
            r / alpha - (r + x) * (there / (alpha + age) + gone * left.over_alpha),
            np.log(beta) - there * np.log(beta + age) + gone * (1 / s - left.log_beta),
            s / beta - there * s / (beta + age) - gone * (s + 1) * left.over_beta,
        )
    )
    return values, slopes
