"""The report of an import: what became of every row of a file."""

from collections import Counter
from dataclasses import dataclass, field

STORED, REPEATS, LEFT_OUT, QUARANTINED = "stored", "repeats", "left out", "quarantined"
"""How a row was settled; the last two with a colon and the reason, or the rule that it broke."""
TWICE = "times that occurred twice"


@dataclass
class Report:
    """What became of every row of a file. `rows` = stored + repeats + all left out + all quarantined."""

    mapping: str
    file: str
    batch: str
    rows: int = 0
    earlier: int = 0
    """Rows that an earlier run of this import had settled; they count as what became of them then."""
    stored: int = 0
    repeats: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    touchpoints: Counter[str] = field(default_factory=Counter)
    """New touchpoints by the name of the rule that made them."""
    notes: list[str] = field(default_factory=list)
    """What a user should know besides."""
    counted: Counter[str] = field(default_factory=Counter)
    """What the mapping has counted of all rows read."""
    ambiguous_times: int = 0
    """Local times that occurred twice, as clocks were put back, and were taken as the first."""

    def settle(self, outcomes: Counter[str]) -> None:
        """Count rows by how they were settled, and local times that occurred twice."""
        self.stored, self.repeats, self.ambiguous_times = outcomes[STORED], outcomes[REPEATS], outcomes[TWICE]
        for outcome, rows in outcomes.items():
            what, _, which = outcome.partition(": ")
            if what == LEFT_OUT:
                self.left_out[which] += rows
            elif what == QUARANTINED:
                self.quarantined[which] += rows

    def as_dict(self) -> dict[str, str | int | dict[str, int] | list[str]]:
        """The report for machines."""
        return {
            "mapping": self.mapping,
            "file": self.file,
            "batch": self.batch,
            "rows": self.rows,
            "earlier": self.earlier,
            "stored": self.stored,
            "repeats": self.repeats,
            "left_out": dict(self.left_out),
            "quarantined": dict(self.quarantined),
            "touchpoints": dict(self.touchpoints),
            "counted": dict(self.counted),
            "ambiguous_times": self.ambiguous_times,
            "notes": self.notes,
        }
