"""Packages that cannot be used: a named error says which package, which entry point, which rule, and the way out."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.program import Done, Shell
from tests.extension.packages import laid_out, on_path

KIND = '''
from domain.touchpoint import Touchpoint
class {name}(Touchpoint{more}):
    """{doc}"""
    {field}
'''
VIEW = """
from typing import Annotated, NamedTuple
from projections.view import Question, View
class Counted(NamedTuple):
    subject: Annotated[str, "the customer"]
    seen: {seen}
class Counts(View):
    name, comment, row_type, key = {name!r}, "Counts.", Counted, {key}
    questions = {questions}
    def initial(self, subject): return [subject, 0]
    def evolve(self, state, fact): return state, ()
    {row}
"""
LIFECYCLE = """
from domain.kinds.service import TicketOpened, TicketClosed
from domain.lifecycle import Lifecycle
CALM = Lifecycle({key!r}, opens={{TicketOpened: "loud"}}, steps={steps}, never="n", twice="t", refuses={refuses})
"""


DECISION = """
from typing import Any, NamedTuple
from domain.decision import Decision
class Loud(NamedTuple):
    subject: str
    fate: Any
CALM = Decision({name!r}, "Calm whoever is loud.", "loyalty", Loud, lambda company, now: {{}},
                lambda row, company, now: None, estimates={estimates})
"""
REPORT = """
from projections.report import Bars, Report, Section
TEA = Report(15, {name!r}, "Tea", "How much tea.", (
    Section("Tea by day", "Cups.", {question!r}, {sql!r}, Bars(("day",), ("cups",), "cups")),))
"""
OPENS_A_LOG = """
from adapters.engine import Engine
Engine.open("sqlite:///shop.db")
"""


def kind(name: str = "TeaServed", more: str = "", doc: str = "Tea was served.", field: str = "cups: int") -> str:
    return KIND.format(name=name, more=more, doc=doc, field=field)


def decision(name: str = "calm-down", estimates: tuple[str, ...] = ()) -> str:
    return DECISION.format(name=name, estimates=estimates)


def report(name: str = "tea", question: str = "contacts", sql: str = "SELECT day, 1 AS cups FROM contacts") -> str:
    return REPORT.format(name=name, question=question, sql=sql)


def view(
    name: Any = "counts",
    key: Any = ("subject",),
    questions: str = "()",
    row: str = "def row(self, state, key): return None",
    seen: str = 'Annotated[int, "how many"]',
) -> str:
    return VIEW.format(name=name, key=key, questions=questions, row=row, seen=seen)


def question(name: str = "seen", columns: str = "{'seen': 'how many'}", sql: str = "SELECT seen FROM counts") -> str:
    return f"(Question({name!r}, 'How many.', {columns}, {sql!r}),)"


def life(key: str = "calm", steps: str = '{"loud": {TicketClosed: "calm"}, "calm": {}}', **more: str) -> str:
    return LIFECYCLE.format(key=key, steps=steps, refuses=more.get("refuses", '{"calm": "already calm"}'))


def lifecircle(site: Path, *arguments: str, url: str = "") -> Done:
    return Shell(url).fork(*arguments, env={"PYTHONPATH": on_path(site)["PYTHONPATH"]})


BROKEN = {
    "a module that is not there": ("kinds", None, "ModuleNotFoundError"),
    "a module that raises": ("kinds", "raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "a module that wants to leave": ("views", "raise SystemExit(0)", "SystemExit"),
    "a module that is no Python": ("views", "def (", "SyntaxError"),
    "a module without kinds": ("kinds", "", "must define at least one kind"),
    "a module without views": ("views", "", "must define at least one view"),
    "a module without lifecycles": ("lifecycles", "", "must define at least one lifecycle"),
    "a module that opens a log": ("kinds", OPENS_A_LOG, "while it is being imported"),
    "a kind without words": ("kinds", kind(doc=""), "TeaServed must say in its docstring"),
    "a kind in snake case": ("kinds", kind("tea_served"), "PascalCase"),
    "a kind without its upcast": ("kinds", kind(more=", schema_version=3"), "upcast_v1_v2, upcast_v2_v3"),
    "a kind that takes anything": ("kinds", kind(field="model_config = {'extra': 'allow'}"), "refuse fields"),
    "a kind of what pydantic knows not": ("kinds", kind(field="cups: 'Cup'"), "TeaServed must have fields"),
    "a kind in a module of views": ("views", view() + kind(), "which defines TeaServed"),
    "a view without a row": ("views", view(row="x = 1"), "row must be defined"),
    "a view without a name": ("views", view(name=""), "name must be given"),
    "a view with a name that SQL has not": ("views", view(name="Counts; --"), "is no name"),
    "a view named like a table of another": ("views", view(name="contacts_g3"), "is no name"),
    "a view with a column without meaning": ("views", view(seen="int"), "Counts: row_type"),
    "a view with a column of a strange type": ("views", view(seen='Annotated[bytes, "b"]'), "Counts: row_type"),
    "a view with a key that may be null": (
        "views", view(key=("subject", "seen"), seen='Annotated[int | None, "n"]'), "key must name columns"),
    "a view with a key that is no column": ("views", view(key=("who",)), "key must name columns"),
    "a question without meanings": ("views", view(questions=question(columns="{}")), "question seen must have"),
    "a question with SQL that fails": ("views", view(questions=question(sql="SELEC 1")), "the SQL of question seen"),
    "a question of a table that is not there": (
        "views", view(questions=question(sql="SELECT seen FROM nothing")), "no such table"),
    "a question with other columns": (
        "views", view(questions=question(sql="SELECT seen AS n FROM counts")), "yields the columns n"),
    "a lifecycle with a state without a row": (
        "lifecycles", life(steps='{"loud": {TicketClosed: "calm"}}'), "what may happen in state calm"),
    "a lifecycle after one that is not there": (
        "lifecycles", life() + "CALM.after = ('storm',)\n", "comes after others that there are"),
    "a lifecycle after itself": ("lifecycles", life() + "CALM.after = ('calm',)\n", "never in a circle"),
    "a decision that reads a column that is not there": (
        "decisions", decision(), "decision calm-down reads columns that are not there: ['fate']"),
    "a decision with an estimate that no model tells": (
        "decisions", decision(estimates=("fate",)), "no model tells fate"),
    "a module without reports": ("reports", "", "must define at least one report"),
    "a report that is all": ("reports", report(name="all"), "'all' is no name of a report"),
    "a report without a question": ("reports", report(question=""), "each section of report tea must have"),
    "a report on what is not there": ("reports", report(question="tea"), "there is no view or question tea"),
    "a report with SQL that fails": ("reports", report(sql="SELEC 1"), "the SQL of section Tea by day"),
    "a report that draws what it does not ask": (
        "reports", report(sql="SELECT day FROM contacts"), "draws columns that are not there: ['cups']"),
    "a lifecycle that names no rule for a state": ("lifecycles", life(refuses="{}"), "forbids a step in state calm"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_package_that_cannot_be_used_stops_what_needs_kinds_or_views(tmp_path: Path, what: str) -> None:
    group, source, rule = BROKEN[what]
    modules = {} if source is None else {"acme_tea": dedent(source)}
    ended = lifecircle(laid_out(tmp_path, "acme-tea", {group: "acme_tea"}, modules), "kinds", "--format", "json")
    assert ended.code == 1, ended.err
    assert ended.error["error"] == "ExtensionBroken"
    assert "package acme-tea" in ended.error["where"]
    assert rule in ended.error["rule"]
    assert "uninstall it" in ended.error["way_out"]
    assert ended.out == ""


TAKEN = {
    "a kind of ours": ({"kinds": kind("OrderPlaced")}, {}, "kind OrderPlaced of package acme-tea", "lifecircle"),
    "a view of ours": ({"views": view("contacts")}, {}, "view or question contacts of package acme-tea", "lifecircle"),
    "a question of ours": (
        {"views": view(questions=question("funnel"))},
        {},
        "question funnel of package",
        "lifecircle",
    ),
    "a table beside the views": ({"views": view("parked")}, {}, "view or question parked", "lifecircle"),
    "the moment": ({"views": view("moment")}, {}, "view or question moment", "lifecircle"),
    "a decision of ours": ({"decisions": decision("dunning")}, {}, "decision dunning of package", "lifecircle"),
    "a report of ours": ({"reports": report("goals")}, {}, "report goals of package acme-tea", "lifecircle"),
    "a lifecycle of ours": ({"lifecycles": life("order")}, {}, "lifecycle order of package acme-tea", "lifecircle"),
    "another package's kind": ({"kinds": kind()}, {"kinds": kind()}, "kind TeaServed of package best-tea", "acme-tea"),
    "another package's view": ({"views": view()}, {"views": view()}, "counts of package best-tea", "acme-tea"),
    "another package's lifecycle": ({"lifecycles": life()}, {"lifecycles": life()}, "lifecycle calm", "acme-tea"),
}


@pytest.mark.parametrize("what", TAKEN)
def test_a_name_that_is_taken_is_refused_by_the_names_of_both_packages(tmp_path: Path, what: str) -> None:
    first, second, claim, holder = TAKEN[what]
    for package, parts in {"acme-tea": first, "best-tea": second}.items():
        named = {group: f"{package.replace('-', '_')}_{group}" for group in parts}
        laid_out(tmp_path, package, named, {named[group]: source for group, source in parts.items()})
    ended = lifecircle(tmp_path, "kinds", "--format", "json")
    assert (ended.code, ended.error["error"]) == (1, "NameTaken"), ended.err
    assert claim in ended.error["what"]
    assert f"that package {holder} uses already" in ended.error["what"]


def test_help_and_a_log_stay_whole_beside_a_broken_package(sqlite_url: str, tmp_path: Path) -> None:
    site = laid_out(tmp_path / "site", "acme-tea", {"kinds": "acme_tea"}, {"acme_tea": "1 / 0"})
    assert Shell(sqlite_url).fork("init").code == 0
    assert lifecircle(site, "--help").code == 0
    order = ["record", "OrderPlaced", "--subject", "c1", "order=o", "total=3 EUR", "--format", "json"]
    for words in (order, ["view"], ["view", "contacts"], ["rebuild"], ["run", "--once"], ["status"], ["history", "c1"],
                  ["query", "select 1"], ["import", "x.csv", "--map", "olist_leads"]):  # fmt: skip
        ended = lifecircle(site, *words, url=sqlite_url)
        assert (ended.code, "ExtensionBroken" in ended.err) == (1, True), words
    assert json.loads(Shell(sqlite_url).fork(*order).out)[0]["version"] == 1


def test_a_question_that_only_postgres_does_not_understand_is_named(postgres_url: str, tmp_path: Path) -> None:
    only_sqlite = view(questions=question(sql="SELECT total(seen) AS seen FROM counts"))
    site = laid_out(tmp_path, "acme-tea", {"views": "acme_tea"}, {"acme_tea": only_sqlite})
    assert Shell(postgres_url).fork("init").code == 0
    ended = lifecircle(site, "rebuild", url=postgres_url)
    assert (ended.code, ended.err.partition(":")[0]) == (1, "ExtensionBroken"), ended.err
    assert "where: seen" in ended.err
