"""`lifecircle attribution`: six rules side by side at the command line."""

import json
from pathlib import Path
from typing import Any

from tests.cli.program import Shell


def told(kind: str, subject: str, number: int, data: dict[str, Any], **given: str) -> str:
    time = f"2026-03-{number:02}T10:00:00Z"
    return json.dumps(
        {"id": f"{subject}-{number}", "source": "crm", "type": kind, "subject": subject, "time": time, "data": data}
        | given
    )


def test_six_rules_give_all_of_the_value_live_and_as_of_a_moment(shop: Shell, tmp_path: Path) -> None:
    # The chain of the unit test: a then b converts, a alone is lost, b alone converts.
    ad: dict[str, Any] = {"ad": "x"}
    file = tmp_path / "touches.jsonl"
    lines = [
        told("AdClicked", "c-1", 1, ad, channel="a", cost="1 EUR"),
        told("AdClicked", "c-1", 2, ad, channel="b"),
        told("OrderPlaced", "c-1", 3, {"order": "o-1", "total": "60 EUR"}),
        told("AdClicked", "c-2", 1, ad, channel="a"),
        told("AdClicked", "c-3", 1, ad, channel="b"),
        told("OrderPlaced", "c-3", 9, {"order": "o-3", "total": "30 EUR"}),
    ]
    file.write_text("\n".join(lines) + "\n")
    assert shop("import", str(file)).code == 0
    assert shop("run", "--once").code == 0
    live = shop("attribution", "--format", "json")
    found = {each["channel"]: each for each in live.json}
    assert {name: each["markov_value_micros"] for name, each in found.items()} == {"a": 30_000_000, "b": 60_000_000}
    assert (found["a"]["first_value_micros"], found["b"]["last_value_micros"]) == (60_000_000, 90_000_000)
    assert (found["a"]["cost_micros"], found["a"]["markov_return"]) == (1_000_000, 29.0)
    mistaken = shop("attribution", "--conversion", "OrderPlacd")
    assert (mistaken.code, "is not one of" in mistaken.err) == (2, True)
    cursor = live.err.split()[-1]
    assert shop("attribution", "--known-at", cursor, "--format", "json").json == live.json
    before = shop("attribution", "--as-of", "2026-03-05", "--conversions", "--format", "json").json
    assert sum(each["linear_credit_micros"] for each in before) == 1_000_000
    assert sum(each["markov_credit_micros"] for each in before) == 1_000_000
    assert shop("attribution", "--conversion", "OpportunityWon", "--format", "json").json == []
    named = shop("attribution", "--by", "campaign", "--format", "csv").out.splitlines()
    assert named[0].startswith("campaign,conversion_kind,currency,customers,first_value_micros")
    assert named[1].startswith(",OrderPlaced,EUR,2,90000000"), "touches that name no campaign are a row of their own"


def test_without_views_there_is_no_attribution(file_shop: Shell) -> None:
    refused = file_shop("attribution", "--format", "json")
    assert (refused.code, refused.error["error"]) == (6, "ViewNotBuilt")
