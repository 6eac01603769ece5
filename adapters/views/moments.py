"""Moments: all views and questions as they stood, and what became of a subject between two moments.

The views of a moment are tables of their own, folded by the workers of a rebuild, and gone when they are not needed any
more. The live ones are neither read nor touched.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from secrets import token_hex
from typing import NamedTuple, overload

from adapters.clock import clock_us
from adapters.cursor import Cursor
from adapters.log import Log
from adapters.progress import Progress
from adapters.views.folding import fold_log, workers_for
from adapters.views.projector import position_cursor
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import family_facts
from adapters.views.tables import Tables, Views, fingerprint, not_built, open_tables
from domain.company import Company
from domain.differences import Telling, telling
from domain.errors import CursorInvalid, LifecircleError, ProjectorFenced, UnknownSubject
from domain.touchpoint import microseconds
from projections.view import Row

_ALIAS = re.compile(r'\bas\s+"?\w+"?')
_ENDS = "select|where|group|order|having|window|limit|offset|on|using|union|except|intersect|filter|join|from"
_SOURCES = re.compile(rf"(?:\b(?:from|join)\b|\)\s*,)(.*?)(?=\b(?:{_ENDS})\b|$)", re.DOTALL)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Moment(NamedTuple):
    """A moment to look from.

    known: what had been recorded by then: a cursor, or microseconds since 1970 UTC; None for all.
    as_of: what had effectively occurred by then, in microseconds since 1970 UTC; None for all.
    """

    known: Cursor | int | None = None
    as_of: int | None = None

    def cut(self, log: Log) -> Cursor:
        """What of the log is known at this moment."""
        return log.cut_at(self.known) if isinstance(self.known, int) else self.known or log.heads()

    def today(self, log: Log, cut: Cursor) -> int:
        """The instant that questions call today; for a cursor, when the last touchpoint before it was recorded."""
        if self.as_of is not None:
            return self.as_of
        if isinstance(self.known, int):
            return self.known
        if self.known is None:
            return clock_us()
        last = (
            log.read(cut.advanced(bucket, number - 1), 1, cut)[0].recorded
            for bucket, number in enumerate(cut.numbers, 1)
            if number
        )
        return max(last, default=0)


class MomentInvalid(LifecircleError):
    """What was given names no moment: no cursor of this log, and no time."""

    exit_code = 2


def read_when(text: str) -> int | date:
    """Read `2026-03-01`, a day of the company's calendar, or an instant, in microseconds since 1970 UTC.

    Raises:
        ValueError: it is neither, or an instant without its offset; the message says so in whole.
    """
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no ISO 8601 time such as 2026-03-01T10:00:00+01:00") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; write {text}Z or {text}+01:00")
    return microseconds(moment)


def named_moment(log: Log, as_of: int | date | None, known_at: str | None) -> Moment:
    """The moment of an occurred time and of a recorded time or cursor; a day means its end in the company's zone.

    Raises:
        MomentInvalid: what is given is no time. CursorInvalid: it is a cursor, and none of this log's.
    """
    return Moment(None if known_at is None else _known_at(log, known_at), instant(log.company, as_of))


@overload
def instant(company: Company, when: int | date) -> int: ...
@overload
def instant(company: Company, when: int | date | None) -> int | None: ...
def instant(company: Company, when: int | date | None) -> int | None:
    """A moment in microseconds since 1970 UTC; a day means its end in the company's zone.

    Raises:
        MomentInvalid: the calendar ends with this day.
    """
    try:
        return company.end_of(when) if isinstance(when, date) else when
    except OverflowError:
        raise MomentInvalid(f"the calendar ends with {when}", way_out="ask for an earlier day") from None


def _known_at(log: Log, text: str) -> Cursor | int:
    try:
        return Cursor.read(text, log.log_id, log.buckets, log.origins)
    except CursorInvalid:
        if not _DAY.match(text):
            raise
    try:
        return instant(log.company, read_when(text))
    except ValueError as error:
        raise MomentInvalid(str(error), way_out="give a time with its offset, a day, or a cursor") from None


@contextmanager
def views_at(
    log: Log,
    url: str,
    company: Company,
    chosen: Views,
    moment: Moment,
    on_progress: Progress | None = None,
    workers: int = 2,
) -> Iterator[Tables]:
    """Some views of all subjects as they stood at a moment, in tables that are gone after the block.

    What a process that was killed left behind is cleared up first.

    Args:
        log: what is folded.
        url: its address.
        company: whose settings the views read.
        chosen: the views; their questions come with them.
        moment: when.
        on_progress: told how many touchpoints are folded, and of how many.
        workers: how many processes fold, this one among them; a log that one part holds is folded in this one.

    Raises:
        LogUnavailable: a database was lost. LogNotWritable: it is full, or takes no tables.
        FoldingStopped: a process that folds was killed.
    """
    clear_up(url, company)
    with closing(open_tables(url, company, chosen, token_hex(4))) as tables, tables.lead("rebuild"):
        try:
            cut = moment.cut(log)
            with tables.transaction() as transaction:
                id_key = Pseudonyms.of_log(url).mark
                told = {name: fingerprint(view, company, log.log_id, id_key) for name, view in chosen.items()}
                made = transaction.create(told, str(cut))
            with workers_for(url, cut, workers) as processes:
                fold_log(log, tables, made, cut, processes, moment.as_of, on_progress)
            with tables.transaction() as transaction:
                transaction.switch(made, cut)
                transaction.set_clock(moment.today(log, cut), pinned=True)
            yield tables
        finally:
            tables.drop()


@contextmanager
def views_standing(
    log: Log, url: str, company: Company, chosen: Views, moment: Moment, on_progress: Progress | None = None
) -> Iterator[Tables]:
    """Some views of all subjects: those that are live, or of a moment if one is given.

    Raises:
        ViewNotBuilt: no moment is given, and one of them has no table yet.
    """
    if moment != Moment():
        with views_at(log, url, company, chosen, moment, on_progress) as tables:
            yield tables
        return
    with closing(open_tables(url, company)) as tables:
        live = {known.view for known in tables.state()[0] if known.state == "live"}
        for name in chosen:
            if name not in live:
                raise not_built(name)
        yield tables


def settled(log: Log, tables: Tables, *questions: str) -> tuple[str, list[tuple[list[str], list[Row]]]]:
    """The columns and rows of several questions at one cursor, which is told so that anybody can have them again."""
    generations, position, answers = tables.answers(questions)
    return generations[0].cut if tables.place else str(position_cursor(log, position)), answers


def clear_up(url: str, company: Company) -> None:
    """Drop the tables of moments whose process is not alive any more."""
    with closing(open_tables(url, company)) as live:
        places = live.moments()
    for place in places:
        with closing(open_tables(url, company, {}, place)) as left:
            try:
                with left.lead("rebuild"):
                    left.drop()
            except ProjectorFenced:
                continue  # somebody still uses them


def named_in(sql: str, known: Views) -> Views:
    """The views that a statement may read, itself or by questions: those that it names after FROM or JOIN.

    One too many costs folding it; one that were missing would be an error of the database, never a wrong answer.
    """
    return beneath(_sources(sql), known)


def beneath(names: Iterable[str], known: Views) -> Views:
    """The views among some names, and those that the questions among them are of or read."""
    texts = {question.name: question.sql for view in known.values() for question in view.questions}
    owners = {question.name: name for name, view in known.items() for question in view.questions}
    found, waiting = set[str](), [set(names)]
    for told in waiting:
        new = told - found
        found |= new
        waiting += (_sources(texts[name]) for name in new & texts.keys())
    return {name: view for name, view in known.items() if name in found or name in {owners.get(each) for each in found}}


def _sources(sql: str) -> set[str]:
    """The words after FROM and JOIN."""
    return set(re.findall(r"\w+", " ".join(_SOURCES.findall(_ALIAS.sub(" ", sql.lower())))))


def tellings(log: Log, subject: str, first: Moment, second: Moment) -> tuple[Telling, Telling]:
    """What each of two moments tells of a subject, over the streams that its family has at either.

    Raises:
        UnknownSubject: neither knows it.
    """
    cuts = (first.cut(log), second.cut(log))
    streams = {fact.stream for cut in cuts for fact in family_facts(log, subject, upto=cut)}
    if subject not in streams:
        raise UnknownSubject(
            "the log holds no touchpoint of this subject within either cut",
            where=subject,
            way_out="check the id, or ask for a later moment",
        )
    before, after = (
        telling(subject, family_facts(log, *sorted(streams), upto=cut), moment.as_of)
        for cut, moment in zip(cuts, (first, second), strict=True)
    )
    return before, after
