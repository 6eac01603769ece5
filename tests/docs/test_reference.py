"""The reference says what the code says, and leaves nothing out."""

import re
from pathlib import Path

import click
import pytest

from adapters.configuration import SETTINGS
from adapters.settings import LIMITS
from cli.main import lifecircle
from docs.generate import REFERENCE, reference
from docs.generate.errors import cases, errors
from docs.generate.settings import limits
from domain.company import Company
from domain.errors import LifecircleError
from domain.judging import lifecycles
from domain.touchpoint import KINDS
from projections import views
from projections.reports import reports

MADE = reference()
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", MADE, ids=lambda page: str(page.relative_to(REFERENCE)))
def test_a_page_is_as_the_code_has_it(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == MADE[page], "stale: run make docs"


def test_no_page_is_left_of_what_is_gone() -> None:
    assert set(REFERENCE.rglob("*.*")) == set(MADE)


def test_every_kind_view_question_command_error_setting_and_lifecycle_has_its_place() -> None:
    questions = [question.name for view in views().values() for question in view.questions]
    commands = [f"lifecircle {name}" for name in lifecircle.list_commands(click.Context(lifecircle))]
    headings = {line.lstrip("# ") for text in MADE.values() for line in text.splitlines() if line.startswith("##")}
    named = {
        *(each.key for each in lifecycles()),
        *KINDS,
        *views(),
        *questions,
        *commands,
        *(error.__name__ for error in errors()),
    }
    assert named - headings == set()
    settings = MADE[REFERENCE / "settings.md"]
    assert [name for name in (*vars(LIMITS), *Company.model_fields, *SETTINGS) if f"| `{name}` |" not in settings] == []


def test_every_question_and_every_report_stands_in_the_tables_of_the_how_tos() -> None:
    told = {name: (ROOT / "docs" / "how-to" / name).read_text() for name in ("query.md", "report.md")}
    rows = [line for line in told["query.md"].splitlines() if line.startswith("| ")]
    asked = {name for line in rows for name in re.findall(r"`(\w+)`", line.split("|")[2])}
    known = {question.name for view in views().values() for question in view.questions}
    assert known - asked == set(), "add them to the table of docs/how-to/query.md"
    assert asked - known - {"select"} == set()
    named = {command for line in rows for command in re.findall(r"`(report \w+)`", line)}
    assert named <= {f"report {name}" for name in reports()}
    assert [name for name in reports() if f"| `{name}` |" not in told["report.md"]] == []


def test_every_limit_and_every_setting_of_a_company_says_what_it_means() -> None:
    assert list(limits()) == list(vars(LIMITS))
    assert [name for name, field in Company.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("error", sorted(errors(), key=str), ids=str)
def test_every_error_has_a_meaning_an_exit_code_and_wherever_it_says_what_also_a_way_out(
    error: type[LifecircleError],
) -> None:
    assert error.__doc__
    assert 1 <= error.exit_code < 128 or error.exit_code == 130, "beyond are signals, of which Ctrl-C is one"
    said = cases()[error.__name__]
    assert not said or any(way_out for _, way_out in said)
