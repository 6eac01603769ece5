"""The answers to the questions of some reports, all at one cursor."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from adapters.engine import Engine
from adapters.goals import assessments
from adapters.told import iso
from adapters.views.folding import Progress
from adapters.views.moments import Moment, beneath, named_in, settled, views_standing
from adapters.views.tables import ViewNotBuilt
from projections import views
from projections.goals import Assessment
from projections.report import Bars, Grid, Lines, Report, Section, Tiles

_MOMENT = "SELECT at, day FROM moment"
_ANY_GOAL = "SELECT 1 FROM goals LIMIT 1"


class Answer(NamedTuple):
    """What a section's question answers: its columns, its rows, and what each column that it names means."""

    section: Section
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    meanings: dict[str, str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show: no row, or only zeros where a number is drawn."""
        drawn = drawn_columns(self)
        places = [self.columns.index(name) for name in drawn]
        return not self.rows or (bool(drawn) and not any(row[at] for row in self.rows for at in places))


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

    Raises:
        ViewsMoving: the views move on faster than they are asked.
    """
    try:
        return _asked(engine, list(chosen), moment, on_progress)
    except ViewNotBuilt:
        return _asked(engine, list(chosen), Moment(engine.log.heads()), on_progress)


def _asked(engine: Engine, chosen: list[Report], moment: Moment, on_progress: Progress | None) -> Answers:
    known = views()
    sections = [section for report in chosen for section in report.sections if section.sql]
    needed = {**beneath(["goals"], known)}
    for section in sections:
        needed |= named_in(section.sql, known)
    with views_standing(engine.log, engine.url, engine.company, needed, moment, on_progress) as tables:
        asked = [section.sql for section in sections]
        cursor, ((_, [(at, day)]), (_, goals), *found) = settled(engine.log, tables, _MOMENT, _ANY_GOAL, *asked)
        parked = {view: count for (view, _), count in sorted(tables.state()[2].items()) if view in needed}
    answers: dict[Section, tuple[Sequence[str], Sequence[Sequence[Any]]]] = dict(zip(sections, found, strict=True))
    seen = _again(engine, moment, cursor, at)
    if any(section.question == "goals" for report in chosen for section in report.sections):
        measured = assessments(engine, seen, on_progress) if goals else []
        answers |= {
            section: (Assessment._fields, measured)
            for report in chosen
            for section in report.sections
            if section.question == "goals"
        }
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
        [(report, [_answer(section, *answers[section]) for section in report.sections]) for report in chosen],
    )


def _again(engine: Engine, moment: Moment, cursor: str, at: int) -> Moment:
    """The moment at which the same is asked again, whatever is recorded meanwhile."""
    if moment == Moment():
        return Moment(engine.cursor(cursor), at)
    return moment if moment.known is not None else Moment(engine.cursor(cursor), moment.as_of)


def _options(moment: Moment) -> str:
    known = iso(moment.known) if isinstance(moment.known, int) else str(moment.known)
    return f"--known-at {known}" + ("" if moment.as_of is None else f" --as-of {iso(moment.as_of)}")


def _answer(section: Section, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Answer:
    described = {view.name: {each.name: each.comment for each in view.columns()} for view in views().values()}
    described |= {question.name: question.columns for view in views().values() for question in view.questions}
    meanings = described[section.question]
    return Answer(section, columns, rows, {name: meanings[name] for name in columns if name in meanings})
