"""What a log keeps in its file beside touchpoints: settings, rows in quarantine, and how far imports have come."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from adapters.log import ImportRun, QuarantinedRow, Settings
from domain.company import Company

_SETTINGS = """
    SELECT * FROM (
        SELECT 1 AS number, NULL, NULL, company FROM log
        UNION ALL SELECT number, recorded, recordedby, company FROM settings
    ) WHERE number > ? ORDER BY number
"""

_CHANGE_SETTINGS = """
    INSERT INTO settings (number, recorded, recordedby, company)
    SELECT ?1, ?2, ?3, ?4 WHERE ?1 = (SELECT coalesce(max(number), 1) + 1 FROM settings)
"""

_QUARANTINE = """
    INSERT INTO quarantine (batch, "row", source, rule, message, raw, recorded, stem, released, released_by)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (batch, "row") DO NOTHING
"""

_QUARANTINED = """
    SELECT batch, "row", source, rule, message, raw, recorded, stem, released, released_by FROM quarantine
    WHERE (?1 IS NULL OR batch = ?1) AND (?2 OR released IS NULL) ORDER BY batch, "row"
"""

_IN_QUARANTINE = "SELECT count(*) FROM quarantine WHERE released IS NULL"

_AMEND = """
    UPDATE quarantine SET rule = ?, message = ?, raw = ?, stem = ?, released = ?, released_by = ?
    WHERE batch = ? AND "row" = ?
"""

_KEEP_IMPORT = """
    INSERT OR REPLACE INTO imports
        (batch, plan, file, mapping, columns, read_bytes, digest, whole, taken, outcomes, recorded)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_IMPORTS = """
    SELECT batch, plan, file, mapping, columns, read_bytes, digest, whole, taken, outcomes, recorded FROM imports
    WHERE batch = ? OR plan = ?
"""


class Books(ABC):
    """The books of a log."""

    @abstractmethod
    def transaction(self, *, commit: bool = False) -> AbstractContextManager[sqlite3.Cursor]:
        """A transaction on the file of the log."""

    def quarantine(self, rows: Sequence[QuarantinedRow]) -> None:
        """Keep rows that an import could not turn into touchpoints."""
        with self.transaction(commit=True) as cursor:
            cursor.executemany(
                _QUARANTINE,
                [(*row[:5], _bytes(row.raw), *row[6:]) for row in rows],
            )

    def quarantined(self, batch: str | None = None, *, released: bool = False) -> list[QuarantinedRow]:
        """The rows in quarantine, of one batch or of all; with `released` those too that were let in since."""
        with self.transaction() as cursor:
            return [
                QuarantinedRow._make((*row[:5], row[5].decode("utf-8", "surrogatepass"), *row[6:]))
                for row in cursor.execute(_QUARANTINED, (batch, released))
            ]

    def in_quarantine(self) -> int:
        """How many rows wait in quarantine."""
        with self.transaction() as cursor:
            return int(cursor.execute(_IN_QUARANTINE).fetchone()[0])

    def settings(self, after: int = 0) -> list[Settings]:
        """Every version of the company's settings of a higher number, oldest first."""
        with self.transaction() as cursor:
            return [
                Settings(number, recorded, recordedby, Company.model_validate_json(company))
                for number, recorded, recordedby, company in cursor.execute(_SETTINGS, (after,))
            ]

    def change_settings(self, changed: Settings) -> bool:
        """Record the next version of the settings, unless another took its number."""
        with self.transaction(commit=True) as cursor:
            stored = cursor.execute(_CHANGE_SETTINGS, (*changed[:3], changed.company.model_dump_json())).rowcount
        return stored == 1

    def amend_quarantined(self, rows: Sequence[QuarantinedRow]) -> None:
        """Give rows in quarantine another rule, message, text, stem, and note of their release."""
        amended = [
            (row.rule, row.message, _bytes(row.raw), row.stem, row.released, row.released_by, row.batch, row.row)
            for row in rows
        ]
        with self.transaction(commit=True) as cursor:
            cursor.executemany(_AMEND, amended)

    def keep_import(self, run: ImportRun) -> None:
        """Keep how far an import has come."""
        with self.transaction(commit=True) as cursor:
            cursor.execute(_KEEP_IMPORT, run)

    def imports(self, *, batch: str | None = None, plan: str | None = None) -> list[ImportRun]:
        """What is kept of one batch, or of all batches that were imported by a plan."""
        with self.transaction() as cursor:
            return list(map(ImportRun._make, cursor.execute(_IMPORTS, (batch, plan))))


def _bytes(raw: str) -> bytes:
    return raw.encode("utf-8", "surrogatepass")
