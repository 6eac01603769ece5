"""Effective history in a mirror: the facts of every family as they stand, kept up with what is new in the log.

Most customers were never merged or corrected; what is new of them is appended. A family that was is folded again from
the log when something new of it comes, and its rows of before count no more: a list says so of each stream.
"""

# pyright: reportAttributeAccessIssue=false
# Arrow makes its functions of computation as it is imported, so no checker finds them.

from collections.abc import Iterable, Sequence
from hashlib import sha256

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from adapters.codec import fact_of, fact_to_fold
from adapters.cursor import Cursor
from adapters.engine import Engine
from adapters.log import Stored
from adapters.mirror.columns import AT, history_schema, history_table
from adapters.mirror.manifest import Files, History, HistoryPart, Manifest
from adapters.mirror.parts import Part, Replaced, extended, read_parts
from adapters.settings import LIMITS
from adapters.views.sweep import open_sweep
from domain.company import Company
from domain.history import RESHAPING_KINDS, components, effective_histories
from domain.touchpoint import KINDS, Fact

_REVISION = 1
"""Rises when rows are made otherwise than their columns tell."""

_DEAD_SHARE = 5
"""One row in so many may count no more before all files are written anew without them."""


def folded_as(company: Company) -> str:
    """A digest of what the columns of history depend on besides the touchpoints; another one needs another fold."""
    told = [(name, kind.schema_version, str(history_schema(name))) for name, kind in sorted(KINDS.items())]
    return sha256(orjson.dumps([_REVISION, company.zone, told])).hexdigest()[:32]


class HistoryFold:
    """Folds what is new in a log into the history of a mirror."""

    def __init__(self, engine: Engine, files: Files, manifest: Manifest, cut: Cursor) -> None:
        self._company = engine.company
        self._files = files
        self._history = manifest.history
        self._since = Replaced.read(files.folder, manifest).as_dict()
        self._joined = components([fact_of(stored) for stored in engine.log.links(cut)])
        self._sweep = open_sweep(engine.url)
        self._begin()

    def _begin(self) -> None:
        self._tables: dict[str, list[pa.Table]] = {}
        self._touched: dict[frozenset[str], int] = {}
        """The families to be folded again, and how much of them is new."""
        self._fold = self._history.folds + 1

    def close(self) -> None:
        """Give the connection to the log back."""
        self._sweep.close()

    def take(self, page: Sequence[Stored]) -> None:
        """Take what is new."""
        rows = list[tuple[str, Fact]]()
        for stored in page:
            fact = None if stored.stream in self._since or stored.kind in RESHAPING_KINDS else _read(stored)
            if fact:
                rows.append((stored.stream, fact))
            else:
                family = self._joined.of(stored.stream)
                self._touched[family] = self._touched.get(family, 0) + 1
        self._append(rows, 2 * self._fold)

    def _append(self, rows: Iterable[tuple[str, Fact]], written: int) -> None:
        of_kind: dict[str, list[tuple[str, Fact]]] = {}
        for root, fact in rows:
            of_kind.setdefault(fact.kind, []).append((root, fact))
        for kind, members in of_kind.items():
            table = history_table(kind, members, self._company, written)
            self._tables.setdefault(kind, []).append(table)

    def step(self, reached: Cursor) -> History:
        """Fold the families again that must be, and write all that came since the last step."""
        dead = self._history.dead + self._fold_again(reached)
        changes: dict[str, object] = {"cursor": str(reached), "folds": self._fold, "dead": dead}
        if self._touched:
            name, path = self._files.new("history", "replaced")
            Replaced.of(self._since).write(path)
            changes["replaced"] = name
        firsts = [pc.min(table.column(AT)).value for tables in self._tables.values() for table in tables]
        began = min([*firsts, *([] if self._history.began is None else [self._history.began])], default=None)
        parts = self._history.parts
        for kind, tables in self._tables.items():
            parts = self._extended(parts, kind, tables)
        changes |= {"began": began, "parts": parts, "parked": self._parked}
        self._history = self._history.model_copy(update=changes)
        self._begin()
        return self._history

    def _fold_again(self, reached: Cursor) -> int:
        """Fold families again from the log as it stands at a cursor; how many rows of before count no more, about."""
        self._parked = dict(self._history.parked)
        rows, dead = list[tuple[str, Fact]](), 0
        for family, new in self._touched.items():
            found = self._folded(family, reached)
            dead += max(0, len(found) - new)
            rows += found
            self._since.update(dict.fromkeys(family, 2 * self._fold + 1))
            if len(rows) >= LIMITS.mirror_page_touchpoints:
                self._append(rows, 2 * self._fold + 1)
                rows = []
        self._append(rows, 2 * self._fold + 1)
        return dead

    def _folded(self, family: frozenset[str], reached: Cursor) -> list[tuple[str, Fact]]:
        for stream in family:
            self._parked.pop(stream, None)
        try:
            facts = [fact_to_fold(each) for stream in sorted(family) for each in self._sweep.stream(stream, reached)]
            histories = effective_histories(facts)
        except Exception as error:  # noqa: BLE001 - what cannot be read parks its family, visibly
            self._parked |= dict.fromkeys(family, type(error).__name__)
            return []
        return [(root, fact) for root, history in histories.items() for fact in history]

    def _extended(self, parts: Sequence[HistoryPart], kind: str, tables: list[pa.Table]) -> tuple[HistoryPart, ...]:
        mine = [part for part in parts if part.kind == kind]
        last = Part(mine[-1].file, mine[-1].rows) if mine else None
        written = extended(self._files, "history", f"kind={kind}", last, tables)
        full = mine if not mine or mine[-1].rows >= LIMITS.mirror_part_rows else mine[:-1]
        added = [HistoryPart(file=file, rows=rows, kind=kind) for file, rows in written]
        return (*(part for part in parts if part.kind != kind), *full, *added)

    def compacted(self) -> History | None:
        """Write all files anew without the rows that count no more, where these have become many; None elsewhere."""
        rows = sum(part.rows for part in self._history.parts)
        if self._history.dead < LIMITS.mirror_part_rows or self._history.dead * _DEAD_SHARE < rows:
            return None
        replaced, parts = Replaced.of(self._since), tuple[HistoryPart, ...]()
        for kind in dict.fromkeys(part.kind for part in self._history.parts):
            mine = [part.file for part in self._history.parts if part.kind == kind]
            for table in read_parts(self._files.folder, mine, history_schema(kind).names):
                if (standing := replaced.standing(table)).num_rows:
                    parts = self._extended(parts, kind, [standing])
        self._history = self._history.model_copy(update={"parts": parts, "dead": 0})
        return self._history


def _read(stored: Stored) -> Fact | None:
    """The fact, or None where it cannot be read; then its family is folded again, and parked by what that raises."""
    try:
        return fact_of(stored)
    except Exception:  # noqa: BLE001 - told of where it is folded again
        return None
