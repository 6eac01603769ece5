"""The answers to the questions of some reports, all at one cursor."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from adapters.engine import Engine
from adapters.extras import need
from adapters.goals import assessments
from adapters.progress import Progress
from adapters.told import iso
from adapters.views.moments import Moment, beneath, named_in, settled, views_standing
from adapters.views.tables import ViewNotBuilt
from domain.errors import ExtraMissing
from projections import views
from projections.goals import Assessment
from projections.models import model_named
from projections.report import Bars, Grid, Lines, Model, Report, Section, Tiles
from projections.view import Row, columns_of

_MOMENT = "SELECT at, day FROM moment"
_ANY_GOAL = "SELECT 1 FROM goals LIMIT 1"


class Answer(NamedTuple):
    """What a section's question answers: its columns, its rows, and what each column that it names means.

    `untold` says in words what a model cannot tell, and why.
    """

    section: Section
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    meanings: dict[str, str]
    untold: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show: no row, or only zeros where a number is drawn."""
        if not self.rows:
            return True
        places = [self.columns.index(name) for name in drawn_columns(self)]
        return bool(places) and not any(row[at] for row in self.rows for at in places)


class Answers(NamedTuple):
    """All answers of some reports, and what must be said to have them again.

    log, company, zone: whose they are. currency: the one that the company reports in. cursor: what of the log they
    rest on. day, at: what they call today. again: the options that give the same answers again. behind: how many
    touchpoints stood in the log that live views did not show yet. parked: the number of subjects that each view leaves
    out, because their folds fail.
    """

    log: str
    company: str
    zone: str
    currency: str | None
    cursor: str
    day: str
    at: str
    again: str
    behind: int
    parked: dict[str, int]
    reports: list[tuple[Report, list[Answer]]]


def drawn_columns(answer: Answer) -> tuple[str, ...]:
    """The columns whose values a section's chart draws."""
    match answer.section.chart:
        case None:
            return ()
        case Tiles():
            return tuple(answer.columns)
        case Grid(value=value):
            return (value,)
        case Bars(values=values) | Lines(values=values):
            return values


def ask(engine: Engine, chosen: Iterable[Report], moment: Moment, on_progress: Progress | None = None) -> Answers:
    """Ask all questions of some reports, at one cursor.

    Live views are asked as they stand. Where no moment is given and they were never built, the log is folded for this
    call alone.
    """
    try:
        return _asked(engine, list(chosen), moment, on_progress)
    except ViewNotBuilt:
        return _asked(engine, list(chosen), Moment(engine.log.heads()), on_progress)


def _asked(engine: Engine, chosen: list[Report], moment: Moment, on_progress: Progress | None) -> Answers:
    known, models = views(), _models(chosen)
    asked = [section.sql for section in _sections(chosen) if section.sql]
    asked += [sql for model in models.values() if isinstance(model, Model) for sql in model.asks]
    needed = {**beneath(["goals"], known)}
    for sql in asked:
        needed |= named_in(sql, known)
    with views_standing(engine.log, engine.url, engine.company, needed, moment, on_progress) as tables:
        cursor, ((_, [(at, day)]), (_, goals), *found) = settled(engine.log, tables, _MOMENT, _ANY_GOAL, *asked)
        parked = {view: count for (view, _), count in sorted(tables.state()[2].items()) if view in needed}
    rows = dict(zip(asked, found, strict=True))
    seen = _again(engine, moment, cursor, at)
    measured: Sequence[Row] = []
    if goals and any(section.question == "goals" for section in _sections(chosen)):
        measured = assessments(engine, seen, on_progress)
    solved = {
        name: model.solve([rows[sql][1] for sql in model.asks])
        for name, model in models.items()
        if isinstance(model, Model)
    }

    def answer(section: Section) -> Answer:
        if section.sql:
            return _answer(section, *rows[section.sql])
        if not section.model:
            return _answer(section, Assessment._fields, measured)
        name, _, table = section.model.partition(".")
        model = models[name]
        return _reckoned(section, model, table, solved[name]) if isinstance(model, Model) else _missing(section, model)

    return Answers(
        engine.log.log_id.hex(),
        engine.company.name,
        engine.company.zone,
        engine.company.currency,
        cursor,
        day,
        iso(at),
        _options(seen),
        sum(engine.log.heads().numbers) - sum(engine.cursor(cursor).numbers) if moment == Moment() else 0,
        parked,
        [(report, [answer(section) for section in report.sections]) for report in chosen],
    )


def _sections(chosen: Iterable[Report]) -> Iterator[Section]:
    return (section for report in chosen for section in report.sections)


def _models(chosen: Iterable[Report]) -> dict[str, Model | ExtraMissing]:
    """The models that some reports show by the names of their modules, or why they cannot be asked here."""
    found: dict[str, Model | ExtraMissing] = {}
    for name in dict.fromkeys(section.model.partition(".")[0] for section in _sections(chosen) if section.model):
        try:
            need("loyalty", "figures that no SQL can tell")
            found[name] = model_named(name)
        except ExtraMissing as missing:
            found[name] = missing
    return found


def _again(engine: Engine, moment: Moment, cursor: str, at: int) -> Moment:
    """The moment at which the same is asked again, whatever is recorded meanwhile."""
    if moment == Moment():
        return Moment(engine.cursor(cursor), at)
    return moment if moment.known is not None else Moment(engine.cursor(cursor), moment.as_of)


def _options(moment: Moment) -> str:
    known = iso(moment.known) if isinstance(moment.known, int) else str(moment.known)
    return f"--known-at {known}" + ("" if moment.as_of is None else f" --as-of {iso(moment.as_of)}")


def _reckoned(section: Section, model: Model, name: str, solved: Any) -> Answer:
    table = model.tables[name]
    shown, columns = table.rows(solved), columns_of(table.row)
    meanings = {column.name: column.comment for column in columns}
    return Answer(section, [column.name for column in columns], shown.rows, meanings, shown.untold)


def _missing(section: Section, missing: ExtraMissing) -> Answer:
    return Answer(section, (), (), {}, (f"{missing.what}; {missing.way_out}",))


def _answer(section: Section, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Answer:
    described = {view.name: {each.name: each.comment for each in view.columns()} for view in views().values()}
    described |= {question.name: question.columns for view in views().values() for question in view.questions}
    meanings = described[section.question]
    return Answer(section, columns, rows, {name: meanings[name] for name in columns if name in meanings})
