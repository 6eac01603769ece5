"""Where an import goes on that was interrupted, or whose file has grown: nothing that is settled is done again."""

import hmac
import json
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from adapters.clock import clock_us
from adapters.log import ImportRun, Log
from adapters.sources.cells import row_digest
from adapters.sources.held import Beginning
from adapters.sources.mapping import Mapping
from adapters.sources.readers import Source
from domain.errors import UnreadableInput

CHANGED = "a file of this name was imported before, but does not go on from what was read then: it is read anew"


def stored_mapping(mapping: Mapping | None) -> str:
    """A mapping as the log keeps it: JSON of what it says, and nothing of what it leaves unsaid."""
    return mapping.model_dump_json(by_alias=True, exclude_unset=True) if mapping else "null"


class Untracked:
    """The track of an import that leaves none."""

    batch, taken, note = "", 0, ""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def keep(self, taken: int, outcomes: Counter[str], *, end: str = "") -> None:
        """Keep nothing."""


class Track:
    """How far the import of one file by one mapping has come.

    `batch` is its name, that of the earlier run where there was one; `taken` how many rows or groups that one settled,
    and `outcomes` how; `note` what a user should know about it.
    """

    def __init__(
        self, log: Log, source: Source, name: str, mapping: Mapping | None, key: bytes | None, row_key: bytes
    ) -> None:
        self._log = log
        self._row_key = row_key
        self._source = source
        self._mapping = stored_mapping(mapping)
        # Another key derives other ids, so what is settled under one is not under another.
        self._plan = hmac.digest(key or b"-", self._mapping.encode(), "sha256").hex()
        # What is written to a file's end may belong to a group that was read.
        self._may_grow = source.may_grow and not (mapping and mapping.group)
        self._beginning = Beginning(source.path)
        runs = log.imports(plan=self._plan)
        run = self._fitting(runs)
        self.batch = run.batch if run else f"{name}@{self._keyed(source.digest)[:16]}"
        self.taken = run.taken if run else 0
        self.outcomes: Counter[str] = Counter(json.loads(run.outcomes)) if run else Counter()
        self.note = CHANGED if not run and any(each.file == source.path.name for each in runs) else ""

    def _fitting(self, runs: Sequence[ImportRun]) -> ImportRun | None:
        """The furthest of the runs that read what the file still begins with."""
        found, beginning, size = None, Beginning(self._source.path), self._source.size_bytes
        for run in sorted(runs, key=lambda run: run.read_bytes):
            fits = run.read_bytes == size or (run.read_bytes < size and not run.whole)
            if fits and self._keyed(beginning.upto(run.read_bytes)) == run.digest:
                found = run
        return found

    def _keyed(self, digest: str) -> str:
        """What stands for a part of the file in the log: of a file of one row, its digest would tell that row."""
        return row_digest(self._row_key, digest).hex()

    def keep(self, taken: int, outcomes: Counter[str], end: Literal["", "open", "closed"] = "") -> None:
        """Keep with the log how far it has come, so that no crash loses it.

        Args:
            taken: rows or groups that are settled.
            outcomes: how many rows were settled how.
            end: whether it has come to the file's end, and if the last line there was finished.

        Raises:
            UnreadableInput: it has come to the end, and finds that the file was changed while it was read.
        """
        source = self._source
        # The end of a packed file or of an unfinished line may read otherwise once something follows it.
        whole = not self._may_grow or end == "open"
        read_bytes = source.size_bytes if end or whole else min(source.read_bytes, source.size_bytes)
        digest = self._beginning.upto(read_bytes)
        if read_bytes == source.size_bytes and digest != source.digest:
            raise UnreadableInput(
                "the file was changed while it was read",
                where=str(source.path),
                rule="what is read of a file stays as it is; only its end may grow",
                way_out="import it again once nobody writes to it; what is stored already adds nothing",
            )
        self._log.keep_import(
            ImportRun(
                self.batch,
                self._plan,
                self._source.path.name,
                self._mapping,
                json.dumps(self._source.columns),
                read_bytes,
                self._keyed(digest),
                whole,
                taken,
                json.dumps(outcomes),
                clock_us(),
            )
        )
