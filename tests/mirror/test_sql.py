"""`lifecircle sql`: a mirror asked by DuckDB, which reads the mirror's files and nothing else."""

from pathlib import Path

import pytest

from adapters.engine import Engine
from tests.cli.program import Shell
from tests.read_side.story import called, merged, moved, ordered, record


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A log with a mirror beside it, in the environment."""
    place = tmp_path_factory.mktemp("sql")
    with Engine.create(f"sqlite:///{place}/log.db") as engine:
        record(engine, [ordered("anna", "o1", 3), called("bert", "c1", 4, "it's well"), moved("bert", "m", "c1", 9)])
        record(engine, [merged("anna", "bert", "m1")])
    shell = Shell(f"sqlite:///{place}/log.db")
    assert shell("run", "--once").code == 0
    assert shell("mirror", str(place / "mirror")).code == 0
    return shell


def _ask(shop: Shell, *words: str, stdin: str | None = None):  # type: ignore[no-untyped-def]
    mirror = Path(shop.url.removeprefix("sqlite:///")).with_name("mirror")
    return shop("sql", "--mirror", str(mirror), "--format", "json", *words, stdin=stdin)


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT kind, count(*) AS n FROM touchpoints GROUP BY kind ORDER BY kind", [1, 2, 1, 1]),
        ("SELECT subject, count(*) AS n FROM history GROUP BY subject", [3]),
        ("SELECT result, extract(day FROM occurred) AS n FROM ContactMade", [9]),
        ("SELECT decode(state)::JSON ->> 'type' AS kind, version AS n FROM touchpoints WHERE number = 1", [1]),
        ("SELECT subject, gross_micros AS n FROM loyalty WHERE orders > 0", [10_000_000]),
        ("SELECT count(*) AS n FROM (DESCRIBE history) WHERE column_name = 'written'", [0]),
        ("SELECT count(*) AS n FROM dictionary WHERE relation = 'OrderPlaced' AND column_name = 'total_micros'", [1]),
    ],
)
def test_every_dataset_is_there(shop: Shell, sql: str, answer: list[int]) -> None:
    assert [row["n"] for row in _ask(shop, sql).json] == answer


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM touchpoints", "read only"),
        ("COPY (SELECT 1) TO 'x.csv'", "read only"),
        ("SET allowed_paths = ['/']", "read only"),
        ("ATTACH 'x.db'", "read only"),
        ("INSTALL httpfs", "read only"),
        ("SELECT 1; SELECT 2", "read only"),
        ("SELECT * FROM read_text('/etc/hostname')", "disabled"),
        ("SELECT * FROM 'https://example.org/x.parquet'", "DuckDB"),
        ("SELECT * FROM nope", "nope"),
        ("SELEC 1", "syntax"),
    ],
)
def test_it_reads_the_mirror_and_nothing_else(shop: Shell, sql: str, said: str) -> None:
    ended = _ask(shop, sql)
    assert (ended.code, ended.error["error"]) == (3, "QueryRefused")
    assert said in str(ended.error)


def test_an_error_repeats_no_value(shop: Shell) -> None:
    assert "well" not in _ask(shop, "SELECT result::INTEGER FROM ContactMade").err


def test_statements_are_piped_in(shop: Shell) -> None:
    ended = _ask(shop, stdin="SELECT 1 AS a;\n\nSELECT\n 2 AS b")
    assert ended.out.count("[") == 2
    assert _ask(shop, stdin="SELEC 1;").code == 3


def test_a_mirror_must_be_there(shop: Shell, tmp_path: Path) -> None:
    ended = shop("sql", "--mirror", str(tmp_path), "SELECT 1")
    assert ended.code == 8
    assert "lifecircle mirror" in ended.err
