"""Models of purchases: against other forms of the same mathematics, and against truth that made the purchases."""

from datetime import date

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, hyp2f1

from projections.models import bgnbd, gammagamma, paretonbd
from projections.models.bgnbd import BgNbd
from projections.models.buyers import Buyers, buyers, cases
from projections.models.gammagamma import GammaGamma
from projections.models.lifetime import correlation, discounted, holdout, prospects
from projections.models.likelihood import Array, Fit, Likelihood, NoFit
from projections.models.paretonbd import ParetoNbd

END = date(2026, 3, 1).toordinal()
_positive = st.floats(0.05, 20)


def known(*customers: tuple[float, float, float], spend: float = 10.0) -> Buyers:
    """Customers by frequency, recency and age."""
    x, recency, age = np.array(customers, dtype=np.float64).T
    names = [f"c-{place}" for place in range(len(customers))]
    return Buyers(names, x, recency, age, np.where(x > 0, spend, np.nan), np.zeros_like(x))


SOME = known((0, 0, 0), (0, 0, 38.9), (1, 5, 38.9), (2, 30.43, 38.86), (9, 20, 39), (60, 38, 38), (300, 10, 39))


def slopes_tried(likelihood: Likelihood, at: Array) -> Array:
    """The derivatives of a likelihood, by trying both sides."""
    found = []
    for place in range(len(at)):
        step = np.zeros_like(at)
        step[place] = at[place] * 1e-5
        found.append((likelihood(at + step)[0] - likelihood(at - step)[0]) / (2 * step[place]))
    return np.array(found)


LIKELIHOODS: dict[str, tuple[int, Likelihood]] = {
    "bgnbd": (4, lambda parameters: bgnbd.likelihood(cases(SOME), parameters)),
    "paretonbd": (4, lambda parameters: paretonbd.likelihood(cases(SOME), parameters)),
    "gammagamma": (
        3,
        lambda parameters: gammagamma.likelihood(np.array([1.0, 3, 200]), np.array([0.5, 35, 9]), parameters),
    ),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(_positive, min_size=4, max_size=4))
def test_a_likelihood_is_finite_and_its_slopes_are_its_own(name: str, drawn: list[float]) -> None:
    count, likelihood = LIKELIHOODS[name]
    at = np.array(drawn[:count])
    values, slopes = likelihood(at)
    assert np.isfinite(values).all()
    assert slopes == pytest.approx(slopes_tried(likelihood, at), rel=1e-4, abs=1e-4)


def pareto_printed(x: float, recency: float, age: float, r: float, alpha: float, s: float, beta: float) -> float:
    """The log-likelihood as Fader and Hardie (2005) print it, with the Gaussian hypergeometric function."""
    highest, apart, second = max(alpha, beta), abs(alpha - beta), s + 1 if alpha >= beta else r + x
    whole = r + s + x

    def part(moment: float) -> float:
        z = apart / (highest + moment)
        found: float = hyp2f1(whole, second, whole + 1, z) / (highest + moment) ** whole
        return found

    between = s / whole * (part(recency) - part(age))
    likelihood = (alpha + age) ** -(r + x) * (beta + age) ** -s + between
    logged = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.log(likelihood)
    return float(logged)


@settings(max_examples=40, deadline=None)
@given(
    x=st.integers(1, 12),
    share=st.floats(0.05, 0.95),
    age=st.floats(1, 80),
    parameters=st.tuples(st.floats(0.3, 3), st.floats(2, 20), st.floats(0.3, 3), st.floats(2, 20)),
)
def test_pareto_nbd_is_likely_as_the_printed_form_says(
    x: int, share: float, age: float, parameters: tuple[float, float, float, float]
) -> None:
    found = paretonbd.likelihood(cases(known((x, share * age, age))), np.array(parameters))[0]
    assert found[0] == pytest.approx(pareto_printed(x, share * age, age, *parameters), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    x=st.integers(0, 20),
    age=st.floats(1, 80),
    horizon=st.floats(0.5, 100),
    parameters=st.tuples(st.floats(0.3, 3), st.floats(2, 20), st.floats(1.2, 3), st.floats(0.5, 5)),
)
@example(x=16, age=1, horizon=95, parameters=(3, 2, 2, 1))
def test_bg_nbd_expects_what_the_printed_form_says(
    x: int, age: float, horizon: float, parameters: tuple[float, float, float, float]
) -> None:
    r, alpha, a, b = parameters
    customer, model = known((x, age / 2 if x else 0, age)), BgNbd(Fit(parameters, 0.0))
    z = horizon / (alpha + age + horizon)
    within = 1 - (1 - z) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z)
    printed = (a + b + x - 1) / (a - 1) * within * model.alive(customer)[0]
    assert model.expected(customer, horizon)[0] == pytest.approx(printed, rel=1e-6)


@pytest.mark.parametrize("model", [BgNbd(Fit((0.5, 4.0, 1.0, 2.0), 0.0)), ParetoNbd(Fit((0.5, 4.0, 1.0, 9.0), 0.0))])
def test_what_is_expected_grows_with_time_and_is_less_for_who_has_long_been_silent(model: BgNbd | ParetoNbd) -> None:
    customers = known((3, 5, 39), (3, 38, 39))
    near, far = model.expected(customers, 10), model.expected(customers, 20)
    assert (near < far).all()
    assert near[0] < near[1]
    alive = model.alive(customers)
    assert 0 < alive[0] < alive[1] < 1


def test_bg_nbd_finds_the_parameters_that_made_the_purchases() -> None:
    chance, told = np.random.default_rng(12), []
    for _ in range(6000):
        pace, leaving, age = chance.gamma(0.8, 1 / 6), chance.beta(0.9, 2.5), chance.uniform(20, 60)
        days, at = [0.0], chance.exponential(1 / pace)
        while at < age:
            days.append(at)
            if chance.random() < leaving:
                break
            at += chance.exponential(1 / pace)
        told.append((len(days) - 1, days[-1], age))
    assert BgNbd.fitted(known(*told)).fit.parameters == pytest.approx((0.8, 6.0, 0.9, 2.5), rel=0.25)


def test_pareto_nbd_finds_the_parameters_that_made_the_purchases() -> None:
    chance, told = np.random.default_rng(11), []
    for _ in range(2500):
        pace, age = chance.gamma(0.8, 1 / 6), chance.uniform(20, 60)
        end = min(age, chance.exponential(1 / chance.gamma(0.7, 1 / 12)))
        days, at = [0.0], chance.exponential(1 / pace)
        while at < end:
            days.append(at)
            at += chance.exponential(1 / pace)
        told.append((len(days) - 1, days[-1], float(np.ceil(age))))
    r, alpha, *_ = ParetoNbd.fitted(known(*told)).fit.parameters
    assert (r, alpha) == pytest.approx((0.8, 6.0), rel=0.25)


def test_gamma_gamma_finds_the_parameters_that_made_the_values() -> None:
    chance = np.random.default_rng(13)
    x = chance.integers(1, 9, 6000).astype(np.float64)
    scale = chance.gamma(4.0, 1 / 15.0, 6000)
    spend = chance.gamma(6.0 * x) / (scale * x)
    customers = known(*((each, 1, 2) for each in x))._replace(spend=spend)
    model = GammaGamma.fitted(customers)
    assert model.fit.parameters == pytest.approx((6.0, 4.0, 15.0), rel=0.2)
    assert model.value(customers).mean() == pytest.approx(6 * 15 / 3, rel=0.03)
    assert abs(correlation(customers) or 1) < 0.05


def test_a_value_lies_between_what_was_seen_and_what_is_usual_and_is_none_without_a_mean() -> None:
    model = GammaGamma(Fit((6.0, 4.0, 15.0), 0.0))  # the mean over customers is 30
    once, seldom, often = model.value(known((0, 0, 9), (1, 1, 9), (50, 8, 9), spend=60))
    assert (once, seldom, often) == pytest.approx((30.0, 50.0, 59.7), abs=0.3)
    assert np.isnan(model.value(known((2, 1, 9), spend=-5.0))[0]), "who sends everything back has no mean value"
    assert np.isnan(GammaGamma(Fit((6.0, 0.9, 15.0), 0.0)).value(known((0, 0, 9)))[0]), "the mean is infinite"


@pytest.mark.parametrize("model", [BgNbd, ParetoNbd])
def test_too_few_repeat_customers_give_no_number(model: type[BgNbd | ParetoNbd]) -> None:
    with pytest.raises(NoFit) as refused:
        model.fitted(known(*[(0, 0, 20)] * 500, *[(2, 9, 20)] * 29))
    assert "29" in refused.value.what


@pytest.mark.parametrize("model", [BgNbd, ParetoNbd])
def test_customers_who_are_all_alike_give_no_number(model: type[BgNbd | ParetoNbd]) -> None:
    with pytest.raises(NoFit) as refused:
        model.fitted(known(*[(4, 18.0, 20.0)] * 200))
    assert "does not converge" in refused.value.what


def test_customers_are_summed_up_by_days_to_the_end_of_the_calibration() -> None:
    rows = [
        ("anna", END - 28, 5_000_000),
        ("anna", END - 14, 7_000_000),
        ("anna", END - 14, 3_000_000),  # the same day: one purchase
        ("anna", END - 7, 0),  # free, and a purchase all the same
        ("anna", END + 3, 9_000_000),
        ("bert", END, 1_000_000),
        ("cleo", END + 1, 1_000_000),
    ]
    found = buyers(rows, END, "weeks")
    assert found.subjects == ["anna", "bert"], "who came later is not known"
    assert [column.tolist() for column in found[1:4]] == [[2, 0], [3, 0], [4, 0]]
    assert found.spend[0] == pytest.approx(5.0)
    assert np.isnan(found.spend[1])
    assert found.later.tolist() == [1, 0]
    assert buyers(rows, END, "days").age.tolist() == [28, 0]
    assert buyers([], END, "days").subjects == []


@pytest.mark.parametrize("model", [BgNbd(Fit((0.5, 4.0, 1.0, 2.0), 0.0)), ParetoNbd(Fit((0.5, 4.0, 0.7, 9.0), 0.0))])
def test_what_comes_later_counts_less(model: BgNbd | ParetoNbd) -> None:
    customers = known((3, 30, 39), (0, 0, 39))
    assert discounted(model, customers, 52, 0.0, "weeks") == pytest.approx(model.expected(customers, 52))
    steps = np.linspace(0, 52, 301)
    bought = np.array([model.expected(customers, each) for each in steps])
    weights = 1.15 ** (-(steps[1:] + steps[:-1]) / 2 * 7 / 365)
    assert discounted(model, customers, 52, 0.15, "weeks") == pytest.approx(weights @ np.diff(bought, axis=0), rel=1e-4)


def test_prospects_are_ordered_by_lifetime_value_and_say_none_where_no_value_is_known() -> None:
    model, customers = BgNbd(Fit((0.5, 4.0, 1.0, 2.0), 0.0)), known((0, 0, 39), (3, 38, 39))
    worth = GammaGamma(Fit((6.0, 4.0, 15.0), 0.0))
    best, other = prospects(model, worth, customers, 52, 0.1, "weeks")
    assert (best.subject, other.subject) == ("c-1", "c-0")
    assert best.lifetime_micros is not None
    assert best.value_micros is not None
    assert 0 < best.lifetime_micros < best.value_micros * best.expected_purchases
    assert {each.lifetime_micros for each in prospects(model, None, customers, 52, 0.1, "weeks")} == {None}


def test_the_hold_out_sets_what_came_against_what_was_expected() -> None:
    customers = known((0, 0, 39), (0, 0, 39), (9, 30, 39), (8, 30, 39))._replace(later=np.array([1.0, 0, 4, 5]))
    found = holdout(BgNbd(Fit((0.5, 4.0, 1.0, 2.0), 0.0)), customers, 39)
    assert [(each.repeat_purchases, each.customers, each.mean) for each in found] == [(0, 2, 0.5), (7, 2, 4.5)]
    assert found[0].expected_mean < found[1].expected_mean
