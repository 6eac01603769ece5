"""How like the rows of a stranger's file are to a kind of touchpoint: by what columns are called and what they hold."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import domain.kinds  # noqa: F401 - registers every kind
from adapters.sources.answers import Answers
from adapters.sources.columns import Column, words_of
from adapters.sources.vocabulary import (
    ADDRESSED,
    CHOICES,
    CONSTANTS,
    CURRENCY,
    KIND_WORDS,
    NAMED,
    SUBJECT,
    TIME,
)
from domain.schema import Described, fields
from domain.touchpoint import kind_named

_SIGN, _FILE_SIGN, _REQUIRED, _FIELD = 2.0, 3.0, 3.0, 1.0
_FIT_MIN = 0.45
LIKE_ENOUGH = _REQUIRED
"""The score below which a file is like no kind."""
TOLD_APART = ("mode", "question")
"""Fields that a kind needs and that something can be said of where no column does."""


def fit(column: Column, phrases: Sequence[str]) -> float:
    """How well a column's name fits the best of some phrases: 1 for the first as a whole, 0 for none."""
    best = 0.0
    for place, phrase in enumerate(phrases):
        words = tuple(phrase.split())
        if column.words == words:
            found = 1.0
        elif column.words[: len(words)] == words or column.words[-len(words) :] == words:
            found = 0.3 + 0.5 * len(words) / len(column.words)
        else:
            continue
        best = max(best, found - 0.1 * place / len(phrases))
    return best


def choices(name: str, column: Column) -> dict[str, str]:
    """What the words of a column say among the choices of a field: all words of the column that are known."""
    known = {phrase: choice for choice, phrases in CHOICES[name].items() for phrase in phrases}
    found = {cell: known.get(" ".join(words_of(cell))) for cell in sorted(column.different)}
    return {cell: choice for cell, choice in found.items() if choice}


class Likeness:
    """How like the rows of a file are to one kind of touchpoint, and which column would be what.

    `time`, `subject` and `currency` are columns, where there is one; `keyed` is whether only a keyed id may be made of
    the subject; `found` the columns of fields; `score` what it counts for all in all.
    """

    def __init__(self, kind: str, columns: Sequence[Column], path: Path, answers: Answers) -> None:
        self.kind = kind
        self.answers = answers
        self._stem = path.stem
        self.columns = columns
        self.fields = {each.name: each for each in fields(kind_named(kind))}
        words = KIND_WORDS.get(kind)
        self._entities = kind_named(kind).entity_fields()
        self._phrases = {name: (" ".join(words_of(name.rpartition(".")[2])),) for name in self.fields} | dict(
            words.fields if words else {}
        )
        self._times = (*(words.time if words else ()), *TIME)
        self.time = self._said(answers.time) or self.best(self._times, (each for each in columns if each.time))
        self.currency = self.best(CURRENCY, (each for each in columns if each.currency))
        taken = {each.name for each in (self.time, self.currency) if each}
        self.subject, self.keyed = self._find_subject(taken)
        taken |= {self.subject.name} if self.subject else set()
        self.found = self._assign(taken)
        self.score = self._score(words.signs if words else ())

    def best(self, phrases: Sequence[str], columns: Iterable[Column]) -> Column | None:
        """The column whose name fits the phrases best."""
        fits = [(found, column) for column in columns if (found := fit(column, phrases)) >= _FIT_MIN]
        return max(fits, key=lambda pair: pair[0])[1] if fits else None

    def _find_subject(self, taken: set[str]) -> tuple[Column | None, bool]:
        """Whom the rows concern; and whether only a keyed id may be made of it."""
        if said := self._said(self.answers.subject):
            return said, said.email or said.phone or said.name_like
        free = [each for each in self.columns if each.name not in taken and not each.time and each.filled]
        address = [each for each in free if each.email or each.phone]
        ids = (each for each in free if each not in address and not each.boolean and not each.name_like)
        if named := self.best(SUBJECT, ids):
            return named, False
        if addressed := (self.best(ADDRESSED, address) or next(iter(address), None)):
            return addressed, True
        return self.best((*NAMED, *SUBJECT), (each for each in free if not each.number and not each.boolean)), True

    def _said(self, name: str | None) -> Column | None:
        return next((each for each in self.columns if each.name == name), None)

    def _assign(self, taken: set[str]) -> dict[str, Column]:
        """Give each field the column that fits it best, the best fits of all first; no column twice."""
        fits = [
            (fit(column, phrases), -place, name, column)
            for place, (name, phrases) in enumerate(self._phrases.items())
            if name in self.fields
            for column in self.columns
            if column.filled
            and (column.name not in taken or (name.endswith("contact_points[].value") and column.email))
            if self._takes(self.fields[name], column)
        ]
        found: dict[str, Column] = {}
        for likeness, _, name, column in sorted(fits, key=lambda each: (-each[0], -each[1])):
            if likeness >= _FIT_MIN and name not in found and column not in found.values():
                found[name] = column
        return found

    def _takes(self, described: Described, column: Column) -> bool:
        """Whether what a column's cells look like is what a field takes."""
        kind = described.type
        if kind.startswith("amount"):
            return column.number is not None and not column.currency and column.time is None
        if kind in ("decimal", "integer", "number"):
            return column.number is not None and (kind != "integer" or column.number.whole)
        if kind in ("date", "time with offset"):
            return column.time is not None and (bool(column.time.day_format) if kind == "date" else column.time.is_date)
        if kind == "yes or no":
            return column.boolean
        if described.name in ("mode", "direction", "interval"):
            return bool(choices(described.name, column))
        if " | " in kind or kind.startswith("list") or kind == "fields":
            return False
        return column.time is None and not (described.name in self._entities and (column.email or column.phone))

    def _score(self, signs: Sequence[str]) -> float:
        told = {word for column in self.columns for word in column.words}
        score = _SIGN * len(told & set(signs)) + _FILE_SIGN * bool(set(words_of(self._stem)) & set(signs))
        for name, column in self.found.items():
            weight = _REQUIRED if self.fields[name].required and "[]" not in name else _FIELD
            score += weight * fit(column, self._phrases[name])
        return score - 2 * _REQUIRED * len(self.missing())

    def missing(self) -> list[str]:
        """The fields that the kind needs and nothing says; an id can always be derived."""
        given = set(self.found) | CONSTANTS.get(self.kind, {}).keys()
        if self.has_lines():
            given |= {"lines", "total"}
        return [
            name
            for name, each in self.fields.items()
            if each.required and "[]" not in name and name not in given and name not in (*TOLD_APART, *self._entities)
        ]

    def has_lines(self) -> bool:
        """Whether a line's quantity and what it comes to are said; goods without a price do for some kinds."""
        if "lines[].quantity" not in self.found:
            return False
        net = self.fields.get("lines[].net")
        return net is not None and (not net.required or bool({"lines[].net", "lines[].unit_price"} & self.found.keys()))
