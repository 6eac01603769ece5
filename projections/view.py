"""What a view is: a pure function of one subject's effective history to rows of one table.

Live following, rebuilding and as-of replay all use this one definition. Its laws: folding in any split equals folding
at once, and a fold is total: late and corrected touchpoints can make any order, so it never refuses a fact.
"""

import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args, get_type_hints

from domain.company import Company
from domain.touchpoint import INT64_MAX, Envelope, Fact

SQL_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}(?<!_g[0-9])(?<!_g[0-9][0-9])(?<!_g[0-9][0-9][0-9])")
"""What views, questions and columns may be called: PostgreSQL cuts names at 63 bytes, and a table is `contacts_g3`."""

S = TypeVar("S")
Row = tuple[Any, ...]
"""One row of a view: the cells of its `row_type`, which are str, int, float or None, in their order.

A plain tuple is made in two thirds of the time of the NamedTuple. Then its cells are names, those of the columns in
their order, and a law compares them.
"""


class Column(NamedTuple):
    """A column of a view's table: `type` is str, int or float; `comment` says what it means, with its unit."""

    name: str
    type: type
    nullable: bool
    comment: str


class Question(NamedTuple):
    """A SQL view across customers: the same name, text and columns on every database.

    `sql` is one SELECT over the tables of views, other questions, and the one-row table `moment`
    (`at` in microseconds, `day` as text). `columns` says what each of its columns means, in their order.
    """

    name: str
    comment: str
    columns: dict[str, str]
    sql: str


class View(ABC, Generic[S]):
    """A table folded within each subject. Subclasses stand one to a file and register themselves.

    `name` is the table's name; `row_type` a NamedTuple whose fields are `Annotated[type, "comment"]`, the first of
    them `subject`; `key` the columns that make a row unique; `questions` the SQL views across customers that rest
    on it; `kinds` the kinds of touchpoint that may move its rows, where not any may: it is then handed no others, and
    costs next to nothing where there are none; `attributes` those of the envelope, such as `cost`, for which it is
    handed touchpoints of every other kind too; `revision` rises with every change to the fold, so that its generation
    is rebuilt; `keyed` says that rows hold `Pseudonym.keyed`, so that they are rebuilt under another id key. No fold
    sees a personal identifier itself.
    """

    name: ClassVar[str]
    comment: ClassVar[str]
    row_type: ClassVar[type[NamedTuple]]
    key: ClassVar[tuple[str, ...]]
    kinds: frozenset[str] | None = None
    attributes: ClassVar[frozenset[str]] = frozenset()
    revision: ClassVar[int] = 1
    keyed: ClassVar[bool] = False
    questions: ClassVar[Sequence[Question]] = ()

    def __init__(self, company: Company) -> None:
        self.company = company

    @abstractmethod
    def initial(self, subject: str) -> S:
        """The state of a subject of whom nothing is known; `subject` is the root of the family, as rows show it."""

    @abstractmethod
    def evolve(self, state: S, fact: Fact) -> tuple[S, Iterable[Hashable]]:
        """Take the next fact of the effective history; answer the state and the keys of rows that may have changed.

        The caller gives the state away: a fold may change it in place and answer the same object.
        """

    @abstractmethod
    def row(self, state: S, key: Hashable) -> Row | None:
        """The cells of the row of this key, or None where the state has none (any more)."""

    @classmethod
    def columns(cls) -> tuple[Column, ...]:
        """The table's columns, read off the annotations of `row_type`."""
        return columns_of(cls.row_type)


@cache
def columns_of(row_type: type[NamedTuple]) -> tuple[Column, ...]:
    """The columns of a row whose fields are `Annotated[type, "comment"]`."""
    hints = get_type_hints(row_type, include_extras=True)
    return tuple(_column(name, *get_args(hint)) for name, hint in hints.items())


def _column(name: str, hint: Any, comment: str) -> Column:
    members = [member for member in get_args(hint) if member is not type(None)]
    return Column(name, members[0] if members else hint, bool(members), comment)


def bounded(total: int) -> int:
    """A sum as a cell can hold it: beyond 64 bits it stands at the limit, for a fold is total and a row storable."""
    if -INT64_MAX <= total <= INT64_MAX:
        return total
    return INT64_MAX if total > 0 else -INT64_MAX


def all_bounded(totals: tuple[int, ...]) -> tuple[int, ...]:
    """Sums as cells can hold them: the same tuple, as nearly always, where all fit."""
    if min(totals) >= -INT64_MAX and max(totals) <= INT64_MAX:
        return totals
    return tuple(map(bounded, totals))


class Dealer:
    """Deals the facts of a history out to views: to each those that may move its rows, in their order."""

    def __init__(self, views: Mapping[str, View[Any]]) -> None:
        self._views = views
        self._whole = [name for name, view in views.items() if view.kinds is None]
        self._by_kind: dict[str, tuple[str, ...]] = {}
        attributes = frozenset[str]().union(*(view.attributes for view in views.values() if view.kinds is not None))
        self._attributes = tuple(sorted(attributes))

    def dealt(self, history: list[Fact]) -> dict[str, list[Fact]]:
        """The facts for each view by its name; a view for which there are none is not there."""
        if not history:
            return {}
        dealt: defaultdict[str, list[Fact]] = defaultdict(list, dict.fromkeys(self._whole, history))
        by_kind, attributes = self._by_kind, self._attributes
        for fact in history:
            kind, envelope = fact.kind, fact.envelope
            if (names := by_kind.get(kind)) is None:
                names = by_kind[kind] = self._of(kind)
            for name in names:
                dealt[name].append(fact)
            for attribute in attributes:
                if attribute in envelope:
                    for name in self._besides(kind, attribute, envelope):
                        dealt[name].append(fact)
        return dealt

    def _of(self, kind: str) -> tuple[str, ...]:
        return tuple(name for name, view in self._views.items() if view.kinds is not None and kind in view.kinds)

    def _besides(self, kind: str, attribute: str, envelope: Mapping[str, Any]) -> Iterator[str]:
        """The views that get a fact for this attribute: not by its kind, nor for an attribute that came before."""
        for name, view in self._views.items():
            asks = view.kinds is not None and kind not in view.kinds and attribute in view.attributes
            if asks and attribute == min(view.attributes & envelope.keys()):
                yield name


def concerning(view: View[Any], history: list[Fact]) -> list[Fact]:
    """The facts of a history that may move the rows of a view, in their order."""
    return Dealer({view.name: view}).dealt(history).get(view.name, [])


def fold(view: View[S], subject: str, history: Iterable[Fact]) -> dict[Hashable, Row]:
    """Fold a whole effective history: the rows of one subject by their keys, as their `row_type`."""
    state, keys = view.initial(subject), set[Hashable]()
    for fact in concerning(view, list(history)):
        state, changed = view.evolve(state, fact)
        keys.update(changed)
    named = view.row_type._make
    return {key: named(row) for key in keys if (row := view.row(state, key)) is not None}


def fold_dealt(view: View[S], subject: str, dealt: Iterable[Fact]) -> list[Row]:
    """The same rows, in any order, of the facts that were dealt to the view."""
    state, evolve = view.initial(subject), view.evolve
    keys: list[Hashable] = []  # not made by calling list[Hashable], which takes ten times as long
    for fact in dealt:
        state, changed = evolve(state, fact)
        keys += changed
    rows: list[Row] = []
    if keys:  # of most subjects most views show nothing
        row_of = view.row
        for key in set(keys):
            row = row_of(state, key)
            if row is not None:
                rows.append(row)
    return rows


def flaws(view: type[View[Any]]) -> Iterator[str]:
    """What keeps a class from being a view, each as the rule that it breaks; nothing of a fold is tried."""
    absent = [name for name in ("name", "comment", "row_type", "key") if not getattr(view, name, None)]
    if absent:
        yield f"{', '.join(absent)} must be given"
        return
    if unmade := sorted(view.__abstractmethods__):
        yield f"{', '.join(unmade)} must be defined"
    if type(view.revision) is not int or view.revision < 1:
        yield "revision must be an integer from 1"
    if view.kinds is not None and not (isinstance(view.kinds, frozenset) and all(map(_is_text, view.kinds))):
        yield "kinds must be a frozenset of names of kinds, or None for all"
    if not (isinstance(view.attributes, frozenset) and view.attributes <= Envelope.model_fields.keys()):
        yield "attributes must be a frozenset of names of attributes of the envelope"
    yield from (f"{name!r} is no name: {SQL_NAME.pattern}" for name in _names(view) if not _is_name(name))
    columns = _columns(view)
    if not columns:
        yield "row_type must be a NamedTuple, its fields Annotated['str, int or float, perhaps | None', 'meaning']"
        return
    if columns[0] != Column("subject", str, False, columns[0].comment):  # noqa: FBT003 - a column's own word
        yield "the first column must be subject, a text that is never null"
    if strange := [name for name in view.key if name not in {each.name for each in columns if not each.nullable}]:
        yield f"key must name columns that are never null, unlike {', '.join(strange)}"
    if strange := [each.name for each in columns if each.name.endswith("_micros") and each.type is not int]:
        yield f"{', '.join(strange)} must be int: micro-units are"
    for question in view.questions:
        if not (question.comment and question.sql and question.columns and all(question.columns.values())):
            yield f"question {question.name} must have a comment, its SQL, and a meaning for each of its columns"


def _columns(view: type[View[Any]]) -> tuple[Column, ...]:
    """The columns, or none where the annotations do not say them."""
    try:
        columns = view.columns()
        said = all(isinstance(column.comment, str) and column.comment for column in columns)
        fit = said and issubclass(view.row_type, tuple) and {column.type for column in columns} <= {str, int, float}
    except Exception:  # noqa: BLE001 - whatever it raises, the annotations are not these
        fit, columns = False, ()
    return columns if fit else ()


def _names(view: type[View[Any]]) -> Iterator[Any]:
    yield view.name
    yield from (question.name for question in view.questions)
    yield from getattr(view.row_type, "_fields", ())


def _is_text(name: Any) -> bool:
    return isinstance(name, str)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and SQL_NAME.fullmatch(name) is not None
