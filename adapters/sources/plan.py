"""A mapping made ready for one file: from the cells of rows to touchpoints as their producer would have sent them."""

from collections.abc import Callable, Sequence
from typing import Any

from adapters.sources.cells import Cells, Compiler, Reader, derive, unreadable
from adapters.sources.mapping import Mapping, TouchpointRule, Value
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


class Plan:
    """What the rows of one file become.

    Args:
        mapping: what says so.
        columns: the file's columns, all that the mapping names among them.
        key: the log's id key, where the mapping needs one.
    """

    def __init__(self, mapping: Mapping, columns: Sequence[str], key: bytes | None) -> None:
        compiler = Compiler(columns, mapping.zone, key)
        self._conditions = [(left.name, compiler.condition(left.when)) for left in mapping.leave_out]
        names = mapping.group.by if mapping.group else mapping.key or columns
        self._key_places = None if tuple(names) == tuple(columns) else [columns.index(name) for name in names]
        self._stem = f"{mapping.name}\0"
        self._rules = [_Rule(rule, mapping.source, compiler) for rule in mapping.touchpoint]

    def left_out(self, cells: Cells) -> str | None:
        """The name of the first condition that leaves the row out.

        Raises:
            UnreadableInput: a number is compared where there is none.
        """
        for name, holds in self._conditions:
            if holds(cells):
                return name
        return None

    def key(self, cells: Cells) -> str:
        """What tells the row from others, identical ones aside; rows of one group have it in common."""
        # No cell holds NUL, so that no two different keys read alike.
        return self._stem + "\0".join([cells[place] for place in self._key_places] if self._key_places else cells)

    def touchpoints(self, rows: Sequence[Cells], stem: str) -> Envelopes:
        """The touchpoints of a row, or of the rows of a group; `stem` tells them from all other rows and groups.

        Raises:
            FaultyRow: with the row that cannot be read.
        """
        place = 0
        try:
            made: Envelopes = []
            for rule in self._rules:
                if rule.holds is None or rule.holds(rows[0]):
                    envelope = rule.envelope(rows[0], stem)
                    for place, cells in enumerate(rows):  # noqa: B007 - tells the faulty row
                        rule.add_row(envelope["data"], cells, stem)
                    place = 0
                    rule.add_totals(envelope["data"], rows)
                    made.append((rule.name, envelope))
        except UnreadableInput as error:
            raise FaultyRow(place, error) from None
        return made


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
    readers = [(tuple(path.split(".")), compiler.value(value)) for path, value in values.items()]

    def read(cells: Cells, stem: str) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for path, reader in readers:
            if (found := reader(cells, stem)) is not None:
                if len(path) == 1:
                    table[path[0]] = found
                else:
                    _put(table, path, found)
        return table

    return read


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for step in path[:-1]:
        table = table.setdefault(step, {})
    table[path[-1]] = value
