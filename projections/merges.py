"""Merges: which customers were found to be one, which of these findings were taken back, and which are proposed.

Nothing is ever merged because two customers share an address: families and companies do. Proposals only say what speaks
for a merge; somebody records it, or does not.
"""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.families import MERGE_KINDS, MERGED, recording
from domain.touchpoint import Fact
from projections.view import Question, Row, View


class MergeRow(NamedTuple):
    """One merge of two customers."""

    subject: Annotated[str, "the customer under whom the survivor stands now"]
    survivor: Annotated[str, "the customer whom the merge named as survivor"]
    absorbed: Annotated[str, "the customer who went up in the survivor"]
    merge: Annotated[str, "the id of the merge's touchpoint"]
    time: Annotated[int, "its number among the merges of these two under this id, from 1"]
    source: Annotated[str, "the system that sent it"]
    method: Annotated[str, "how it was found out: exact, scored or manual"]
    evidence: Annotated[str | None, "what it rests on"]
    merged_at: Annotated[int, "when they were merged, microseconds since 1970 UTC"]
    merged_day: Annotated[str, "the same as a day, in the company's zone"]
    reverted_at: Annotated[
        int | None, "when the merge was taken back, microseconds since 1970 UTC; null while it stands"
    ]
    reverted_day: Annotated[str | None, "the same as a day, in the company's zone"]
    reason: Annotated[str | None, "why it was taken back"]
    returned: Annotated[int, "number of the survivor's touchpoints that went back to the absorbed"]


_Joined = tuple[str, str, str]
"""Survivor, absorbed and the merge's id."""


class Findings:
    """The merges of one subject, and their reverts, each in the order of recording."""

    __slots__ = ("merges", "reverts", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.merges: dict[_Joined, list[Fact]] = {}
        self.reverts: dict[_Joined, list[Fact]] = {}


class Merges(View[Findings]):
    """The merges of every customer."""

    name = "merges"
    comment = "Merges: one row per merge of two customers, and whether it stands or was taken back."
    row_type = MergeRow
    key = ("subject", "survivor", "absorbed", "merge", "time")
    kinds = MERGE_KINDS
    questions = (
        Question(
            name="merge_evidence",
            comment="What speaks for two customers being one: each identifier that both have now, and each visitor "
            "identified as one of them. What more than 10 customers have says nothing. Left out: customers merged "
            "already, linked by a relation, or parted by a revert after this was known.",
            columns={
                "one": "one of the two customers",
                "other": "the other of the two",
                "known": "the one of them who was identified, where the other was an unnamed visitor",
                "type": "what sort of identifier they share, such as email",
                "keyed": "the shared identifier in keyed form; null for a visitor's id",
                "verified": "how many of the two proved that it is theirs, 0 to 2",
                "customers": "number of customers who have it; beyond 2 it tells less",
                "household": "1 where both belong to one household, whose members may share it, else 0",
                "since_at": "when both had it, microseconds since 1970 UTC",
                "since_day": "the same as a day, in the company's zone",
                "exact": "1 where it is enough by itself: both proved it, or a visitor was identified, and nobody else "
                "has it, and no household explains it; else 0",
                "weight": "how much it tells otherwise: 1, or 2 where one of them proved it, divided among the "
                "others who have it",
            },
            sql="""
                WITH standing AS (
                    SELECT absorbed, subject FROM merges WHERE reverted_at IS NULL
                ),
                parted AS (
                    SELECT merges.subject AS one, COALESCE(standing.subject, merges.absorbed) AS other,
                           MAX(merges.reverted_at) AS parted_at
                    FROM merges
                    LEFT JOIN standing ON standing.absorbed = merges.absorbed
                    WHERE merges.reverted_at IS NOT NULL
                    GROUP BY merges.subject, COALESCE(standing.subject, merges.absorbed)
                ),
                related AS (
                    SELECT relations.subject AS one, COALESCE(standing.subject, relations.other) AS other
                    FROM relations
                    LEFT JOIN standing ON standing.absorbed = relations.other
                    WHERE relations.until_at IS NULL AND relations.came_by = 'linked'
                ),
                held AS (
                    SELECT subject, type, keyed, COALESCE(verified, 0) AS verified, since_at, since_day,
                           COALESCE(verified_at, since_at) AS told_at
                    FROM identifiers
                    WHERE keyed IS NOT NULL AND until_at IS NULL
                ),
                holders AS (
                    SELECT keyed, COUNT(DISTINCT subject) AS customers
                    FROM held
                    GROUP BY keyed
                    HAVING COUNT(DISTINCT subject) BETWEEN 2 AND 10
                ),
                visits AS (
                    SELECT subject, anonymous_id AS visitor, since_at, since_day,
                           COUNT(*) OVER (PARTITION BY anonymous_id) AS claims
                    FROM identifiers
                    WHERE anonymous_id IS NOT NULL AND anonymous_id <> subject AND until_at IS NULL
                          AND anonymous_id NOT IN (SELECT absorbed FROM standing)
                ),
                found AS (
                    SELECT a.subject AS one, b.subject AS other, NULL AS known, COALESCE(a.type, b.type) AS type,
                           a.keyed, a.verified + b.verified AS verified, holders.customers,
                           CASE WHEN a.since_at > b.since_at THEN a.since_at ELSE b.since_at END AS since_at,
                           CASE WHEN a.since_at > b.since_at THEN a.since_day ELSE b.since_day END AS since_day,
                           CASE WHEN a.told_at > b.told_at THEN a.told_at ELSE b.told_at END AS told_at
                    FROM holders
                    JOIN held AS a ON a.keyed = holders.keyed
                    JOIN held AS b ON b.keyed = holders.keyed AND a.subject < b.subject
                                   AND COALESCE(a.type, b.type, '') = COALESCE(b.type, a.type, '')
                    UNION ALL
                    SELECT CASE WHEN subject < visitor THEN subject ELSE visitor END,
                           CASE WHEN subject < visitor THEN visitor ELSE subject END,
                           subject, 'anonymous id', NULL, 0, claims + 1, since_at, since_day, since_at
                    FROM visits
                    WHERE claims < 10
                ),
                weighed AS (
                    SELECT found.*,
                           CASE WHEN EXISTS (
                                    SELECT 1 FROM relations AS ours
                                    JOIN relations AS theirs ON theirs.other = ours.other
                                    WHERE ours.subject = found.one AND theirs.subject = found.other
                                          AND ours.type = 'household' AND theirs.type = 'household'
                                          AND ours.until_at IS NULL AND theirs.until_at IS NULL
                                ) THEN 1 ELSE 0 END AS household
                    FROM found
                )
                SELECT one, other, known, type, keyed, verified, customers, household, since_at, since_day,
                       CASE WHEN customers = 2 AND household = 0 AND (verified = 2 OR known IS NOT NULL)
                            THEN 1 ELSE 0 END AS exact,
                       CAST(CASE WHEN verified > 0 OR known IS NOT NULL THEN 2 ELSE 1 END AS DOUBLE PRECISION)
                       / (customers - 1) AS weight
                FROM weighed
                WHERE NOT EXISTS (
                          SELECT 1 FROM related
                          WHERE (related.one = weighed.one AND related.other = weighed.other)
                                OR (related.one = weighed.other AND related.other = weighed.one)
                      )
                      AND NOT EXISTS (
                          SELECT 1 FROM parted
                          WHERE ((parted.one = weighed.one AND parted.other = weighed.other)
                                 OR (parted.one = weighed.other AND parted.other = weighed.one))
                                AND parted.parted_at >= weighed.told_at
                      )
            """,
        ),
        Question(
            name="merge_proposals",
            comment="Customers who may be one, and what speaks for it. Nothing is merged until somebody records so; "
            "lifecircle proposals shows how.",
            columns={
                "survivor": "the customer whom the other would go up in: who was identified, else who was known first",
                "absorbed": "the other",
                "method": "exact where one piece of evidence is enough by itself, else scored",
                "score": "1 where exact; else w / (1 + w), w the sum of the weights of all evidence",
                "type": "what sort of identifier the strongest evidence is",
                "verified": "how many of the two proved that one, 0 to 2",
                "customers": "number of customers who have that one",
                "household": "1 where both belong to one household, else 0",
                "identifiers": "number of identifiers that speak for it",
                "since_at": "since when something speaks for it, microseconds since 1970 UTC",
                "since_day": "the same as a day, in the company's zone",
            },
            sql="""
                WITH ranked AS (
                    SELECT merge_evidence.*,
                           ROW_NUMBER() OVER (
                               PARTITION BY one, other ORDER BY exact DESC, weight DESC, since_at, type, keyed
                           ) AS place
                    FROM merge_evidence
                ),
                pairs AS (
                    SELECT one, other, MIN(known) AS known, MAX(exact) AS exact, SUM(weight) AS weight,
                           COUNT(*) AS identifiers, MIN(since_at) AS since_at, MIN(since_day) AS since_day
                    FROM ranked
                    GROUP BY one, other
                ),
                first_known AS (
                    SELECT subject, MIN(since_at) AS at FROM identifiers GROUP BY subject
                ),
                led AS (
                    SELECT pairs.*, ranked.type, ranked.verified, ranked.customers, ranked.household,
                           CASE WHEN pairs.known IS NOT NULL THEN CASE WHEN pairs.known = pairs.one THEN 1 ELSE 0 END
                                WHEN ours.at <= theirs.at THEN 1 ELSE 0 END AS one_leads
                    FROM pairs
                    JOIN ranked ON ranked.one = pairs.one AND ranked.other = pairs.other AND ranked.place = 1
                    LEFT JOIN first_known AS ours ON ours.subject = pairs.one
                    LEFT JOIN first_known AS theirs ON theirs.subject = pairs.other
                )
                SELECT CASE WHEN one_leads = 1 THEN one ELSE other END AS survivor,
                       CASE WHEN one_leads = 1 THEN other ELSE one END AS absorbed,
                       CASE WHEN exact = 1 THEN 'exact' ELSE 'scored' END AS method,
                       CASE WHEN exact = 1 THEN CAST(1 AS DOUBLE PRECISION)
                            ELSE weight / (1 + weight) END AS score,
                       type, verified, customers, household, identifiers, since_at, since_day
                FROM led
                ORDER BY score DESC, identifiers DESC, survivor, absorbed
            """,
        ),
    )

    def initial(self, subject: str) -> Findings:
        """A customer who was never merged with another."""
        return Findings(subject)

    def evolve(self, state: Findings, fact: Fact) -> tuple[Findings, Iterable[Hashable]]:
        """Take a merge or its revert; either may come first in the order in which they occurred."""
        if fact.kind not in MERGE_KINDS:
            return state, ()
        data, merges = fact.data, fact.kind == MERGED
        joined = (data["survivor"], data["absorbed"], fact.id if merges else data["merge"])
        known = (state.merges if merges else state.reverts).setdefault(joined, [])
        known.append(fact)
        known.sort(key=recording)
        return state, [(joined, place) for place in range(len(state.merges.get(joined, ())))]

    def row(self, state: Findings, key: Hashable) -> Row | None:
        """The merge of these two customers under this id and number, with its revert."""
        match key:
            case ((str() as survivor, str() as absorbed, str() as merge), int() as place):
                joined = (survivor, absorbed, merge)
                merges, reverts = state.merges.get(joined, []), state.reverts.get(joined, [])
                if place < len(merges):
                    # A merge must be taken back before the same two can be merged again, so they come in pairs.
                    made, revert = merges[place], reverts[place] if place < len(reverts) else None
                    return MergeRow(
                        state.subject,
                        survivor,
                        absorbed,
                        merge,
                        place + 1,
                        made.source,
                        made.data["method"],
                        made.data.get("evidence"),
                        made.at,
                        self.company.day(made),
                        revert.at if revert else None,
                        self.company.day(revert) if revert else None,
                        revert.data.get("reason") if revert else None,
                        len(revert.data.get("returned", ())) if revert else 0,
                    )
        return None
