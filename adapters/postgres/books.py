"""What a log keeps in its database beside touchpoints: settings, rows in quarantine, and how far imports have come."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from adapters.log import ImportRun, QuarantinedRow, Settings
from adapters.postgres.arrays import Bigints, Blobs, Texts
from adapters.postgres.datastore import Datastore
from domain.company import Company

_SETTINGS = b"""
    SELECT * FROM (
        SELECT 1::bigint AS number, NULL::bigint, NULL::text, company FROM lifecircle.log
        UNION ALL SELECT number, recorded, recordedby, company FROM lifecircle.settings
    ) AS versions WHERE number > %s ORDER BY number
"""

_CHANGE_SETTINGS = b"""
    INSERT INTO lifecircle.settings (number, recorded, recordedby, company)
    SELECT %(number)s, %(recorded)s, %(recordedby)s, %(company)s
    WHERE %(number)s = (SELECT coalesce(max(number), 1) + 1 FROM lifecircle.settings) ON CONFLICT DO NOTHING
"""

_QUARANTINE = b"""
    INSERT INTO lifecircle.quarantine
        (batch, row, source, rule, message, raw, recorded, stem, released, released_by)
    SELECT * FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b, %b, %b) ON CONFLICT (batch, row) DO NOTHING
"""

_QUARANTINED = b"""
    SELECT batch, row, source, rule, message, raw, recorded, stem, released, released_by FROM lifecircle.quarantine
    WHERE (%s::text IS NULL OR batch = %s) AND (%s OR released IS NULL) ORDER BY batch, row
"""

_IN_QUARANTINE = b"SELECT count(*) FROM lifecircle.quarantine WHERE released IS NULL"

_AMEND = b"""
    UPDATE lifecircle.quarantine AS q
    SET rule = new.rule, message = new.message, raw = new.raw, stem = new.stem, released = new.released,
        released_by = new.released_by
    FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b) AS new (batch, row, rule, message, raw, stem, released, released_by)
    WHERE q.batch = new.batch AND q.row = new.row
"""

_KEEP_IMPORT = b"""
    INSERT INTO lifecircle.imports
        (batch, plan, file, mapping, columns, read_bytes, digest, whole, taken, outcomes, recorded)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (batch) DO UPDATE SET plan = excluded.plan, file = excluded.file, mapping = excluded.mapping,
        columns = excluded.columns, read_bytes = excluded.read_bytes, digest = excluded.digest, whole = excluded.whole,
        taken = excluded.taken, outcomes = excluded.outcomes, recorded = excluded.recorded
"""

_IMPORTS = b"""
    SELECT batch, plan, file, mapping, columns, read_bytes, digest, whole, taken, outcomes, recorded
    FROM lifecircle.imports WHERE batch = %s OR plan = %s
"""


class Books:
    """The books of a log."""

    datastore: Datastore

    def quarantine(self, rows: Sequence[QuarantinedRow]) -> None:
        """Keep rows that an import could not turn into touchpoints."""
        # Hostile rows hold what a text column refuses: NUL, halves of surrogate pairs.
        kept = [(*row[:5], _bytes(row.raw), *row[6:]) for row in rows]
        types = (Texts, Bigints, Texts, Texts, Texts, Blobs, Bigints, Texts, Bigints, Texts)
        columns = [kind(row[place] for row in kept) for place, kind in enumerate(types)]
        self.datastore.patiently(lambda connection: connection.execute(_QUARANTINE, columns))

    def quarantined(self, batch: str | None = None, *, released: bool = False) -> list[QuarantinedRow]:
        """The rows in quarantine, of one batch or of all; with `released` those too that were let in since."""
        return [
            QuarantinedRow._make((*row[:5], row[5].decode("utf-8", "surrogatepass"), *row[6:]))
            for row in self.fetch(_QUARANTINED, (batch, batch, released))
        ]

    def in_quarantine(self) -> int:
        """How many rows wait in quarantine."""
        return int(self.fetch(_IN_QUARANTINE, ())[0][0])

    def settings(self, after: int = 0) -> list[Settings]:
        """Every version of the company's settings of a higher number, oldest first."""
        return [
            Settings(number, recorded, recordedby, Company.model_validate_json(company))
            for number, recorded, recordedby, company in self.fetch(_SETTINGS, (after,))
        ]

    def change_settings(self, changed: Settings) -> bool:
        """Record the next version of the settings, unless another took its number."""
        row = changed._asdict() | {"company": changed.company.model_dump_json()}
        self.datastore.patiently(lambda connection: connection.execute(_CHANGE_SETTINGS, row))
        # Asked, not counted: after a lost connection the same is sent again, and then meets itself.
        return any(each == changed for each in self.settings(changed.number - 1))

    def amend_quarantined(self, rows: Sequence[QuarantinedRow]) -> None:
        """Give rows in quarantine another rule, message, text, stem, and note of their release."""
        columns = (
            Texts(row.batch for row in rows),
            Bigints(row.row for row in rows),
            Texts(row.rule for row in rows),
            Texts(row.message for row in rows),
            Blobs(_bytes(row.raw) for row in rows),
            Texts(row.stem for row in rows),
            Bigints(row.released for row in rows),
            Texts(row.released_by for row in rows),
        )
        self.datastore.patiently(lambda connection: connection.execute(_AMEND, columns))

    def keep_import(self, run: ImportRun) -> None:
        """Keep how far an import has come."""
        self.datastore.patiently(lambda connection: connection.execute(_KEEP_IMPORT, run))

    def imports(self, *, batch: str | None = None, plan: str | None = None) -> list[ImportRun]:
        """What is kept of one batch, or of all batches that were imported by a plan."""
        return list(map(ImportRun._make, self.fetch(_IMPORTS, (batch, plan))))

    def fetch(self, query: bytes, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query, asked again after a lost connection."""
        return self.datastore.patiently(lambda connection: rows_of(connection, query, parameters))


def rows_of(connection: Connection[Any], query: bytes, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a query, by its prepared, binary form."""
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        return cursor.execute(query, parameters, prepare=True).fetchall()


def _bytes(raw: str) -> bytes:
    return raw.encode("utf-8", "surrogatepass")
