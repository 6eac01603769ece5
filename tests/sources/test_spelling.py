"""Numbers as the world writes them, currency signs, and words of one's own."""

from pathlib import Path

import pytest

from adapters.engine import Engine
from domain.errors import MappingInvalid
from tests.sources.shop import HEADER, ORDERS, bring_in, stored, write

PRICE = 'currency = "EUR" }'


def prices(folder: Path, url: str, said: str, cells: list[str]) -> list[int | None]:
    """The amounts in hundredths that cells come to; None for one that goes to quarantine."""
    rows = "".join(f'c{place},2026-03-01T10:00:00,"{cell}"\n' for place, cell in enumerate(cells))
    with Engine.create(url) as engine:
        bring_in(engine, write(folder, HEADER + rows), ORDERS.replace(PRICE, f'currency = "EUR", {said} }}'))
        found = {fact.stream: fact.data["total"]["micros"] // 10_000 for fact in stored(engine)}
    return [found.get(f"c{place}") for place in range(len(cells))]


@pytest.mark.parametrize(
    ("style", "cells", "hundredths"),
    [
        ("1.234,56", ["1.234,56", "12,5", "7", "-1.234.567,00", "12.5", "1,234.56"],
         [123456, 1250, 700, -123456700, None, None]),
        ("1,234.56", ["1,234.56", "12.5", "7", "1.234,56", "12,5"], [123456, 1250, 700, None, None]),
        ("1 234,56", ["1 234,56", "1\u00a0234,56", "1\u202f234,56", "12,5", "1.234"],
         [123456, 123456, 123456, 1250, None]),
        ("1'234.56", ["1'234.56", "1\u2019234.56", "12.5"], [123456, 123456, 1250]),
        ("1234.56", ["1234.56", "1,234.56"], [123456, None]),
    ],
)  # fmt: skip
def test_numbers_are_read_as_their_country_writes_them(
    tmp_path: Path, sqlite_url: str, style: str, cells: list[str], hundredths: list[int | None]
) -> None:
    assert prices(tmp_path, sqlite_url, f'number = "{style}"', cells) == hundredths


def test_a_currency_sign_may_stand_before_or_after(tmp_path: Path, sqlite_url: str) -> None:
    cells = ["€12,50", "12,50 €", "-€12,50", "€ -12,50", "- 12,50 €", "12,50", "$12,50", "€"]
    found = prices(tmp_path, sqlite_url, 'number = "1.234,56", sign = "€"', cells)
    assert found == [1250, 1250, -1250, -1250, -1250, 1250, None, None]


def test_words_of_ones_own_stand_for_those_of_the_kind(tmp_path: Path, sqlite_url: str) -> None:
    mapping = (
        ORDERS + 'self_service = { column = "customer", type = "boolean", words = { "ja" = "yes", "nein" = "no" } }\n'
    )
    mapping = mapping.replace('subject = "customer"', 'subject = { constant = "c" }')
    text = HEADER + "".join(f"{word},2026-03-01T10:00:00,1\n" for word in ("ja", "nein", "oui"))
    with Engine.create(sqlite_url) as engine:
        report = bring_in(engine, write(tmp_path, text), mapping)
        assert [fact.data["self_service"] for fact in stored(engine)] == [True, False]
    assert report.quarantined.total() == 1


@pytest.mark.parametrize("said", ['number = "1_000"', 'words = { a = "b" }, sign = "x"', 'sign = ""'])
def test_spellings_that_make_no_sense_are_refused(tmp_path: Path, sqlite_url: str, said: str) -> None:
    with pytest.raises(MappingInvalid):
        prices(tmp_path, sqlite_url, said, [])
