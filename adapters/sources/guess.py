"""Guessing a mapping for a stranger's file: what its rows are, whom they concern, when, and which column is what.

What columns are called is compared with the vocabulary, and what their cells look like with what fields take. The
result is a mapping like any other, in which every assumption and every doubt stands as a comment.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from adapters.settings import LIMITS
from adapters.sources.answers import Answers, Doubt
from adapters.sources.columns import Column, columns_of, words_of
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
_NOTHING = Answers()
_KINDS_SAID = 3


class Guess(NamedTuple):
    """A guessed mapping as TOML; what was assumed, and what is in doubt; up to which line rows were looked at."""

    kind: str
    text: str
    assumed: list[str]
    unsure: list[Doubt]
    sampled_lines: int


def guess_mapping(
    path: Path, answers: Answers = _NOTHING, *, zone: str | None = None, currency: str | None = None
) -> Guess:
    """Guess how the rows of a file become touchpoints.

    Args:
        path: the file.
        answers: what somebody knows of it.
        zone: the zone of times without an offset, where it is known.
        currency: the company's own, which amounts are taken to be in where nothing names one.

    Raises:
        GuessFailed: no kind, no time or no subject can be told, or a column that is named is not there; with how to say
            it.
        UnreadableInput: the file as a whole cannot be read.
        UnknownKind: there is no such kind.
    """
    shape = shape_of(path, answers.encoding)
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
    columns = columns_of(source.columns, rows, answers.dates)
    _look_up(answers, columns, path)
    kind = answers.kind
    likely = [Likeness(each, columns, path, answers) for each in ([kind_named(kind).kind] if kind else KIND_WORDS)]
    likely.sort(key=lambda likeness: -likeness.score)
    best = likely[0]
    if not kind and best.score < LIKE_ENOUGH:
        raise GuessFailed(
            "what the rows are cannot be told from the names of the columns",
            where=str(path),
            rule="the columns are " + ", ".join(source.columns),
            way_out=f"say it, perhaps {_kinds(likely)}; lifecircle kinds lists them all",
        )
    if not kind and (rivals := [each.kind for each in likely[1:3] if each.score >= _RIVALS * best.score]):
        text = f"the rows are taken as {best.kind}, and could also be {' or '.join(rivals)}"
        shape.unsure.append(Doubt(text, "--kind", (best.kind, *rivals)))
    name = "-".join(words_of(path.name.partition(".")[0])) or "file"
    outline = Outline(best, path, shape.assumed, shape.unsure)
    tables = outline.tables(name, shape.form, zone, currency)
    return Guess(
        best.kind, mapping_text(tables, shape.assumed, shape.unsure), shape.assumed, shape.unsure, sampled[-1].line
    )


def _look_up(answers: Answers, columns: Sequence[Column], path: Path) -> None:
    """See that the columns that somebody named are there, and that one of times holds times."""
    for option, said in (("--subject", answers.subject), ("--time", answers.time)):
        fitting = [each.name for each in columns if option == "--subject" or each.time]
        if said is not None and said not in fitting:
            raise GuessFailed(
                "there is no such column" if option == "--subject" else "there is no such column of times",
                where=f"{option} for {path}",
                rule=f"the columns are {', '.join(fitting)}",
                way_out=f"name one of them by {option}",
            )


def _kinds(likely: Sequence[Likeness]) -> str:
    *others, last = (f"--kind {each.kind}" for each in likely[:_KINDS_SAID])
    return f"{', '.join(others)} or {last}"
