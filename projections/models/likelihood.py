"""Maximum likelihood: the parameters under which what was seen is likeliest, or a refusal where there are none."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from domain.errors import LifecircleError

Array = NDArray[np.float64]
Likelihood = Callable[[Array], tuple[Array, Array]]
"""Of positive parameters: the log-likelihood of each case, and its derivatives, a row for each parameter."""

REPEAT_CUSTOMERS_MIN = 30
"""From fewer customers who came back nothing is fitted."""
STEPS_MAX = 2_000
GRADIENT_MAX = 1e-6
"""The steepest slope of a maximum, per case, along the logarithm of a parameter."""
LOG_PARAMETER_MAX = 14.0
"""Beyond e^14, or below e^-14, a parameter has run away: the likelihood has no maximum."""


class NoFit(LifecircleError):
    """A model has no parameters that can be told from these purchases."""


class Fit(NamedTuple):
    """Parameters in their model's order, and how likely what was seen is under them."""

    parameters: tuple[float, ...]
    log_likelihood: float

    def told(self, names: Sequence[str]) -> str:
        """The parameters by their names, for people."""
        return ", ".join(f"{name} {value:.4g}" for name, value in zip(names, self.parameters, strict=True))


def maximised(model: str, likelihood: Likelihood, weights: Array, starts: tuple[tuple[float, ...], ...]) -> Fit:
    """Find the positive parameters of greatest likelihood, by L-BFGS-B along their logarithms.

    Args:
        model: its name, for the refusal.
        likelihood: of each distinct case, with its derivatives.
        weights: how often each case was seen.
        starts: where to begin; the likeliest end counts.

    Raises:
        NoFit: too few customers bought again, or no start led to a maximum.
    """
    total = weights.sum()

    def descent(logs: Array) -> tuple[float, Array]:
        parameters = np.exp(logs)
        values, slopes = likelihood(parameters)
        return -float(weights @ values) / total, -(slopes @ weights) * parameters / total

    found: list[tuple[float, Array]] = []
    for start in starts:
        bounds = [(-LOG_PARAMETER_MAX, LOG_PARAMETER_MAX)] * len(start)
        steps = {"maxiter": STEPS_MAX, "ftol": 0.0, "gtol": GRADIENT_MAX / 100}
        # How it ends is judged by the slope alone: at a maximum the search often stops for want of digits.
        end = minimize(descent, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds, options=steps)
        level = np.abs(descent(end.x)[1]).max() <= GRADIENT_MAX
        if level and np.isfinite(end.fun) and np.abs(end.x).max() < LOG_PARAMETER_MAX:
            found.append((float(end.fun), end.x))
    if not found:
        raise NoFit(
            f"the {model} model does not converge on these purchases",
            rule="its likelihood has no maximum within bounds: customers are too few, or differ too little",
            way_out="take more customers, a longer calibration, or another model",
        )
    value, logs = min(found, key=lambda each: each[0])
    return Fit(tuple(map(float, np.exp(logs))), -value * float(total))


def enough(model: str, repeat_customers: int) -> None:
    """Check that a fit can say something.

    Raises:
        NoFit: too few customers bought again.
    """
    if repeat_customers < REPEAT_CUSTOMERS_MIN:
        raise NoFit(
            f"the {model} model needs more customers who bought again: there are {repeat_customers}",
            rule=f"at least {REPEAT_CUSTOMERS_MIN} customers with a second purchase day within the calibration",
            way_out="choose a later end of the calibration, or wait for more purchases",
        )
