"""Gamma-Gamma: what a customer's purchases are worth on average, whatever was seen of them so far.

Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value. Values vary round a mean of each customer's own, and the
means over customers (p, q, v); neither hangs on how often a customer buys.
"""

from typing import ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from projections.models.buyers import Buyers
from projections.models.likelihood import Array, Fit, enough, maximised


class GammaGamma:
    """The fitted model."""

    name: ClassVar[str] = "Gamma-Gamma"
    parameters: ClassVar[tuple[str, ...]] = ("p", "q", "v")

    def __init__(self, fit: Fit) -> None:
        self.fit = fit

    @classmethod
    def fitted(cls, known: Buyers) -> "GammaGamma":
        """Fit it to the customers who bought again for more than nothing, by maximum likelihood.

        Raises:
            NoFit: they are too few, or the likelihood has no maximum.
        """
        chosen = known.spend > 0  # never true where it is not a number
        enough(cls.name, int(chosen.sum()))
        x, spend = known.frequency[chosen], known.spend[chosen]
        usual = float(spend.mean())
        starts = ((2.0, 2.0, usual), (6.0, 4.0, usual / 2))
        return cls(maximised(cls.name, lambda each: likelihood(x, spend, each), np.ones_like(x), starts))

    def value(self, known: Buyers) -> Array:
        """The mean value that a purchase day of each customer is expected to have (eq. 5), in units of the currency.

        Not a number for who came back for nothing on average, and for all where the means of customers have none (q
        at most 1) for who never came back.
        """
        p, q, v = self.fit.parameters
        x, spend = known.frequency, np.where(known.frequency > 0, known.spend, 0.0)
        below = p * x + q - 1
        known_value = (below > 0) & ((x == 0) | (spend > 0))
        return np.where(known_value, p * (v + x * spend) / np.where(known_value, below, 1.0), np.nan)


def likelihood(x: Array, spend: Array, parameters: Array) -> tuple[Array, Array]:
    """The log-likelihood of each customer, and its derivatives, a row for each parameter in their order."""
    p, q, v = parameters
    shape, log_spend, log_sum = p * x, np.log(spend), np.log(v + x * spend)
    values = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v)
    values += (shape - 1) * log_spend + shape * np.log(x) - (shape + q) * log_sum
    slopes = np.stack(
        (
            x * (digamma(shape + q) - digamma(shape) + log_spend + np.log(x) - log_sum),
            digamma(shape + q) - digamma(q) + np.log(v) - log_sum,
            q / v - (shape + q) / (v + x * spend),
        )
    )
    return values, slopes
