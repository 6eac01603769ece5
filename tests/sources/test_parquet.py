"""Parquet: typed columns come in exactly, and damage is noticed before a row is stored."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters.engine import Engine
from adapters.evidence import quarantined
from adapters.settings import LIMITS
from domain.errors import ExtraMissing, MappingInvalid, UnreadableInput
from tests.sources.shop import ORDERS, accounted, bring_in, stored

PARQUET = ORDERS + '[file]\nformat = "parquet"\n'
WHEN = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    with Engine.create(sqlite_url) as made:
        yield made


def parquet(folder: Path, /, **columns: Any) -> Path:
    return written(folder, columns, 1_000)


def written(folder: Path, columns: dict[str, Any], rows_a_group: int) -> Path:
    path = folder / "orders.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=rows_a_group, write_page_checksum=True)
    return path


def orders(folder: Path, count: int, rows_a_group: int = 1_000) -> Path:
    prices = pa.array([Decimal(number) / 100 for number in range(count)], pa.decimal128(12, 2))
    when = pa.array([WHEN] * count, pa.timestamp("ms", "Europe/Berlin"))
    customers = [f"c{number % 97}" for number in range(count)]
    return written(folder, {"customer": customers, "when": when, "price": prices}, rows_a_group)


def test_rows_of_all_row_groups_come_in_once(tmp_path: Path, url: str) -> None:
    with Engine.create(url) as engine:
        file = orders(tmp_path, 250, rows_a_group=100)
        first, second = bring_in(engine, file, PARQUET), bring_in(engine, file, PARQUET)
        facts = stored(engine)
    assert (first.rows, first.stored, second.stored, second.repeats) == (250, 250, 0, 250)
    assert sum(fact.data["total"]["micros"] for fact in facts) == sum(range(250)) * 10_000
    assert facts[0].envelope["time"] == "2026-03-01T11:00:00+01:00"


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (pa.array([Decimal("0.0000001")], pa.decimal128(20, 7)), "0.0000001"),
        (pa.array([Decimal("12345678901234567890.123456")], pa.decimal256(50, 6)), "12345678901234567890.123456"),
        (pa.array([0.1], pa.float64()), "0.1"),
        (pa.array([0.1], pa.float32()), "0.1"),
        (pa.array([1e-7]), "0.0000001"),
        (pa.array([float("nan")]), "NaN"),
        (pa.array([2**63 - 1]), "9223372036854775807"),
        (pa.array([True]), "true"),
        (pa.array([date(2026, 3, 1)]), "2026-03-01"),
        (pa.array([datetime(2026, 3, 1, 10)]), "2026-03-01T10:00:00"),  # noqa: DTZ001 - has no zone
        (pa.array([WHEN], pa.timestamp("s", "Europe/Rome")), "2026-03-01T11:00:00+01:00"),
        (pa.array([1_772_359_200_123_456_789], pa.timestamp("ns", "UTC")), "2026-03-01T10:00:00.123456+00:00"),
        (pa.array([2**62], pa.timestamp("us")), "beyond the calendar"),
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array([b"x"]), "x"),
        (pa.array([None], pa.null()), None),
        (pa.array([None], pa.string()), None),
        (pa.array([None], pa.timestamp("us", "UTC")), None),
    ],
)
def test_a_typed_value_is_read_as_a_file_of_text_would_write_it(
    tmp_path: Path, engine: Engine, column: Any, cell: str | None
) -> None:
    file = parquet(tmp_path, customer=["anna"], when=pa.array([WHEN]), price=["1"], x=column)
    bring_in(engine, file, PARQUET + '[touchpoint.envelope]\ncustom.x = "x"\n')
    assert stored(engine)[0].envelope.get("custom", {}) == ({} if cell is None else {"x": cell})


@pytest.mark.parametrize(
    ("bad", "rule"),
    [({"price": b"NaN"}, "decimal"), ({"when": b"soon"}, "time"), ({"customer": None}, "subject"),
     ({"customer": b"\xff"}, "utf-8"), ({"customer": b"a\0b"}, "NUL")],
)  # fmt: skip
def test_a_row_that_cannot_be_taken_goes_to_quarantine_alone(
    tmp_path: Path, engine: Engine, bad: dict[str, Any], rule: str
) -> None:
    good = {"customer": b"anna", "when": b"2026-03-01T10:00:00", "price": b"1"}
    # As writers do that know no texts, only bytes.
    columns = {name: pa.array([value, bad.get(name, value), value], pa.binary()) for name, value in good.items()}
    report = bring_in(engine, parquet(tmp_path, **columns), PARQUET)
    assert accounted(report)
    assert (report.stored, report.quarantined.total()) == (2, 1)
    (row,) = quarantined(engine)
    assert row.row == 2
    assert rule in row.rule
    assert row.raw.startswith("{")


def test_lists_and_structures_are_no_columns(tmp_path: Path, engine: Engine) -> None:
    file = parquet(tmp_path, customer=["a"], when=pa.array([WHEN]), price=[{"amount": 1}])
    with pytest.raises(MappingInvalid, match="price"):
        bring_in(engine, file, PARQUET)
    with pytest.raises(UnreadableInput, match="no column"):
        bring_in(engine, parquet(tmp_path, price=[[1]]), PARQUET)


@pytest.mark.parametrize("damage", ["cut", "footer", "page", "gzip", "text"])
def test_a_damaged_file_is_refused_whole(tmp_path: Path, engine: Engine, damage: str) -> None:
    file = orders(tmp_path, 20_000, rows_a_group=5_000)
    content = bytearray(file.read_bytes())
    match damage:
        case "cut":
            content = content[: len(content) // 2]
        case "footer":
            content[-20] ^= 0xFF
            content[-8:-4] = b"\xff\xff\xff\x7f"
        case "page":
            place = len(content) * 2 // 3
            content[place : place + 64] = bytes(64)
        case "gzip":
            content = bytearray(gzip.compress(content))
        case _:
            content = bytearray(b"customer,when,price\n")
    file.write_bytes(content)
    with pytest.raises(UnreadableInput) as refused:
        bring_in(engine, file, PARQUET)
    assert refused.value.way_out
    assert not stored(engine)


def test_too_many_columns_are_refused(tmp_path: Path, engine: Engine) -> None:
    file = parquet(tmp_path, **{f"c{number}": [1] for number in range(LIMITS.import_columns_max + 1)})
    with pytest.raises(UnreadableInput, match="too many columns"):
        bring_in(engine, file, PARQUET)


WITHOUT = """
import sys
sys.modules["pyarrow"] = None
from pathlib import Path
from adapters.sources.parquet import ParquetFile
from domain.errors import ExtraMissing
try:
    ParquetFile(Path("orders.parquet"))
except ExtraMissing as error:
    print(error.way_out)
"""


def test_without_pyarrow_the_extra_is_named(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert "lifecircle[arrow]" in found.stdout
    assert ExtraMissing.exit_code == 8
