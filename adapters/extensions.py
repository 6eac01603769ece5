"""A company's own kinds, lifecycles, views, decisions and reports: by entry points of installed packages, loaded once.

Each entry point of the groups below names a module. Whatever opens a log or its views loads them first, in every
process; from then on nothing tells them from ours. A package that cannot be loaded stops all that needs kinds or views.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from graphlib import CycleError
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from itertools import takewhile
from threading import RLock
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

import domain.kinds  # noqa: F401 - ours come first, so that a name of theirs is the newer one
from domain.decision import Decision, add_decisions, decisions
from domain.errors import ExtensionBroken, NameTaken
from domain.judging import add_lifecycles, lifecycles, ordered
from domain.laws import flaws_of_decision, flaws_of_kind, flaws_of_lifecycle
from domain.lifecycle import Lifecycle
from domain.touchpoint import KINDS, Touchpoint
from projections import add_views, views
from projections.dictionary import DICTIONARY, MOMENT, relation
from projections.models import ESTIMATES
from projections.report import Report, drawn_columns, flaws_of_report
from projections.reports import add_reports, reports
from projections.view import View, flaws

GROUPS = (
    "lifecircle.kinds",
    "lifecircle.lifecycles",
    "lifecircle.views",
    "lifecircle.decisions",
    "lifecircle.reports",
)
"""The groups of entry points, in the order in which they are loaded."""

HOUSE = "lifecircle"
"""Whose kinds, lifecycles, views, decisions and reports come with the program."""

_TABLES = ("generations", "parked", "folded_parts", "reference_time", "tracking", "notification_tracking", "published")
_RESERVED = (MOMENT.name, DICTIONARY.name, *_TABLES)
"""What stands beside the views in their store."""


class Extension(NamedTuple):
    """What one entry point of a package gave."""

    package: str
    version: str
    entry_point: str
    module: str
    kinds: tuple[type[Touchpoint], ...] = ()
    lifecycles: tuple[Lifecycle, ...] = ()
    views: tuple[type[View[Any]], ...] = ()
    decisions: tuple[Decision[Any], ...] = ()
    reports: tuple[Report, ...] = ()

    @property
    def place(self) -> str:
        """Where to look, as an error tells it."""
        return f"package {self.package} {self.version}, entry point {self.entry_point}"


_loading = RLock()
_loaded: list[Extension] = []
_state = "not yet"


def load_extensions() -> Sequence[Extension]:
    """Load what installed packages add, the first time this is called in a process; answer what there is.

    Raises:
        ExtensionBroken: a package cannot be imported, or what it gives breaks a rule.
        NameTaken: a name is ours already, or another package's.
    """
    global _state
    with _loading:
        if _state == "loading":
            raise ImportError("a package may not open a log while it is being imported")
        if _state != "loaded":
            _state = "loading"
            try:
                found = _found()
            except BaseException:
                _state = "failed"
                raise
            add_lifecycles(table for extension in found for table in extension.lifecycles)
            add_views(view for extension in found for view in extension.views)
            add_decisions(each for extension in found for each in extension.decisions)
            add_reports(each for extension in found for each in extension.reports)
            _loaded.extend(found)
            _state = "loaded"
    return _loaded


def package_of(kind: str) -> str:
    """The package that a kind comes from."""
    return next((each.package for each in _loaded if any(own.kind == kind for own in each.kinds)), HOUSE)


def fold_inputs() -> list[Any]:
    """What the folds of all views depend on beside their own revisions: own kinds' meaning, and own lifecycles."""
    kinds = {
        kind.dataschema: [str(kind.phase), sorted(kind.entity_fields().items())]
        for extension in _loaded
        for kind in extension.kinds
    }
    # The small functions beside a table cannot be compared, so a package's version stands for them.
    tables = [(table.key, each.package, each.version) for each in _loaded for table in each.lifecycles]
    return [sorted(kinds.items()), sorted(tables)] if kinds or tables else []


def _found() -> list[Extension]:
    before = set(KINDS)
    parts = [part for group in GROUPS for part in sorted(entry_points(group=group), key=_order)]
    found = [_taken_in(part, _imported(part, parts)) for part in parts]
    named = {kind.kind for extension in found for kind in extension.kinds}
    for name in sorted(KINDS.keys() - before - named):
        module = KINDS[name].__module__
        _refuse(
            f"package {_owner(module, parts)}", f"no entry point in {GROUPS[0]} names {module}, which defines {name}"
        )
    _check_names(found)
    _check_order(found)
    _check_questions(found)
    return found


def _order(part: EntryPoint) -> tuple[str, str]:
    return _package(part)[0], part.name


def _package(part: EntryPoint) -> tuple[str, str]:
    return (part.dist.name, part.dist.version) if part.dist else ("an unknown package", "")


def _imported(part: EntryPoint, parts: Iterable[EntryPoint]) -> ModuleType:
    try:
        if part.attr:
            raise ImportError(f"{part.value} names a part of a module, not a module")  # noqa: TRY301
        return import_module(part.module)
    except NameTaken as taken:
        raise _name_taken(
            f"kind {taken.taken}", _package(part)[0], _owner(taken.holder, parts), _where(part)
        ) from taken
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an import may raise anything
        _refuse(_where(part), f"{type(error).__name__}: {error}".partition("\n")[0], error)


def _where(part: EntryPoint) -> str:
    package, version = _package(part)
    return f"package {package} {version}, entry point {part.name} in {part.group}"


def _owner(module: str, parts: Iterable[EntryPoint]) -> str:
    """The package that a module belongs to: the one whose entry point lies nearest to it."""
    near = {part.module: _package(part)[0] for part in parts} | {"domain.kinds": HOUSE}
    return near[max(near, key=lambda known: _shared(known.split("."), module.split(".")))]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many names two paths of modules begin with in common."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


def _name_taken(what: str, claimant: str, holder: str, where: str) -> NameTaken:
    return NameTaken(
        f"{what} of package {claimant} has a name that package {holder} uses already",
        where=where,
        rule="a name means one thing, in the log and for everybody who asks",
        way_out="give it another name, or uninstall one of the packages",
    )


def _refuse(where: str, rule: str, cause: BaseException | None = None) -> NoReturn:
    raise ExtensionBroken(
        "an installed package gives kinds, lifecycles, views, decisions or reports that cannot be used",
        where=where,
        rule=rule,
        way_out="mend the package, or uninstall it: what it had recorded stays in the log, and can be read without it",
    ) from cause


def _taken_in(part: EntryPoint, module: ModuleType) -> Extension:
    package, version = _package(part)
    extension = Extension(package, version, f"{part.name} in {part.group}", part.module)
    given: Sequence[Any]
    if part.group == GROUPS[0]:
        given = [kind for kind in KINDS.values() if _is_of(kind.__module__, module)]
        broken = [flaw for kind in given for flaw in flaws_of_kind(kind)]
        extension = extension._replace(kinds=tuple(given))
    elif part.group == GROUPS[1]:
        ours = list(map(id, lifecycles()))
        given = [each for each in vars(module).values() if isinstance(each, Lifecycle) and id(each) not in ours]
        broken = [flaw for table in given for flaw in flaws_of_lifecycle(table)]
        extension = extension._replace(lifecycles=tuple(given))
    elif part.group == GROUPS[2]:
        given = [each for each in vars(module).values() if _is_view(each) and _is_of(each.__module__, module)]
        broken = [f"{view.__name__}: {flaw}" for view in given for flaw in flaws(view)]
        extension = extension._replace(views=tuple(given))
    elif part.group == GROUPS[3]:
        ours = list(map(id, decisions().values()))
        given = [each for each in vars(module).values() if isinstance(each, Decision) and id(each) not in ours]
        broken = [flaw for each in given for flaw in flaws_of_decision(each)]
        unknown = sorted({name for each in given for name in each.estimates} - set(ESTIMATES))
        broken += [f"no model tells {name}; there are: {', '.join(ESTIMATES)}" for name in unknown]
        extension = extension._replace(decisions=tuple(given))
    else:
        given = [each for each in vars(module).values() if isinstance(each, Report)]
        broken = [flaw for each in given for flaw in flaws_of_report(each)]
        extension = extension._replace(reports=tuple(given))
    if not given:
        broken = [f"module {part.module} must define at least one {part.group.rpartition('.')[2].removesuffix('s')}"]
    if broken:
        _refuse(extension.place, "; ".join(broken))
    return extension


def _is_of(name: str, module: ModuleType) -> bool:
    return f"{name}.".startswith(f"{module.__name__}.")


def _is_view(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, View) and member is not View


def _check_names(found: Iterable[Extension]) -> None:
    """Views and questions share one space of names in SQL; lifecycles, decisions and reports have one each."""
    in_sql = dict.fromkeys([*_RESERVED, *(name for view in views().values() for name in _names(view))], HOUSE)
    keys = dict.fromkeys((table.key for table in lifecycles()), HOUSE)
    decided = dict.fromkeys(decisions(), HOUSE) if any(each.decisions for each in found) else {}
    told = dict.fromkeys(reports(), HOUSE) if any(each.reports for each in found) else {}
    for extension in found:
        claims: list[tuple[str, str, dict[str, str]]] = [
            *(("view or question", name, in_sql) for view in extension.views for name in _names(view)),
            *(("lifecycle", table.key, keys) for table in extension.lifecycles),
            *(("decision", each.name, decided) for each in extension.decisions),
            *(("report", each.name, told) for each in extension.reports),
        ]
        for what, name, taken in claims:
            if name in taken:
                raise _name_taken(f"{what} {name}", extension.package, taken[name], extension.place)
            taken[name] = extension.package


def _check_order(found: Sequence[Extension]) -> None:
    for extension in [each for each in found if each.lifecycles]:
        try:
            ordered([*lifecycles(), *(table for each in found for table in each.lifecycles)])
        except (KeyError, CycleError) as error:
            _refuse(extension.place, f"a lifecycle comes after others that there are, and never in a circle: {error}")


def _names(view: type[View[Any]]) -> Iterator[str]:
    yield view.name
    yield from (question.name for question in view.questions)


def _check_questions(found: Sequence[Extension]) -> None:
    """Ask every own question of empty tables, so that its SQL fails here and not within a rebuild's last step.

    So is what every own decision reads, and what every section of an own report asks.
    """
    own = [(extension, question) for extension in found for view in extension.views for question in view.questions]
    deciding = [(extension, each) for extension in found for each in extension.decisions]
    showing = [(each, section) for each in found for report in each.reports for section in report.sections]
    if not (own or deciding or showing):
        return
    added = {view.name: view for extension in found for view in extension.views}
    with closing(sqlite3.connect(":memory:")) as store:
        _make_empty(store, {**views(), **added})
        for extension, question in own:
            try:
                answer = store.execute(f'SELECT * FROM "{question.name}"')  # noqa: S608 - a checked name
            except sqlite3.Error as error:
                _refuse(extension.place, f"the SQL of question {question.name}: {error}", error)
            names = [column[0] for column in answer.description]
            if names != list(question.columns):
                _refuse(extension.place, f"question {question.name} yields the columns {', '.join(names)}")
        for extension, each in deciding:
            try:
                answer = store.execute(f'SELECT * FROM "{each.reads}"')  # noqa: S608 - only tried, on empty tables
            except sqlite3.Error as error:
                _refuse(extension.place, f"what decision {each.name} reads: {error}", error)
            if missing := [name for name in each.columns if name not in {told[0] for told in answer.description}]:
                _refuse(extension.place, f"decision {each.name} reads columns that are not there: {missing}")
        known = {name for view in {**views(), **added}.values() for name in _names(view)}
        for extension, section in showing:
            if section.question not in known:
                _refuse(extension.place, f"section {section.title}: there is no view or question {section.question}")
            try:
                answer = store.execute(section.sql)
            except sqlite3.Error as error:
                _refuse(extension.place, f"the SQL of section {section.title}: {error}", error)
            columns = {told[0] for told in answer.description}
            if missing := [name for name in drawn_columns(section.chart) if name not in columns]:
                _refuse(extension.place, f"section {section.title} draws columns that are not there: {missing}")


def _make_empty(store: sqlite3.Connection, chosen: Mapping[str, type[View[Any]]]) -> None:
    questions = [question for view in chosen.values() for question in view.questions]
    for made in (MOMENT, DICTIONARY, *map(relation, chosen.values())):
        columns = ", ".join(f'"{column}"' for column in made.columns)
        store.execute(f'CREATE TABLE "{made.name}" ({columns})')
    for question in questions:
        try:
            store.execute(f'CREATE VIEW "{question.name}" AS {question.sql}')
        except sqlite3.Error:
            continue  # it is asked for next, and told then
