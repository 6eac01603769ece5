"""Guessing a mapping for a stranger's file: what its rows are, whom they concern, when, and which column is what.

What columns are called is compared with the vocabulary, and what their cells look like with what fields take. The
result is a mapping like any other, in which every assumption and every doubt stands as a comment.
"""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from adapters.settings import LIMITS
from adapters.sources.columns import columns_of, words_of
from adapters.sources.files import open_source
from adapters.sources.likeness import LIKE_ENOUGH, Likeness
from adapters.sources.mapping import FileForm
from adapters.sources.outline import Outline
from adapters.sources.sniff import shape_of
from adapters.sources.tomltext import mapping_text
from adapters.sources.vocabulary import KIND_WORDS
from domain.errors import GuessFailed
from domain.touchpoint import kind_named

_RIVALS = 0.8
"""From which share of the best kind's score on another kind is worth a word."""


class Guess(NamedTuple):
    """A guessed mapping as TOML; what was assumed, and what is in doubt; up to which line rows were looked at."""

    kind: str
    text: str
    assumed: list[str]
    unsure: list[str]
    sampled_lines: int


def guess_mapping(path: Path, *, kind: str | None = None, zone: str | None = None) -> Guess:
    """Guess how the rows of a file become touchpoints.

    Args:
        path: the file.
        kind: what they are, where somebody knows.
        zone: the zone of times without an offset, where it is known.

    Raises:
        GuessFailed: no kind, no time or no subject can be told; with how to say it by hand.
        UnreadableInput: the file as a whole cannot be read.
        UnknownKind: there is no such kind.
    """
    shape = shape_of(path)
    form = FileForm.model_validate(shape.form)
    source = open_source(path, form)
    sampled = list(islice(source.rows(), LIMITS.guess_sample_rows))
    rows = [row.cells for row in sampled if row.cells and not row.flaw]
    if not rows:
        raise GuessFailed(
            "the file has a header, but no row that can be read" if form.header else "no row of the file can be read",
            where=str(path),
            rule="a mapping is guessed from what cells look like",
            way_out="name a file with rows, or write the mapping by hand: docs/how-to/import.md",
        )
    columns = columns_of(source.columns, rows)
    likely = [Likeness(each, columns, path) for each in ([kind_named(kind).kind] if kind else KIND_WORDS)]
    likely.sort(key=lambda likeness: -likeness.score)
    best = likely[0]
    if not kind and best.score < LIKE_ENOUGH:
        raise GuessFailed(
            "what the rows are cannot be told from the names of the columns",
            where=str(path),
            rule="the columns are " + ", ".join(source.columns),
            way_out="say it, such as --kind OrderPlaced; lifecircle kinds lists them all",
        )
    if not kind and (rivals := [each.kind for each in likely[1:3] if each.score >= _RIVALS * best.score]):
        shape.unsure.append(f"the rows could also be {' or '.join(rivals)}: say so with --kind")
    name = "-".join(words_of(path.name.partition(".")[0])) or "file"
    outline = Outline(best, path, shape.assumed, shape.unsure)
    tables = outline.tables(name, shape.form, zone)
    return Guess(
        best.kind, mapping_text(tables, shape.assumed, shape.unsure), shape.assumed, shape.unsure, sampled[-1].line
    )
