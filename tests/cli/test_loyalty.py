"""`lifecircle loyalty`: models of purchases at the command line, from a log of made-up customers."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.cli.program import Shell

FIRST, DAYS = date(2025, 1, 6), 419  # to the end of February 2026
ENDS = ("--calibration-end", "2025-12-31")


def orders(customers: int) -> Iterator[str]:
    """Orders of customers with paces and ends of their own, as JSON Lines."""
    chance = Random(6)  # noqa: S311 - one fixed world, no secret
    for customer in range(customers):
        pace, leaving = chance.gammavariate(0.9, 1 / 30), chance.betavariate(0.9, 2.5)
        usual = 12 / chance.gammavariate(4, 1)
        day: float = chance.randrange(150)
        for place in range(200):
            if day >= DAYS:
                break
            when = FIRST + timedelta(days=day)
            data = {"order": f"{customer}-{place}", "total": f"{usual * chance.gammavariate(5, 1) + 0.01:.2f} EUR"}
            yield json.dumps(
                {"id": f"{customer}-{place}", "source": "shop", "type": "OrderPlaced", "subject": f"c-{customer}"}
                | {"time": f"{when}T12:00:00Z", "data": data}
            )
            day += chance.expovariate(pace)
            if place and chance.random() < leaving:
                break


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A log of 300 customers, with its views; nobody writes to it."""
    folder = tmp_path_factory.mktemp("market")
    shell = Shell(f"sqlite:///{folder}/market.db")
    assert shell("init").code == 0
    file = folder / "orders.jsonl"
    file.write_text("\n".join(orders(300)) + "\n")
    assert shell("import", str(file)).code == 0
    assert shell("rebuild", "purchases").code == 0
    return shell


def test_a_fit_is_the_same_again_at_the_cursor_that_it_prints(market: Shell) -> None:
    live = market("loyalty", "fit", *ENDS, "--format", "json").json
    assert live["customers"] == 300
    assert 30 <= live["repeat_customers"] < 300
    assert {"r", "alpha", "a", "b", "p", "q", "v"} <= live.keys()
    again = market("loyalty", "fit", *ENDS, "--known-at", live["cursor"], "--format", "json").json
    assert again == live
    days = market("loyalty", "fit", *ENDS, "--unit", "days", "--format", "json").json
    assert days["alpha"] == pytest.approx(7 * live["alpha"], rel=1e-3), "the unit changes the scale of time alone"
    assert (days["r"], days["a"], days["b"]) == pytest.approx((live["r"], live["a"], live["b"]), rel=1e-3)


def test_the_calibration_ends_with_the_moment_unless_it_is_said(market: Shell) -> None:
    told = market("loyalty", "fit", "--as-of", "2025-12-31", "--format", "json").json
    assert told["calibration_end"] == "2025-12-31"
    said = market("loyalty", "fit", *ENDS, "--format", "json").json
    assert told["log_likelihood"] == pytest.approx(said["log_likelihood"])


def test_every_customer_has_chances_and_a_value_the_best_first(market: Shell) -> None:
    shown = market("loyalty", "show", *ENDS, "--format", "json")
    found = shown.json
    assert len(found) == 300
    assert "calibration to 2025-12-31" in shown.err
    worth = [each["lifetime_micros"] for each in found]
    assert worth == sorted(worth, reverse=True)
    assert all(0 <= each["alive"] <= 1 for each in found)
    nearer = market("loyalty", "show", *ENDS, "--horizon", "4", "--limit", "2", "--format", "json").json
    assert len(nearer) == 2
    later = {each["subject"]: each for each in found}
    assert all(each["lifetime_micros"] < later[each["subject"]]["lifetime_micros"] for each in nearer)
    less = market("loyalty", "show", *ENDS, "--discount", "0.5", "--limit", "1", "--format", "csv").out
    assert less.splitlines()[0].startswith("subject,currency,repeat_purchases,recency,age,alive")


@pytest.mark.parametrize("model", ["bgnbd", "paretonbd"])
def test_what_came_after_the_calibration_is_set_against_the_model(market: Shell, model: str) -> None:
    found = market("loyalty", "holdout", *ENDS, "--as-of", "2026-02-28", "--model", model, "--format", "json").json
    assert sum(each["customers"] for each in found) == 300
    expected = sum(each["customers"] * each["expected_mean"] for each in found)
    came = sum(each["customers"] * each["mean"] for each in found)
    assert came > 0
    assert expected == pytest.approx(came, rel=0.3)
    nothing = market("loyalty", "holdout", "--as-of", "2025-12-31")
    assert (nothing.code, "--calibration-end" in nothing.err) == (2, True)


def test_the_report_says_what_the_models_say(market: Shell) -> None:
    moment = ("--as-of", "2026-02-28", "--format", "json")
    sections = {each["title"]: each for each in market("report", "loyalty", *moment).json["reports"][0]["sections"]}
    fitted = {each["model"]: each for each in sections["The models"]["rows"]}
    assert list(fitted) == ["BG/NBD", "Pareto/NBD", "Gamma-Gamma"]
    told = market("loyalty", "fit", *moment).json
    assert fitted["BG/NBD"]["parameters"].startswith(f"r {told['r']:.4g}, alpha {told['alpha']:.4g}, ")
    assert fitted["BG/NBD"]["log_likelihood"] == round(told["log_likelihood"], 2)
    shown = market("loyalty", "show", *moment).json
    best = sections["Customers of greatest lifetime value"]["rows"]
    assert [(each["subject"], each["lifetime_micros"]) for each in best] == [
        (each["subject"], each["lifetime_micros"]) for each in shown[:20]
    ]
    bands = sections["Who is still a customer"]["rows"]
    assert bands[0]["bgnbd_customers"] == sum(each["alive"] < 0.2 for each in shown)
    assert sum(each["bgnbd_customers"] for each in bands) == len(shown)
    expected = sections["What is to be expected"]["rows"]
    assert sum(each["customers"] for each in expected) == len(shown)
    assert sum(each["lifetime_micros"] for each in expected) == sum(each["lifetime_micros"] for each in shown)
    flagged = market("act", "churn-risk", "--dry-run", *moment).json
    assert {each["subject"] for each in flagged} == {
        each["subject"] for each in shown if each["alive"] < 0.5 and each["repeat_purchases"]
    }


def test_a_report_without_a_fit_says_why_and_shows_no_number(market: Shell) -> None:
    told = market("report", "loyalty", "--as-of", "2025-01-20", "--format", "table").out
    assert "no figure: the BG/NBD model needs more customers who bought again" in told


def test_too_few_repeat_customers_are_refused_without_a_number(market: Shell) -> None:
    refused = market("loyalty", "fit", "--as-of", "2025-01-20", "--format", "json")
    assert (refused.code, refused.out) == (1, "")
    assert refused.error["error"] == "NoFit"
    assert "at least 30" in refused.error["rule"]


def test_currencies_are_fitted_apart(file_shop: Shell) -> None:
    for number, total in enumerate(("1 EUR", "1 USD")):
        placed = ("OrderPlaced", "--subject", "c-1", "--id", str(number), f"order=o-{number}", f"total={total}")
        assert file_shop("record", *placed).code == 0
    unbuilt = file_shop("loyalty", "fit")
    assert (unbuilt.code, "ViewNotBuilt" in unbuilt.err) == (6, True)
    assert file_shop("run", "--once").code == 0
    both = file_shop("loyalty", "fit")
    assert (both.code, "EUR, USD" in both.err) == (2, True)
    assert "NoFit" in file_shop("loyalty", "fit", "--currency", "USD").err


def test_a_day_must_be_one(tmp_path: Path) -> None:
    wrong = Shell(f"sqlite:///{tmp_path}/none.db")("loyalty", "fit", "--calibration-end", "soon")
    assert (wrong.code, "2026-03-01" in wrong.err) == (2, True)
