"""Consents: what each customer allows us for which purpose on which channel, took back, or objected to."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View

_STATEMENTS = frozenset({"ConsentGranted", "ConsentWithdrawn", "ObjectionRaised"})


class ConsentRow(NamedTuple):
    """Where one customer stands towards one purpose on one channel."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    purpose: Annotated[str, "what the data may be used for; a statement on a wider purpose is one on each it covers"]
    channel: Annotated[str, "the channel; empty for all that have no row of their own"]
    status: Annotated[str, "granted or withdrawn, as stated last; or objected: the purpose alone was objected to"]
    basis: Annotated[str | None, "the legal basis granted last, such as consent or contract"]
    jurisdiction: Annotated[str | None, "the country whose law that was given under"]
    granted_day: Annotated[str | None, "day of that, in the company's zone"]
    until_day: Annotated[str | None, "the last day that it holds; null without end"]
    proof: Annotated[str | None, "where the proof of it is kept"]
    withdrawn_day: Annotated[str | None, "day of the last withdrawal, in the company's zone"]
    objected_day: Annotated[
        str | None, "day on which the purpose was objected to; null where it was not, or was allowed again since"
    ]


class _Standing:
    """The last grant and withdrawal of one purpose on one channel, and which of them came last."""

    __slots__ = ("granted", "status", "withdrawn")

    def __init__(self) -> None:
        self.status = "objected"
        self.granted: Fact | None = None
        self.withdrawn: Fact | None = None


class Permissions:
    """What one subject allows, by purpose and channel, and the objections that stand, by purpose."""

    __slots__ = ("objected", "standing", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.standing: dict[tuple[str, str], _Standing] = {}
        self.objected: dict[str, Fact] = {}

    def at(self, purpose: str, channel: str) -> _Standing:
        """Where they stand towards a purpose on a channel, from now on known."""
        return self.standing.setdefault((purpose, channel), _Standing())

    def of(self, purpose: str) -> list[tuple[str, str]]:
        """The rows of a purpose."""
        return [key for key in self.standing if key[0] == purpose]


class Consents(View[Permissions]):
    """What every customer allows."""

    name = "consents"
    comment = "Consents: granted, withdrawn or objected to, one row per customer, purpose and channel."
    row_type = ConsentRow
    key = ("subject", "purpose", "channel")
    kinds = _STATEMENTS
    questions = (
        Question(
            name="consent_coverage",
            comment="How many customers allow what at the moment, and why others do not.",
            columns={
                "purpose": "what the data may be used for",
                "channel": "the channel; empty for all that were not named",
                "basis": "the legal basis granted last; null where none was",
                "customers": "number of customers who ever said something of it",
                "allowed": "of these whose grant stands, is in force and is not objected to",
                "expired": "of these whose grant has run out",
                "withdrawn": "of these who took it back",
                "objected": "of these who objected to the purpose",
            },
            sql="""
                SELECT purpose, channel, basis, COUNT(*) AS customers,
                       COUNT(*) FILTER (WHERE status = 'granted' AND objected_day IS NULL
                                        AND (until_day IS NULL OR until_day >= moment.day)) AS allowed,
                       COUNT(*) FILTER (WHERE status = 'granted' AND until_day < moment.day) AS expired,
                       COUNT(*) FILTER (WHERE status = 'withdrawn') AS withdrawn,
                       COUNT(*) FILTER (WHERE objected_day IS NOT NULL) AS objected
                FROM consents
                CROSS JOIN moment
                GROUP BY purpose, channel, basis
                ORDER BY purpose, channel, basis
            """,
        ),
    )

    def initial(self, subject: str) -> Permissions:
        """Somebody who allowed nothing."""
        return Permissions(subject)

    def evolve(self, state: Permissions, fact: Fact) -> tuple[Permissions, Iterable[Hashable]]:
        """Take a grant, a withdrawal or an objection, for each purpose that it covers."""
        if fact.kind not in _STATEMENTS:
            return state, ()
        changed = dict[Hashable, None]()
        channel = fact.data.get("channel", "")
        for purpose in self.company.covered(fact.data["purpose"]):
            match fact.kind:
                case "ConsentGranted":
                    self._grant(state, purpose, channel, fact)
                case "ConsentWithdrawn":
                    self._withdraw(state, purpose, channel, fact)
                case _:
                    state.objected[purpose] = fact
                    if not state.of(purpose):
                        state.at(purpose, "")
            changed |= dict.fromkeys(state.of(purpose))
        return state, changed

    @staticmethod
    def _grant(state: Permissions, purpose: str, channel: str, fact: Fact) -> None:
        consent = fact.data.get("basis", "consent") == "consent"
        for key in [(purpose, channel)] if channel else [(purpose, ""), *state.of(purpose)]:
            standing = state.at(*key)
            # A consent for all channels takes back what was withheld of them; another basis stands beside.
            if key[1] == channel or (consent and standing.status == "withdrawn"):
                standing.status, standing.granted = "granted", fact
        if consent:
            state.objected.pop(purpose, None)

    @staticmethod
    def _withdraw(state: Permissions, purpose: str, channel: str, fact: Fact) -> None:
        for key in [(purpose, channel)] if channel else [(purpose, ""), *state.of(purpose)]:
            standing = state.at(*key)
            granted = standing.granted
            # Only a consent can be withdrawn; what rests on another basis goes on.
            if standing.status != "granted" or granted is None or granted.data.get("basis", "consent") == "consent":
                standing.status, standing.withdrawn = "withdrawn", fact

    def row(self, state: Permissions, key: Hashable) -> Row | None:
        """Where they stand towards this (purpose, channel)."""
        match key:
            case (str() as purpose, str() as channel) if standing := state.standing.get((purpose, channel)):
                granted, withdrawn, day = standing.granted, standing.withdrawn, self.company.day
                told = granted.data if granted else {}
                objected = state.objected.get(purpose)
                if standing.status == "objected" and not objected:
                    return None  # all that was said was an objection, and that fell away
                return ConsentRow(
                    state.subject,
                    purpose,
                    channel,
                    standing.status,
                    told.get("basis", "consent") if granted else None,
                    told.get("jurisdiction"),
                    day(granted) if granted else None,
                    told.get("until"),
                    told.get("proof"),
                    day(withdrawn) if withdrawn else None,
                    day(objected) if objected else None,
                )
        return None
