"""Files as the world writes them: formats, encodings, damage. Every row of them is accounted for."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from adapters.engine import Engine
from adapters.evidence import quarantined
from adapters.settings import LIMITS
from domain.errors import MappingInvalid, UnreadableInput
from tests.sources.shop import HEADER, ORDERS, accounted, bring_in, stored, write

FILE_OF = {
    "csv": "customer,when,price\nanna,2026-03-01T10:00:00,12.50\nbert,2026-03-02T10:00:00,3\n",
    "tsv": "customer\twhen\tprice\r\nanna\t2026-03-01T10:00:00\t12.50\r\nbert\t2026-03-02T10:00:00\t3\r\n",
    "whitespace": "  customer when    price\n anna  2026-03-01T10:00:00\t12.50\n bert 2026-03-02T10:00:00 3\n",
}


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    with Engine.create(sqlite_url) as made:
        yield made


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("form", sorted(FILE_OF))
def test_every_format_gives_the_same_touchpoints(tmp_path: Path, engine: Engine, form: str, *, packed: bool) -> None:
    report = bring_in(engine, write(tmp_path, FILE_OF[form], packed=packed), ORDERS + f'[file]\nformat = "{form}"\n')
    assert (report.rows, report.stored, report.quarantined.total()) == (2, 2, 0)
    assert [(fact.stream, fact.data["total"]["micros"]) for fact in stored(engine)] == [
        ("anna", 12_500_000),
        ("bert", 3_000_000),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "cp1252"])
def test_an_encoding_named_in_the_mapping_is_read(tmp_path: Path, engine: Engine, encoding: str) -> None:
    named = "utf-8" if encoding == "utf-8-sig" else encoding
    file = write(tmp_path, (HEADER + "jürgen,2026-03-01T10:00:00,1\n").encode(encoding))
    assert bring_in(engine, file, ORDERS + f'[file]\nencoding = "{named}"\n').stored == 1
    assert stored(engine)[0].stream == "jürgen"


def test_a_file_without_header_has_the_columns_that_the_mapping_names(tmp_path: Path, engine: Engine) -> None:
    form = '[file]\nheader = false\ncolumns = ["customer", "when", "price"]\ndelimiter = ";"\n'
    assert bring_in(engine, write(tmp_path, "anna;2026-03-01T10:00:00;1\n"), ORDERS + form).stored == 1


def test_a_quoted_cell_may_hold_the_delimiter_and_line_breaks(tmp_path: Path, engine: Engine) -> None:
    mapping = ORDERS + 'payment_method = "customer"\n'
    report = bring_in(engine, write(tmp_path, HEADER + '"a, b",2026-03-01T10:00:00,1\nbert,oops,1\n'), mapping)
    assert stored(engine)[0].stream == "a, b"
    assert [row.row for row in quarantined(engine)] == [3]
    assert accounted(report)


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (b"anna,2026-03-01T10:00:00\n", "as many cells"),
        (b"anna,2026-03-01T10:00:00,1,2\n", "as many cells"),
        (b"an\xffna,2026-03-01T10:00:00,1\n", "utf-8"),
        (b"an\x00na,2026-03-01T10:00:00,1\n", "NUL"),
        (b'"anna"x,2026-03-01T10:00:00,1\n', "quotes"),
        (b'"' + b"a" * 140_000 + b'",2026-03-01T10:00:00,1\n', "lengths"),
        (b"a" * (LIMITS.import_line_max_chars + 10) + b",2026-03-01T10:00:00,1\n", "at most"),
        (b"anna,yesterday,1\n", "time in the format iso"),
        (b"anna,2026-03-01T10:00:00,1e5\n", "decimal"),
        (b"anna,2026-03-01T10:00:00,NaN\n", "decimal"),
        (b",2026-03-01T10:00:00,1\n", "subject"),
        (b"anna@example.org,2026-03-01T10:00:00,1\n", "e-mail"),
        (b"anna,2026-03-01T10:00:00,0.0000001\n", "six"),
        (b"anna,2999-03-01T10:00:00,1\n", "ahead"),
        (b"anna,2026-03-29T02:30:00,1\n", "put forward"),
    ],
)
def test_a_row_that_cannot_be_taken_goes_to_quarantine_alone(
    tmp_path: Path, engine: Engine, bad: bytes, rule: str
) -> None:
    good = b"bert,2026-03-01T10:00:00,1\n", b"carl,2026-03-01T10:00:00,1\n"
    report = bring_in(engine, write(tmp_path, HEADER.encode() + good[0] + bad + good[1]))
    assert (report.rows, report.stored, report.quarantined.total()) == (3, 2, 1)
    (row,) = quarantined(engine)
    assert (row.batch, row.row, row.source) == (report.batch, 3, "shop")
    assert rule in row.rule
    assert "anna" not in row.rule + row.message
    assert [fact.stream for fact in stored(engine)] == ["bert", "carl"]


def test_a_quote_that_is_never_closed_loses_nothing(tmp_path: Path, engine: Engine) -> None:
    rows = "".join(f"c{number},2026-03-01T10:00:00,1\n" for number in range(10))
    report = bring_in(engine, write(tmp_path, HEADER + 'anna,2026-03-01T10:00:00,1\n"bert,x,1\n' + rows))
    assert (report.stored, report.quarantined.total()) == (1, 1)
    assert all(f"c{number}," in quarantined(engine)[0].raw for number in range(10))


def test_undecodable_bytes_and_nul_stay_readable_in_quarantine(tmp_path: Path, engine: Engine) -> None:
    bring_in(engine, write(tmp_path, HEADER.encode() + b"a\xffb\x00c,d,e\n"))
    assert quarantined(engine)[0].raw == "a\\xffb\\x00c,d,e"


def test_blank_lines_are_counted_as_left_out(tmp_path: Path, engine: Engine) -> None:
    report = bring_in(engine, write(tmp_path, HEADER + "\nanna,2026-03-01T10:00:00,1\n\n"))
    assert (report.rows, report.stored, report.left_out["blank line"]) == (3, 1, 2)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_gzip_that_is_cut_off_is_refused_whole(tmp_path: Path, engine: Engine, keep: float) -> None:
    rows = "".join(f"{token_hex(8)},2026-03-01T10:00:00,{number}\n" for number in range(5_000))
    file = write(tmp_path, HEADER + rows, packed=True)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    with pytest.raises(UnreadableInput, match="damaged, cut off"):
        bring_in(engine, file)
    assert not stored(engine)


def test_a_gzip_with_a_flipped_bit_is_refused_whole(tmp_path: Path, engine: Engine) -> None:
    file = write(tmp_path, HEADER + "anna,2026-03-01T10:00:00,1\n" * 100, packed=True)
    content = bytearray(file.read_bytes())
    content[-6] ^= 1
    file.write_bytes(content)
    with pytest.raises(UnreadableInput, match="damaged, cut off"):
        bring_in(engine, file)
    assert not stored(engine)


@pytest.mark.parametrize("text", [b"", b"\n", b"\xff\xfe,\x00\n"])
def test_a_file_without_a_readable_header_is_refused(tmp_path: Path, engine: Engine, text: bytes) -> None:
    with pytest.raises(UnreadableInput, match="header"):
        bring_in(engine, write(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(UnreadableInput, match="cannot be read"):
        bring_in(engine, tmp_path / "nowhere.csv")


@pytest.mark.parametrize("text", [",".join(f"c{n}" for n in range(1_000_000)), "a," * 400_000 + "b"], ids=len)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_a_file_of_a_million_columns_is_refused_in_little_memory(
    tmp_path: Path, engine: Engine, text: str, *, packed: bool
) -> None:
    file = write(tmp_path, f"{text}\n{text}\n", packed=packed)
    tracemalloc.start()
    with pytest.raises(UnreadableInput) as refused:
        bring_in(engine, file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "at most" in refused.value.rule
    assert peak < 100_000_000


def test_rows_of_another_encoding_than_the_rest_suffer_alone(tmp_path: Path, engine: Engine) -> None:
    rows = [(name + ",2026-03-01T10:00:00,1\n").encode(code) for name, code in [("jürg", "utf-8"), ("jörg", "latin-1")]]
    report = bring_in(engine, write(tmp_path, HEADER.encode() + b"".join(rows * 2)))
    assert (report.stored, report.quarantined) == (2, {"the text is utf-8": 2})
    assert {fact.stream for fact in stored(engine)} == {"jürg"}
    assert [row.raw.partition(",")[0] for row in quarantined(engine)] == ["j\\xf6rg"] * 2


def test_a_header_that_names_a_column_twice_is_refused(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(MappingInvalid, match="twice"):
        bring_in(engine, write(tmp_path, "customer,when,customer\n"))


def test_a_column_that_the_file_has_not_is_refused_before_anything_is_stored(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(MappingInvalid, match="price") as refused:
        bring_in(engine, write(tmp_path, "customer,when,cost\nanna,2026-03-01T10:00:00,1\n"))
    assert "customer, when, cost" in refused.value.rule
    assert not stored(engine)
    assert not quarantined(engine)
