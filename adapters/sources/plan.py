"""A mapping made ready for one file: from the cells of rows to touchpoints as their producer would have sent them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from adapters.codec import parse_json
from adapters.sources.cells import Cells, Compiler, Reader, derive, unreadable
from adapters.sources.mapping import Grouping, Mapping, TouchpointRule
from adapters.sources.values import Value
from domain.errors import UnreadableInput

Envelopes = list[tuple[str, dict[str, Any]]]
"""Touchpoints of one row or group, each with the name of the rule that made it."""

NO_TOUCHPOINT = "no touchpoint's conditions hold"
BLANK = "blank line"


class FaultyRow(UnreadableInput):
    """One row of a group cannot be read; `place` says which, from 0."""

    def __init__(self, place: int, error: UnreadableInput) -> None:
        super().__init__(error.what, where=error.where, rule=error.rule, way_out=error.way_out)
        self.place = place


class Recipe(ABC):
    """What the rows of one file become, and what of them is counted.

    name: of the mapping; source: the system that the file comes from; group: which rows belong together; reasons,
    rules: the names of what the report counts even where no row meets it; counts: what else is counted, each with its
    name, its conditions, and the cell whose different contents are counted.
    """

    name: str
    source: str
    group: Grouping | None
    reasons: Sequence[str]
    rules: Sequence[str]
    counts: Sequence[tuple[str, Callable[[Cells], bool] | None, int | None]]

    @property
    def ambiguous_times(self) -> int:
        """How many local times were read that occurred twice, and were taken as the first."""
        return 0

    @abstractmethod
    def left_out(self, cells: Cells) -> str | None:
        """The name of the first condition that leaves the row out.

        Raises:
            UnreadableInput: a number is compared where there is none.
        """

    @abstractmethod
    def key(self, cells: Cells) -> str:
        """What tells the row from others, identical ones aside; rows of one group have it in common."""

    @abstractmethod
    def touchpoints(self, rows: Sequence[Cells], stem: str, stem_of: Callable[[str], str]) -> Envelopes:
        """The touchpoints of a row, or of the rows of a group.

        Args:
            rows: their cells.
            stem: what tells the row or group from all others.
            stem_of: tells rows that are alike apart, by what they have in common.

        Raises:
            FaultyRow: with the row that cannot be read.
        """

    @abstractmethod
    def pass_over(self, rows: Sequence[Cells], stem_of: Callable[[str], str]) -> None:
        """Count rows that are settled already as `touchpoints` would, so that later ones that are alike differ."""


class Plan(Recipe):
    """A recipe from a mapping.

    Args:
        mapping: what says so.
        columns: the file's columns, all that the mapping names among them.
        key: the log's id key, where the mapping needs one.
    """

    def __init__(self, mapping: Mapping, columns: Sequence[str], key: bytes | None) -> None:
        self._compiler = compiler = Compiler(columns, mapping.zone, key)
        self.name, self.source, self.group = mapping.name, mapping.source, mapping.group
        self.reasons = [left.name for left in mapping.leave_out]
        self.rules = [rule.name for rule in mapping.touchpoint]
        self.counts = [
            (
                each.name,
                compiler.condition(each.when) if each.when else None,
                columns.index(each.distinct) if each.distinct else None,
            )
            for each in mapping.count
        ]
        self._conditions = [(left.name, compiler.condition(left.when)) for left in mapping.leave_out]
        names = mapping.group.by if mapping.group else mapping.key or columns
        self._key_places = None if tuple(names) == tuple(columns) else [columns.index(name) for name in names]
        self._stem = f"{mapping.name}\0"
        self._rules = [_Rule(rule, mapping.source, compiler) for rule in mapping.touchpoint if rule.per == "group"]
        self._row_rules = [_Rule(rule, mapping.source, compiler) for rule in mapping.touchpoint if rule.per == "row"]
        self._reads_first = any(value.first for rule in mapping.touchpoint for _, value in rule.values())

    @property
    def ambiguous_times(self) -> int:
        """How many local times were read that occurred twice, and were taken as the first."""
        return self._compiler.ambiguous_times

    def left_out(self, cells: Cells) -> str | None:
        """The name of the first condition that leaves the row out."""
        for name, holds in self._conditions:
            if holds(cells):
                return name
        return None

    def key(self, cells: Cells) -> str:
        """What tells the row from others, identical ones aside; rows of one group have it in common."""
        # No cell holds NUL, so that no two different keys read alike.
        places = self._key_places
        if places is None:
            return self._stem + "\0".join(cells)
        return self._stem + (cells[places[0]] if len(places) == 1 else "\0".join([cells[place] for place in places]))

    def touchpoints(self, rows: Sequence[Cells], stem: str, stem_of: Callable[[str], str]) -> Envelopes:
        """The touchpoints of a row or a group: those of the whole first, then those of each row."""
        place = 0
        made: Envelopes = []
        try:
            for rule in self._rules:
                if rule.holds is None or rule.holds(rows[0]):
                    envelope = rule.envelope(rows[0], stem)
                    for place, cells in enumerate(rows):  # noqa: B007 - tells the faulty row
                        rule.add_row(envelope["data"], cells, stem)
                    place = 0
                    rule.add_totals(envelope["data"], rows)
                    made.append((rule.name, envelope))
            for place, cells in enumerate(rows if self._row_rules else ()):  # noqa: B007 - tells the faulty row
                made += self._of_row(cells, rows[0], stem_of)
        except UnreadableInput as error:
            raise FaultyRow(place, error) from None
        return made

    def pass_over(self, rows: Sequence[Cells], stem_of: Callable[[str], str]) -> None:
        """Count the rows that become touchpoints of their own, up to one that cannot be read."""
        if self._row_rules:
            try:
                self.touchpoints(rows, "", stem_of)
            except FaultyRow:
                return

    def _of_row(
        self, cells: Cells, first: Cells, stem_of: Callable[[str], str]
    ) -> Iterable[tuple[str, dict[str, Any]]]:
        """The touchpoints of one row of a group. Their ids rest on its own cells, so that a group may grow."""
        rules = [rule for rule in self._row_rules if rule.holds is None or rule.holds(cells)]
        if not rules:
            return
        stem = stem_of(self._stem + "\0".join(cells))
        both = [*cells, *first] if self._reads_first else cells
        for rule in rules:
            envelope = rule.envelope(both, stem)
            rule.add_row(envelope["data"], both, stem)
            yield rule.name, envelope


class CloudEvents(Recipe):
    """The recipe for lines that are CloudEvents already."""

    name = source = "cloudevents"
    group = None
    reasons = rules = counts = ()

    def left_out(self, cells: Cells) -> None:
        """None is."""

    def key(self, cells: Cells) -> str:  # noqa: ARG002
        """Every event has an id of its own."""
        return ""

    def touchpoints(self, rows: Sequence[Cells], stem: str, stem_of: Callable[[str], str]) -> Envelopes:  # noqa: ARG002
        """The event of a line."""
        try:
            event = parse_json(rows[0][0], "the line")
        except UnreadableInput as error:
            raise FaultyRow(0, error) from None
        if not isinstance(event, dict):
            raise FaultyRow(0, unreadable("the line", "it is a CloudEvent, one JSON object"))
        return [(str(event.get("type")), event)]

    def pass_over(self, rows: Sequence[Cells], stem_of: Callable[[str], str]) -> None:
        """Every event has an id of its own."""


class _Rule:
    def __init__(self, rule: TouchpointRule, source: str, compiler: Compiler) -> None:
        self.name = rule.name
        self.holds = compiler.condition(rule.when) if rule.when else None
        self._subject = compiler.value(rule.subject)
        self._id = compiler.value(rule.id) if rule.id else None
        self._time = compiler.time(rule.time)
        self._fixed: dict[str, Any] = {"source": source, "type": rule.kind}
        if rule.time.precision == "date":
            self._fixed["precision"] = "date"
        plain = {path: value for path, value in rule.fields.items() if not value.sum}
        self._fields = _table(plain, compiler)
        self._extras = _table(rule.envelope, compiler)
        self._each_row = [(name, _table(values, compiler)) for name, values in rule.each_row.items()]
        self._totals = [
            (tuple(path.split(".")), compiler.total(value)) for path, value in rule.fields.items() if value.sum
        ]

    def envelope(self, cells: Cells, stem: str) -> dict[str, Any]:
        envelope = self._extras(cells, stem)
        envelope.update(self._fixed)
        envelope["subject"] = self._needed(self._subject, cells, stem, "subject")
        envelope["id"] = self._needed(self._id, cells, stem, "id") if self._id else derive(stem, self.name)
        envelope["time"] = self._time(cells)
        data = envelope["data"] = self._fields(cells, stem)
        for name, _ in self._each_row:
            data[name] = []
        return envelope

    def _needed(self, reader: Reader, cells: Cells, stem: str, what: str) -> Any:
        found = reader(cells, stem)
        if found is None:
            raise unreadable(what, f"the {what} of {self.name} is not empty")
        return found

    def add_row(self, data: dict[str, Any], cells: Cells, stem: str) -> None:
        for name, table in self._each_row:
            data[name].append(table(cells, stem))

    def add_totals(self, data: dict[str, Any], rows: Sequence[Cells]) -> None:
        for path, total in self._totals:
            if (found := total(rows)) is not None:
                _put(data, path, found)


def _table(values: dict[str, Value], compiler: Compiler) -> Callable[[Cells, str], dict[str, Any]]:
    """A reader of a whole table of values; what is empty is left out of it."""
    # Most values stand at the top, and what never changes is not read again for every row.
    always = {
        path: compiler.value(value)((), "")
        for path, value in values.items()
        if value.constant is not None and "." not in path
    }
    rest = [(path.split("."), compiler.value(value)) for path, value in values.items() if path not in always]
    plain = [(path[0], reader) for path, reader in rest if len(path) == 1]
    nested = [(path, reader) for path, reader in rest if len(path) > 1]

    def read(cells: Cells, stem: str) -> dict[str, Any]:
        table = always.copy()
        for name, reader in plain:
            if (found := reader(cells, stem)) is not None:
                table[name] = found
        for path, reader in nested:
            if (found := reader(cells, stem)) is not None:
                _put(table, path, found)
        return table

    return read


def _put(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for step in path[:-1]:
        table = table.setdefault(step, {})
    table[path[-1]] = value
