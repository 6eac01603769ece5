"""An import that is only rehearsed: what it would record and what it would quarantine, and nothing of it is kept."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.codec import draft_of
from adapters.log import QuarantinedRow, Receipt, Verdict
from adapters.progress import Progress
from adapters.settings import LIMITS
from adapters.sources.files import open_source
from adapters.sources.importer import Import
from adapters.sources.mapping import Mapping
from adapters.sources.plan import Plan
from adapters.sources.report import Report
from adapters.sources.resume import Untracked
from adapters.sources.scratch import Scratch
from domain.company import Company
from domain.compiled import Appendable, Encoded
from domain.errors import IdReused, Refused
from domain.touchpoint import Envelope

PLACES_MAX = 5
"""How many rows of each rule are named by their line."""


@dataclass
class Rehearsal:
    """What an import would do.

    first: the first touchpoints; sampled and whole: quarantined rows by their rule, among the sampled rows and in the
    whole file; places: the lines of the first of them.
    """

    company: Company
    first_max: int
    sampled_lines: int
    first: list[Envelope] = field(default_factory=list)
    sampled: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[int]] = field(default_factory=dict)
    report: Report = field(default_factory=lambda: Report("", "", ""))
    _known: dict[int, int] = field(default_factory=dict)

    def store(self, batches: Iterable[Iterable[Sequence[Appendable]]]) -> Iterator[list[Verdict]]:
        """Answer as a log would that was empty before."""
        return ([self._verdict(group) for group in groups] for groups in batches)

    def _verdict(self, group: Sequence[Appendable]) -> Verdict:
        try:
            keys = [(hash((each.subject, each.source, each.id)), hash(draft_of(each, "").state)) for each in group]
        except Refused as error:
            return error
        if any(self._known.get(key, content) != content for key, content in keys):
            return IdReused(
                "the id was used before with other content",
                where="id",
                rule="the same source, subject and id name the same touchpoint",
                way_out="name another column as the id, or none",
            )
        receipts: list[Receipt] = []
        for envelope, (key, content) in zip(group, keys, strict=True):
            repeat = key in self._known
            if not repeat and len(self._known) < LIMITS.import_keys_in_memory:
                self._known[key] = content
            if not repeat and len(self.first) < self.first_max:
                self.first.append(envelope.typed() if isinstance(envelope, Encoded) else envelope)
            receipts.append(Receipt(1, 0, envelope.subject, 0, 0, b"", repeat))
        return receipts

    def set_aside(self, rows: list[QuarantinedRow]) -> None:
        """Count rows by their rule."""
        for row in rows:
            self.whole[row.rule] += 1
            self.sampled[row.rule] += row.row <= self.sampled_lines
            places = self.places.setdefault(row.rule, [])
            if len(places) < PLACES_MAX:
                places.append(row.row)


def rehearse(
    path: Path,
    mapping: Mapping,
    *,
    company: Company,
    key: bytes,
    row_key: bytes,
    first_max: int,
    sampled_lines: int,
    progress: Progress | None = None,
) -> Rehearsal:
    """Read a whole file by a mapping as an import would, and keep nothing of it.

    Args:
        path: the file.
        mapping: what its rows become.
        company: whose rules hold.
        key: what keyed ids are derived with.
        row_key: what is derived with that tells rows apart.
        first_max: how many touchpoints to show.
        sampled_lines: up to which line of the file rows count as sampled.
        progress: told how far reading has come.

    Raises:
        UnreadableInput: the file as a whole cannot be read.
        MappingInvalid: the mapping names a column that it has not.
    """
    source = open_source(path, mapping.file)
    mapping.check_columns(source.columns, str(path))
    rehearsal = Rehearsal(company, first_max, sampled_lines)
    with Scratch() as scratch:
        plan = Plan(mapping, source.columns, key)
        rehearsal.report = Import(rehearsal, source, plan, Untracked(), scratch, row_key).run(progress)
    return rehearsal
