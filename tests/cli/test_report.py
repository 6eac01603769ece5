"""`lifecircle report`: pages that stand alone, and whose figures are the questions' answers."""

import importlib.util
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import clock_us
from adapters.codec import read_envelope
from adapters.engine import Engine
from adapters.reports.answers import Answer
from adapters.reports.figures import shown, unit_of
from adapters.views.moments import named_in
from cli.stories import brightwater
from projections import views
from projections.models import model_named
from projections.report import Bars, Grid, Lines, Report, Section, Tiles
from projections.reports import reports
from projections.view import columns_of
from tests.cli.program import Shell

SECTIONS = [(report, section) for report in reports().values() for section in report.sections]
OUTSIDE = re.compile(
    r"""(?:src|href|action|data|poster)\s*=\s*["'](?!#)|url\(\s*["']?(?!#)|@import|<script|<link|<iframe"""
)


class Page(HTMLParser):
    """What a test asks of a page: its elements, and the text of each table's cells."""

    VOID = ("meta", "link", "img", "br", "use", "path")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag, "the page is well-formed"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def tell(url: str) -> None:
    """Half a year of a small company, and what a hostile producer may call a channel."""
    with Engine.open(url) as engine:
        hostile = {"id": "x", "source": "t", "subject": "c-x", "type": "AdClicked", "data": {"ad": "$x_1$"}}
        hostile |= {"time": "2026-03-01T10:00:00Z", "channel": "<script>alert(1)</script> $\\frac{1}{2}$ 漢 & co"}
        events = [*brightwater.anna(), *brightwater.neighbours(), hostile]
        clock = clock_us()
        engine.append([read_envelope(event, clock, engine.company) for event in events], recordedby="test")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Path]:
    """A log with a story, its views built, and the page of all reports."""
    folder = tmp_path_factory.mktemp("report")
    shell = Shell(f"sqlite:///{folder / 'shop.db'}")
    assert shell("init", "--name", "Tea & <Sons>", "--zone", "Europe/London").code == 0
    tell(shell.url)
    assert shell("run", "--once").code == 0
    page = folder / "all.html"
    done = shell("report", "all", "-o", str(page))
    assert done.code == 0, done.err
    return shell, page


def test_the_page_stands_alone_and_is_well_formed(told: tuple[Shell, Path]) -> None:
    text = told[1].read_text()
    assert not OUTSIDE.search(text)
    page = Page(text)
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for attributes in page.all("a")} <= {f"#{name}" for name in ids}
    assert page.all("html")[0]["lang"]
    assert any(attributes.get("name") == "viewport" for attributes in page.all("meta"))


def test_every_picture_has_a_text_in_its_place_and_a_table_beneath(told: tuple[Shell, Path]) -> None:
    page = Page(told[1].read_text())
    alternatives = [each["aria-label"] for each in page.all("div") if each.get("role") == "img"]
    assert len(alternatives) == len(page.all("svg")) == len(page.all("figure")) > 20
    assert all(alternatives)
    assert any("analysis 37; attraction 3" in (each or "") for each in alternatives)


def test_what_customers_say_is_text_and_nothing_else(told: tuple[Shell, Path]) -> None:
    text = told[1].read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $\\frac{1}{2}$ 漢 &amp; co" in text
    assert "Tea &amp; &lt;Sons&gt;" in text


def test_the_figures_are_the_questions_answers(told: tuple[Shell, Path]) -> None:
    shell, path = told
    tables = iter(Page(path.read_text()).tables)
    compared = 0
    for report, found in zip(
        reports().values(), shell("report", "all", "--format", "json").json["reports"], strict=True
    ):
        for section, answered in zip(report.sections, found["sections"], strict=True):
            rows = answered["rows"]
            if section.sql:
                assert rows == shell("query", section.sql, "--format", "json").json
            answer = Answer(section, list(rows[0]) if rows else [], [list(row.values()) for row in rows], {})
            if not rows or answer.is_empty or isinstance(section.chart, Tiles):
                continue
            named, *lines = next(tables)
            for line, row in zip(lines, rows, strict=False):
                told_of = {name.removesuffix("_micros").replace("_", " "): (name, value) for name, value in row.items()}
                for column, text in zip(named, line, strict=True):
                    name, value = told_of[column]
                    money = unit_of(name) == "money" and value is not None
                    assert text == shown(name, value, row["currency"] if money else "")
                    compared += 1
    assert next(tables, None) is None
    assert compared > 500


def test_the_same_cursor_and_moment_is_the_same_page(told: tuple[Shell, Path], tmp_path: Path) -> None:
    shell, path = told
    again = re.search(r"lifecircle report all (--known-at \S+ --as-of [^<]+)<", path.read_text())
    assert again
    copies = [tmp_path / "one.html", tmp_path / "two.html"]
    for copy in copies:
        assert shell("report", "circle", "-o", str(copy), *again[1].split()).code == 0
    assert copies[0].read_bytes() == copies[1].read_bytes()
    live = Page(path.read_text()).tables[0]
    assert Page(copies[0].read_text()).tables[0] == live


def test_a_single_report_in_every_form(told: tuple[Shell, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    shell, path = told
    monkeypatch.chdir(path.parent)
    assert shell("report", "service").out.startswith("wrote report-service.html, cursor ")
    assert "Service levels: " in shell("report", "service", "--format", "table").out
    lines = shell("report", "circle", "--format", "csv").out.splitlines()
    assert lines[0] == "report,section,row,column,value"
    assert "circle,Round the circle,1,subjects,37" in lines
    assert "receivables" in shell("report").out
    assert shell("report", "weather").code == 6
    assert shell("report", "circle", "--format", "csv", "-o", "x.csv").code == 2


def test_every_section_is_asked_of_every_database_and_an_empty_log_says_so_in_words(shop: Shell) -> None:
    done = shop("report", "all", "-o", "empty.html")
    assert done.code == 0, done.err
    page = Path("empty.html").read_text()
    assert "<svg" not in page
    assert all(section.title in page.replace("&#39;", "'") for _, section in SECTIONS)
    for subject, total in (("c-1", "12.34 GBP"), ("c-2", "5 EUR")):
        fields = (f"order=of-{subject}", f"total={total}", "--time", "2026-03-01T10:00:00Z")
        assert shop("record", "OrderPlaced", "--subject", subject, *fields).code == 0
    assert shop("run", "--once").code == 0
    goal = ("goal=g", "indicator=funnel_total.leads", "target=9", "due=2027-01-01")
    assert shop("record", "GoalSet", "--subject", "company", *goal).code == 0
    assert shop("report", "forecast", "-o", "one.html").code == 0
    text = Path("one.html").read_text()
    assert "12.34 GBP" in text
    assert "5.00 EUR" in text
    assert "17.34" not in text
    assert re.findall(r"<figcaption>(\w+)</figcaption>", text) == ["EUR", "GBP"]
    assert "recorded later and are not in it: 1;" in text


@pytest.mark.parametrize(("report", "section"), SECTIONS, ids=lambda each: each.title)
def test_a_section_names_a_question_and_draws_columns_that_it_asks(report: Report, section: Section) -> None:
    known = {name for view in views().values() for name in (view.name, *(each.name for each in view.questions))}
    assert section.question in known
    assert section.says.endswith(".")
    if not section.sql and not section.model:
        assert section.question == "goals"
        return
    asked = section.sql
    if section.model:
        module, _, table = section.model.partition(".")
        model = model_named(module)
        asked = " ".join((*model.asks, *(column.name for column in columns_of(model.tables[table].row))))
    assert named_in(asked, views())
    assert f"FROM {section.question}" in asked
    match section.chart:
        case Bars(label, values):
            wanted: tuple[str, ...] = (*label, *values)
        case Lines(along, values):
            wanted = (along, *values)
        case Grid(down, across, value):
            wanted = (down, across, value)
        case Tiles() | None:
            wanted = ()
    assert all(re.search(rf"\b{name}\b", asked) for name in wanted)


@pytest.mark.parametrize(
    ("name", "value", "currency", "text"),
    [
        ("net_micros", 1_234_500_000, "GBP", "1,234.50 GBP"),
        ("net_micros", -1, "GBP", "-0.000001 GBP"),
        ("peers_mean_micros", 1_397_166_666, "GBP", "1,397.17 GBP"),
        ("quantity_micros", 2_500_000, "", "2.5"),
        ("linear_credit_micros", 1_000_000, "", "1"),
        ("rate", 0.51612, "", "51.6 %"),
        ("mean_days", 29.0625, "", "29.06"),
        ("customers", 1234, "", "1,234"),
        ("reason", None, "", "-"),
    ],
)
def test_a_figure_stands_with_its_unit(name: str, value: Any, currency: str, text: str) -> None:
    assert shown(name, value, currency) == text


def test_without_matplotlib_the_page_says_what_is_missing(
    told: tuple[Shell, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    done = told[0]("report", "circle")
    assert done.code == 8
    assert "lifecircle[plot]" in done.err
    assert told[0]("report", "circle", "--format", "json").code == 0


def test_without_scipy_the_page_says_what_to_install_for_which_figures(
    told: tuple[Shell, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "scipy" else find(name))
    done = told[0]("report", "attribution", "--format", "json")
    assert done.code == 0
    sections = {each["title"]: each for each in done.json["reports"][0]["sections"]}
    lost = sections["What would be lost without a channel"]
    assert (lost["rows"], lost["untold"]) == ([], ["scipy is not installed; install lifecircle[loyalty]"])
    assert sections["Value credited to channels"]["rows"]
    assert told[0]("report", "attribution", "-o", "without.html").code == 0
    page = Path("without.html").read_text()
    assert "Sources by removal effect: scipy is not installed; install lifecircle[loyalty]." in page


def test_a_month_in_which_nothing_moved_is_drawn_as_what_it_was(sqlite_url: str, tmp_path: Path) -> None:
    shell, page = Shell(sqlite_url), tmp_path / "page.html"
    assert shell("init").code == 0
    for subject, day in (("c-1", "2026-01-10"), ("c-2", "2026-04-10")):
        terms = ("plan=pro", "recurring_amount=10 EUR", "interval=month", f"subscription=s-{subject}")
        assert shell("record", "SubscriptionStarted", "--subject", subject, "--time", f"{day}T10:00Z", *terms).code == 0
    assert shell("report", "recurring", "--as-of", "2026-05-20", "-o", str(page)).code == 0
    told = [each["aria-label"] or "" for each in Page(page.read_text()).all("div") if each.get("role") == "img"]
    revenue, movements = (each for each in told if each.startswith("Lines"))
    assert "2026-02 10.00; 2026-03 10.00; 2026-04 20.00; 2026-05 20.00." in revenue
    assert "2026-03 new 0.00" in movements


def test_from_a_strangers_file_to_the_page_in_three_commands(sqlite_url: str, tmp_path: Path) -> None:
    shell, file = Shell(sqlite_url), tmp_path / "orders.csv"
    file.write_text("Order number,Customer,Ordered at,Total (EUR)\n1,c-1,2026-01-12T09:15:00+01:00,120.50\n")
    assert shell("init", "--zone", "Europe/Berlin").code == 0
    assert shell("import", str(file), "--guess").code == 0
    assert shell("report", "all").code == 0
    assert "120.50 EUR" in Path("report-all.html").read_text()
    assert shell("import", str(file), "--guess").code == 2, "the mapping that is there is not guessed over"
    assert "repeats" in shell("import", str(file), "--map", "orders.toml").out


def test_a_guess_in_doubt_imports_nothing(file_shop: Shell, tmp_path: Path) -> None:
    file = tmp_path / "doubt.csv"
    file.write_text("Order,Customer,Date,Total\n1,c1,02/03/2026,12\n2,c2,04/05/2026,30\n")
    refused = file_shop("import", str(file), "--guess")
    assert refused.code == 3
    assert "could be read either way" in refused.err
    assert file_shop("history", "c1").code == 6
    assert file_shop("import", str(file), "--guess", "--map", "doubt.toml").code == 2
    assert file_shop("import", str(file), "--map", "doubt.toml", "--currency", "EUR").code == 2


def test_the_command_that_a_doubt_prints_imports_what_was_taken(file_shop: Shell, tmp_path: Path) -> None:
    file = tmp_path / "my sales.csv"
    file.write_text("Order,Customer,Date,Total\n1,Ann,02/03/2026,12\n2,Bob,04/05/2026,30\n")
    refused = file_shop("import", str(file), "--guess", "--format", "json")
    _, _, command = refused.error["way_out"].partition("lifecircle ")
    command, _, otherwise = command.partition("; ")
    assert "--dates month-first" in otherwise
    done = file_shop(*shlex.split(command), "--format", "json")
    assert (done.code, done.json["stored"]) == (0, 2)
    mapping = Path("my sales.toml").read_text()
    assert "UNSURE" not in mapping
    assert "keyed = true" in mapping, "a name is no id to stand in the log for ever"
