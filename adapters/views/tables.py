"""The view store as every database offers it: generations of tables behind public names, written exactly once.

Each view has a table per generation (`contacts_g3`). Its public name is a SQL view over the live one, replaced, with
all questions that rest on it, in the transaction that switches; so readers never see half a rebuild.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, NamedTuple, Protocol

from adapters.addresses import extended_class_of
from adapters.clock import clock_us
from adapters.cursor import Cursor
from adapters.extensions import fold_inputs
from adapters.views.sweep import Part
from domain.company import Company
from domain.errors import LifecircleError, ProjectorFenced
from domain.policy import Policy
from projections import views
from projections.dictionary import relations
from projections.view import Row, View

NO_VIEW_READS = {"name", "future_limit_s", "custom", "special_data", "bands", "erasure_by_two", *Policy.model_fields}
"""The settings that no view depends on."""

Views = Mapping[str, type[View[Any]]]
"""Views by their names, in the order in which they and their questions are made."""


class ViewNotBuilt(LifecircleError):
    """The view has no table yet, or one that was built by another definition or company."""

    exit_code = 6


class Generation(NamedTuple):
    """One table of a view; `cut` is how far it was folded when it went live, and until then how far it has come.

    `built` is when it went live, in microseconds since 1970 UTC, and until then when it was begun: that is the same for
    all that are built together.
    """

    view: str
    number: int
    fingerprint: str
    state: Literal["building", "live", "retired"]
    cut: str
    built: int

    @property
    def table(self) -> str:
        """The table's name."""
        return f"{self.view}_g{self.number}"


class Parking(NamedTuple):
    """A subject whose fold failed: it has no rows in this view until a later fold succeeds."""

    view: str
    subject: str
    bucket: int
    number: int
    error: str


@dataclass
class Changes:
    """What becomes of the rows of one view, by their primary keys, and of the subjects that are parked in it."""

    upserts: dict[Row, Row] = field(default_factory=dict)
    deletes: set[Row] = field(default_factory=set)
    parked: dict[str, Parking] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)

    def replace(self, old: Mapping[Row, Row], new: Mapping[Row, Row]) -> None:
        """Note what turns the old rows into the new ones; both are by primary key."""
        if not old:
            self.deletes.difference_update(new)
            self.upserts.update(new)
            return
        for key in old.keys() - new.keys():
            self.upserts.pop(key, None)
            self.deletes.add(key)
        for key, row in new.items():
            if old.get(key) != row:
                self.deletes.discard(key)
                self.upserts[key] = row

    def __bool__(self) -> bool:
        return bool(self.upserts or self.deletes or self.parked or self.freed)


class ViewStatus(NamedTuple):
    """How a view stands.

    `state` is live, building, missing or `stale: rebuild`; `lag` counts the touchpoints of the log that it does not
    show yet; `lag_s` is for how many seconds the first of them has been waiting; `parked` counts the subjects whose
    fold failed.
    """

    view: str
    generation: int
    state: str
    lag: int
    lag_s: float
    parked: int


class Transaction(Protocol):
    """One transaction in which nobody else writes the view store."""

    def generations(self) -> list[Generation]:
        """Every generation that stands, by view and number."""
        ...

    def create(self, fingerprints: Mapping[str, str], cut: str = "") -> list[Generation]:
        """Make the tables of the next generation of each view named, to be folded up to a cut.

        What was being built before is retired: whoever still folds it writes no more.
        """
        ...

    def forget(self, generations: Iterable[Generation]) -> None:
        """Drop the tables of generations that failed or retired, and what is known of their parts."""
        ...

    def claim(self, made: Sequence[Generation], part: Part, touchpoints: int) -> bool:
        """Note that the rows of a part are written in this transaction; False where another one wrote them before.

        Raises:
            ProjectorFenced: the generations are not being built any more: another rebuild has begun anew.
        """
        ...

    def folded(self, made: Sequence[Generation]) -> dict[Part, int]:
        """The parts whose rows stand in generations that are building, each with its number of touchpoints."""
        ...

    def reached(self, made: Sequence[Generation], cut: Cursor) -> None:
        """Note how far generations have come that are building."""
        ...

    def columns(self, generation: Generation) -> list[tuple[str, str]]:
        """The columns that a generation's table has, with their types in the database's own words."""
        ...

    def scan(self, generation: Generation, names: Sequence[str], key: Sequence[str]) -> Iterator[Row]:
        """Some columns of all rows, by key; texts in the order of their code points. Memory does not grow with them."""
        ...

    def position(self) -> dict[int, int]:
        """The last number of each bucket that the live generations show."""
        ...

    def finish(self, generation: Generation) -> None:
        """Make the key of a generation, once its rows are there; done before, it changes nothing."""
        ...

    def parked(self, generation: Generation) -> set[str]:
        """The subjects that are parked in a generation."""
        ...

    def standing(self, generations: Iterable[Generation], subjects: Sequence[str]) -> dict[str, list[Row]]:
        """The rows of some subjects by view, as this transaction sees them."""
        ...

    def apply(self, changes: Iterable[tuple[Generation, Changes]]) -> None:
        """Write the rows that changed in each generation, and who is parked."""
        ...

    def load(
        self, rows: Iterable[tuple[Generation, Sequence[Row]]], parked: Sequence[tuple[Generation, Parking]]
    ) -> None:
        """Append rows to generations that are building."""
        ...

    def track(self, moved: Mapping[int, int]) -> None:
        """Move the live position of some buckets forward.

        Raises:
            ProjectorFenced: it already stands there or further, so another projector wrote meanwhile.
        """
        ...

    def switch(self, made: Sequence[Generation], cut: Cursor) -> None:
        """Make generations live, retire those before them, and replace the public names and all questions.

        Raises:
            ProjectorFenced: they are not being built any more: another rebuild has begun anew.
        """
        ...

    def retire(self, views: Iterable[str]) -> None:
        """Take views that are no longer kept off the public names; their tables go with the next rebuild."""
        ...

    def publish(self) -> None:
        """Replace public names and questions, where their definition is another than what stands."""
        ...

    def restart(self) -> None:
        """Forget the live position, where the views are of another log or of one that was restored."""
        ...

    def set_clock(self, at_us: int, *, pinned: bool = False) -> None:
        """Set the time that questions call today, in microseconds since 1970 UTC; once pinned, only pinned again."""
        ...


class Reading(Protocol):
    """What stands in the view store at one moment, whatever is written meanwhile."""

    def generations(self) -> list[Generation]:
        """Every generation that stands, by view and number."""
        ...

    def columns(self, generation: Generation) -> list[tuple[str, str]]:
        """The columns that a generation's table has, with their types in the database's own words."""
        ...

    def scan(self, generation: Generation, names: Sequence[str], key: Sequence[str]) -> Iterator[Row]:
        """Some columns of all rows, by key; memory does not grow with them."""
        ...

    def position(self) -> dict[int, int]:
        """The last number of each bucket that the live generations show."""
        ...


class Tables(Protocol):
    """The tables of one log's views: those that are live, or those of one moment. Every database passes the same tests.

    `place` names the moment's; it is empty for those that are live.
    """

    url: str
    company: Company
    views: Views
    place: str

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction that waits for others of its sort; made store and all on first use.

        Raises:
            LogUnavailable: the database is away. LogNotWritable: it is read-only or full.
        """
        ...

    def building(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction that writes only to generations that are building, beside others where possible."""
        ...

    def reading(self) -> AbstractContextManager[Reading | None]:
        """What stands at this moment, read while others write; None where nothing was ever made."""
        ...

    def lead(self, role: Literal["projector", "rebuild"]) -> AbstractContextManager[None]:
        """Be the only one in a role until the block, or this process, ends.

        Raises:
            ProjectorFenced: another process, or another thread, has the role.
        """
        ...

    def state(self) -> tuple[list[Generation], dict[int, int], dict[tuple[str, int], int]]:
        """The generations, the live position, and how many subjects are parked by (view, generation)."""
        ...

    def led(self, role: Literal["projector", "rebuild"]) -> bool:
        """Whether a process is in a role at this moment."""
        ...

    def rows(self, view_name: str, subject: str | None = None) -> tuple[list[str], list[Row]]:
        """A view's columns and rows, of one subject or of all, by primary key.

        Raises:
            UnknownView: there is none of this name. ViewNotBuilt: it has no table yet.
        """
        ...

    def query(self, sql: str, limit: int | None = None) -> tuple[list[str], list[Row]]:
        """Run one reading statement over the public names; answer its column names and at most `limit` rows.

        Raises:
            QueryRefused: it is not one reading statement, took too long, or the database could not run it.
        """
        ...

    def answers(
        self, questions: Iterable[str]
    ) -> tuple[list[Generation], dict[int, int], list[tuple[list[str], list[Row]]]]:
        """Run several reading statements at one moment, whatever is written meanwhile; errors are those of `query`.

        Answers the generations and the live position that they saw, and the columns and rows of each.
        """
        ...

    def moments(self) -> list[str]:
        """The places of all moments that have tables, whether anybody still uses them or not."""
        ...

    def drop(self) -> None:
        """Leave nothing of these tables, which are a moment's."""
        ...

    def close(self) -> None:
        """Give all connections back."""
        ...


def next_generations(known: Iterable[Generation], fingerprints: Mapping[str, str], cut: str) -> list[Generation]:
    """What is to be made, for each view the one after its last."""
    numbers = {generation.view: generation.number for generation in known}
    begun = clock_us()
    return [
        Generation(view, numbers.get(view, 0) + 1, told, "building", cut, begun) for view, told in fingerprints.items()
    ]


def fingerprint(view: type[View[Any]], company: Company, log_id: bytes, id_key: str) -> str:
    """What the rows of a view depend on besides the touchpoints; another fingerprint needs a rebuild.

    Where the view holds identifiers, the mark of the id key that they are keyed with stands after a plus.
    """
    columns = [(column.name, column.type.__name__, column.nullable) for column in view.columns()]
    settings = company.model_dump(mode="json", exclude=NO_VIEW_READS)
    inputs = [view.revision, columns, primary_key(view), settings, log_id.hex(), *fold_inputs()]
    told = json.dumps(inputs, sort_keys=True)
    digest = sha256(told.encode()).hexdigest()[:32]
    return f"{digest}+{id_key}" if view.keyed else digest


def primary_key(view: type[View[Any]]) -> tuple[str, ...]:
    """The columns that make a row unique; the subject leads, so that the key finds a subject's rows."""
    return ("subject", *(name for name in view.key if name != "subject"))


def public_names(chosen: Views) -> str:
    """A digest of all public names, comments and questions, to tell whether they must be replaced."""
    told = [(view.columns(), view.questions) for view in chosen.values()]
    return sha256(repr([told, *relations(chosen.values())]).encode()).hexdigest()[:32]


def not_built(name: str) -> ViewNotBuilt:
    """The error for a view without a table."""
    return ViewNotBuilt(
        "the view has not been built yet", where=name, way_out="build it with: lifecircle rebuild, or follow with run"
    )


def fenced(role: str) -> ProjectorFenced:
    """The error for a second projector or rebuild."""
    return ProjectorFenced(
        f"another {role} leads these views",
        rule=f"one {role} at a time writes the views of a log",
        way_out="stop the other one first, or leave the work to it",
    )


def open_tables(url: str, company: Company, chosen: Views | None = None, place: str = "") -> Tables:
    """Open the view store of the log at an address; nothing is made before the first write.

    Args:
        url: the log's address.
        company: whose settings the views read.
        chosen: the views to keep; all that are registered when not given.
        place: which moment's tables, by eight hexadecimal digits; those that are live when not given.
    """
    opening = extended_class_of(url, "Tables", ".tables")
    tables: Tables = opening(url, company, views() if chosen is None else chosen, place)
    return tables
