"""Funnels as an analyst asks for them: stated in a file or on the command line, from a mirror or from the log."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.engine import Engine
from domain.company import Company
from tests.cli.program import Shell
from tests.read_side.story import merged, moved, record, touch

SALE = """
steps = ["OpportunityOpened where amount >= 100 EUR", "OpportunityWon", "OrderPlaced"]
within = "10 days"
by = "lead_source"
"""


def _opened(subject: str, day: int, amount: str = "100 EUR", source: str = "fair") -> Any:
    return touch(
        "OpportunityOpened", subject, f"{subject}-o", day, opportunity=subject, amount=amount, lead_source=source
    )


def _won(subject: str, day: int) -> Any:
    return touch("OpportunityWon", subject, f"{subject}-w", day, opportunity=subject)


def _placed(subject: str, day: int, name: str = "p") -> Any:
    return touch("OrderPlaced", subject, f"{subject}-{name}", day, order=f"{subject}-{name}", total="1 EUR")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Path]:
    """Six customers, their log and a mirror of it."""
    place = tmp_path_factory.mktemp("funnel")
    url, folder = f"sqlite:///{place}/log.db", place / "mirror"
    with Engine.create(url, Company(zone="Europe/London")) as engine:
        record(engine, [_opened("anna", 1), _won("anna", 3), _placed("anna", 4)])
        record(engine, [_opened("bert", 1), _won("bert", 12), _placed("bert", 13)])  # after the window
        record(engine, [_opened("cleo", 2, "99 EUR"), _won("cleo", 3)])  # too small
        record(engine, [_opened("dora", 2, "500 USD"), _won("dora", 3)])  # another currency
        record(engine, [_opened("emil", 5, source="web"), touch("OpportunityWon", "emile", "x", 6, opportunity="e2")])
        record(engine, [merged("emil", "emile", "m")])  # the deal of one who is the same
        record(engine, [_opened("fred", 20, source="web"), _won("fred", 21), moved("fred", "f-m", "fred-w", 1)])
    shell = Shell(url)
    assert shell("mirror", str(folder)).code == 0
    (place / "sale.toml").write_text(SALE)
    return shell, place


@pytest.mark.parametrize("by_mirror", [True, False], ids=["mirror", "log"])
def test_a_file_states_it(company: tuple[Shell, Path], *, by_mirror: bool) -> None:
    shell, place = company
    from_mirror = ["--mirror", str(place / "mirror")] if by_mirror else []

    rows = shell("funnel", str(place / "sale.toml"), "--format", "json", *from_mirror).json

    counted = [(row["by"], row["step"], row["customers"], row["lost"], row["median_s"]) for row in rows]
    day = 86_400.0
    assert counted == [
        ("fair", 1, 2, 1, None),
        ("fair", 2, 1, 0, 2 * day),
        ("fair", 3, 1, 0, day),
        ("web", 1, 2, 1, None),
        ("web", 2, 1, 1, day),
        ("web", 3, 0, 0, None),
    ]
    assert [row["of_first"] for row in rows] == [None, 0.5, 0.5, None, 0.5, 0.0]
    apart = shell("funnel", str(place / "sale.toml"), "--by", "amount_currency", "--format", "json", *from_mirror).json
    assert [(row["by"], row["customers"]) for row in apart] == [("EUR", 4), ("EUR", 2), ("EUR", 1)]
    lost = shell("funnel", str(place / "sale.toml"), "--lost", "1", "--format", "csv", *from_mirror)
    assert [line.split(",")[:2] for line in lost.out.splitlines()[1:]] == [["bert", "fair"], ["fred", "web"]]


def test_steps_on_the_command_line_and_a_day_to_look_from(company: tuple[Shell, Path]) -> None:
    shell, place = company
    steps = ["--step", "OpportunityOpened", "--step", "OpportunityWon", "--mirror", str(place / "mirror")]

    def came(*options: str) -> list[int]:
        return [row["customers"] for row in shell("funnel", *steps, *options, "--format", "json").json]

    assert came() == [6, 5]
    assert came("--as-of", "2026-03-03") == [4, 3]
    assert came("--order", "strict", "--within", "2 days") == [6, 4]
    shown = shell("funnel", *steps).out
    assert "11 d" in shown
    assert "0.8333" in shown


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["--step", "OrderPlacd", "--step", "OrderPlaced"], "UnknownKind", "did you mean OrderPlaced"),
        (["--step", "OrderPlaced where totl = 1 EUR", "--step", "OrderPlaced"], "FunnelInvalid", "did you mean total"),
        (["--step", "OrderPlaced where total = 1", "--step", "OrderPlaced"], "FunnelInvalid", "such as 500 EUR"),
        (["--step", "OrderPlaced where total", "--step", "OrderPlaced"], "FunnelInvalid", "a value"),
        (["--step", "OrderPlaced where coupon > a", "--step", "OrderPlaced"], "FunnelInvalid", "= and !="),
        (["--step", "OrderPlaced where self_service = 1", "--step", "OrderPlaced"], "FunnelInvalid", "true or false"),
        (["--step", "CustomerRegistered where name = a", "--step", "OrderPlaced"], "FunnelInvalid", "personal"),
        (["--step", "OrderPlaced where lines = a", "--step", "OrderPlaced"], "FunnelInvalid", "lists"),
        (["--step", "OrderPlaced"], "FunnelInvalid", "2 to 32"),
        (["--step", "OrderPlaced", "--step", "OrderPlaced", "--within", "0 days"], "FunnelInvalid", "above zero"),
        (["--step", "OrderPlaced", "--step", "OrderPlaced", "--within", "a while"], "FunnelInvalid", "above zero"),
        (["--step", "OrderPlaced", "--step", "OrderPlaced", "--order", "any"], "FunnelInvalid", "loose"),
        (["--step", "OrderPlaced", "--step", "OrderPlaced", "--by", "nope"], "FunnelInvalid", "no field nope"),
        (["--step", "OrderPlaced", "--step", "OrderPlaced", "--as-of", "2026-02-01"], "FunnelInvalid", "2026-03-01"),
    ],
)
def test_what_cannot_be_asked_is_explained(
    company: tuple[Shell, Path], words: list[str], error: str, said: str
) -> None:
    shell, place = company
    for source in ([], ["--mirror", str(place / "mirror")]):
        ended = shell("funnel", *words, *source, "--format", "json")
        assert (ended.code, ended.error["error"]) == (3, error)
        assert said in json.dumps(ended.error)
        assert ended.error["way_out"]


def test_a_file_that_states_none_is_explained(company: tuple[Shell, Path], tmp_path: Path) -> None:
    shell, _ = company
    for text, said in [("steps = 1", "steps"), ("nope = 1\nsteps = []", "nope"), ("steps = [", "TOML"), ("", "steps")]:
        (tmp_path / "f.toml").write_text(text)
        ended = shell("funnel", str(tmp_path / "f.toml"), "--format", "json")
        assert ended.code == 3
        assert said.lower() in json.dumps(ended.error).lower()
    assert shell("funnel", str(tmp_path / "none.toml"), "--format", "json").error["error"] == "UnreadableInput"
    assert shell("funnel").code == 2
    words = ["--step", "OrderPlaced", "--step", "OrderPlaced"]
    assert shell("funnel", *words, "--lost", "3").code == 2
    assert (
        shell("funnel", *words, "--mirror", str(tmp_path / "none"), "--format", "json").error["error"]
        == "MirrorUnusable"
    )


def test_a_log_without_touchpoints_answers_nobody(sqlite_url: str, tmp_path: Path) -> None:
    shell = Shell(sqlite_url)
    shell("init")
    shell("mirror", str(tmp_path / "mirror"))
    words = ["funnel", "--step", "OrderPlaced", "--step", "OrderPlaced", "--format", "json", "--as-of", "2020-01-01"]
    for source in ([], ["--mirror", str(tmp_path / "mirror")]):
        assert [row["customers"] for row in shell(*words, *source).json] == [0, 0]
