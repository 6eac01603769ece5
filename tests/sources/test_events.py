"""JSON Lines of CloudEvents, imported as they are."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from adapters.engine import Engine
from adapters.evidence import quarantined
from adapters.settings import LIMITS
from adapters.sources.importer import import_file
from adapters.sources.report import Report
from domain.errors import UnreadableInput
from tests.sources.shop import accounted, stored, write


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "shop",
        "type": "OrderPlaced",
        "subject": "anna",
        "time": "2026-03-01T10:00:00+01:00",
        "data": {"order": f"o{number}", "total": "12.34 EUR"},
    } | changes


def lines(*events: object) -> str:
    return "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in events)


def bring(engine: Engine, file: Path) -> Report:
    return import_file(engine, file, None, recordedby="test")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_each_line_is_a_touchpoint_and_a_second_import_adds_nothing(tmp_path: Path, url: str, *, packed: bool) -> None:
    text = "\ufeff" + lines(event(1), event(2, dataschema="urn:lifecircle:OrderPlaced:1"), "", event(3)).rstrip()
    file = write(tmp_path, text, "events.jsonl", packed=packed)
    with Engine.create(url) as engine:
        first, second = bring(engine, file), bring(engine, file)
        facts = stored(engine)
    assert (first.rows, first.stored, first.left_out["blank line"]) == (4, 3, 1)
    assert (second.stored, second.repeats) == (0, 3)
    assert first.touchpoints == {"OrderPlaced": 3}
    assert [(fact.id, fact.source, fact.data["total"]["micros"]) for fact in facts] == [
        (f"e{number}", "shop", 12_340_000) for number in (1, 2, 3)
    ]


def test_what_a_log_holds_comes_back_the_same_from_its_lines(tmp_path: Path, sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        bring(engine, write(tmp_path, lines(event(1), event(2)), "events.jsonl"))
        states = [each.state for each in engine.log.read(engine.log.start(), 10)]
    (tmp_path / "copy.jsonl.gz").write_bytes(gzip.compress(b"\n".join(states)))
    with Engine.create(f"sqlite:///{tmp_path}/copy.db") as engine:
        assert bring(engine, tmp_path / "copy.jsonl.gz").stored == 2
        assert [each.state for each in engine.log.read(engine.log.start(), 10)] == states


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ('{"id": 1', "no JSON"),
        ("[]", "one JSON object"),
        ('{"id": "a", "id": "b"}', "twice"),
        ('{"id": NaN}', "NaN"),
        ('{"id": "\\ud800"}', "surrogate"),
        ('{"id": "\\u0000"}', "NUL"),
        ("[" * 5_000, "deep"),
        (json.dumps(event(9, type="OrderPlacd")), "registered kind"),
        (json.dumps(event(9, time="yesterday")), "ISO 8601"),
        (json.dumps(event(9, time="2999-01-01T00:00:00Z")), "ahead"),
        (json.dumps(event(9, data={"order": "o"})), "total"),
        (json.dumps(event(9, subject="anna@example.org")), "e-mail"),
        ('{"x": "' + "a" * LIMITS.import_line_max_chars + '"}', "at most"),
        (json.dumps(event(1, data={"order": "other", "total": "12.34 EUR"})), "id"),
    ],
)
def test_a_line_that_is_no_touchpoint_goes_to_quarantine_with_its_number(
    tmp_path: Path, sqlite_url: str, bad: str, rule: str
) -> None:
    with Engine.create(sqlite_url) as engine:
        report = bring(engine, write(tmp_path, lines(event(1), bad, event(2)), "events.jsonl"))
        (row,) = quarantined(engine)
        assert [fact.id for fact in stored(engine)] == ["e1", "e2"]
    assert accounted(report)
    assert (row.batch, row.row, row.source) == (report.batch, 2, "cloudevents")
    assert row.raw == bad[: LIMITS.import_line_max_chars]
    assert rule in row.rule
    assert "12.34" not in row.rule + row.message


def test_a_line_in_another_encoding_suffers_alone(tmp_path: Path, sqlite_url: str) -> None:
    text = lines(event(1)).encode() + json.dumps(event(2, channel="jürg"), ensure_ascii=False).encode("latin-1")
    with Engine.create(sqlite_url) as engine:
        report = bring(engine, write(tmp_path, text + b"\n" + lines(event(3)).encode(), "events.jsonl"))
        (row,) = quarantined(engine)
    assert (report.stored, row.row, row.rule) == (2, 2, "the text is utf-8")
    assert "j\\xfcrg" in row.raw


def test_a_table_without_a_mapping_is_refused_not_quarantined_row_by_row(tmp_path: Path, sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        with pytest.raises(UnreadableInput, match="no CloudEvents") as refused:
            bring(engine, write(tmp_path, "customer,when\nanna,2026-03-01\n"))
        assert not quarantined(engine)
    assert "--map" in refused.value.way_out


def test_an_empty_file_of_events_holds_none(tmp_path: Path, sqlite_url: str) -> None:
    with Engine.create(sqlite_url) as engine:
        assert bring(engine, write(tmp_path, "", "events.jsonl")).rows == 0


def test_amounts_keep_their_digits(tmp_path: Path, sqlite_url: str) -> None:
    told = json.dumps(event(1)).replace('"12.34 EUR"', '{"amount": 0.100001, "currency": "EUR"}')
    with Engine.create(sqlite_url) as engine:
        bring(engine, write(tmp_path, lines(told), "events.jsonl"))
        (held,) = stored(engine)
        assert held.data["total"] == {"micros": 100_001, "currency": "EUR"}
