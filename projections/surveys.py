"""Surveys: how satisfied customers say they are, by question, product, manager, segment and deal."""

import re
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Annotated, NamedTuple

from domain.touchpoint import Fact
from projections.view import Question, Row, View

_SCALES = {"nps": (0.0, 10.0), "csat": (1.0, 5.0), "ces": (1.0, 7.0)}
"""The scale that each measure has where none is stated."""
_SCALE = re.compile(r"\s*(-?[0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(?:-|\.\.|to)\s*(-?[0-9]{1,6}(?:\.[0-9]{1,6})?)\s*")
# From which share of its scale an answer is good, and up to which it is bad: NPS 9 and 6 of 0-10 (Reichheld 2003),
# CSAT the two best and the two worst of 1-5, CES the three best and the three worst of 1-7.
_GOOD, _BAD = {"nps": 0.9, "csat": 0.75, "ces": 4 / 6}, {"nps": 0.6, "csat": 0.25, "ces": 2 / 6}


class SurveyRow(NamedTuple):
    """One answer to one question."""

    subject: Annotated[str, "the customer; after a merge the survivor"]
    stream: Annotated[str, "the subject that the answer is stored under"]
    version: Annotated[int, "its place in that stream, from 1"]
    at: Annotated[int, "when it was given, microseconds since 1970 UTC"]
    day: Annotated[str, "the same as a day, in the company's zone"]
    survey: Annotated[str | None, "the survey, if it was part of one"]
    question: Annotated[str, "the question answered"]
    metric: Annotated[str | None, "the measure that it counts for: nps, csat or ces; null for none of them"]
    score: Annotated[float | None, "the answer as a number, within its scale"]
    share: Annotated[
        float | None,
        "where in its scale the score lies: 0 lowest, 1 highest; the scale is the one stated, else 0-10 for nps, 1-5 "
        "for csat, 1-7 for ces; null where there is no scale or the score lies outside",
    ]
    verdict: Annotated[
        str | None,
        "positive, neutral or negative: nps 9-10, 7-8, 0-6; csat 4-5, 3, 1-2; ces 5-7, 4, 1-3; null without a measure",
    ]
    product: Annotated[str | None, "the product it is about"]
    manager: Annotated[str | None, "who of us served the customer"]
    channel: Annotated[str | None, "the channel it came through"]
    segment: Annotated[str | None, "the segment that the customer was last assigned to by then"]
    repeated: Annotated[
        int, "1 where this question of this survey had an answer before, else 0; questions leave such out"
    ]


class Answers:
    """The answers of one subject by (stream, version), each with the segment and whether it repeats another."""

    __slots__ = ("answers", "asked", "segment", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.segment: str | None = None
        self.answers: dict[Hashable, tuple[Fact, str | None, bool]] = {}
        self.asked: set[tuple[str, str]] = set()


_MEASURED = {
    "metric": "the measure: nps, csat or ces",
    "answers": "number of answers, repeated ones left out",
    "customers": "number of customers who gave one",
    "positive": "of the answers, those that are good (nps: promoters)",
    "negative": "of the answers, those that are bad (nps: detractors)",
    "mean_share": "mean of where in its scale an answer lies, 0 lowest to 1 highest",
    "satisfaction": "nps: promoters less detractors in percent, -100 to 100; csat and ces: the good ones in percent",
}


class Surveys(View[Answers]):
    """The answers of every customer."""

    name = "surveys"
    comment = "Surveys: how satisfied customers say they are, one row per answer, as it stands after corrections."
    row_type = SurveyRow
    key = ("stream", "version")
    kinds = frozenset({"SurveyAnswered", "SegmentAssigned"})
    questions = (
        Question(
            name="satisfaction",
            comment="Satisfaction by month, survey, question, product, manager and segment together.",
            columns={
                "period": "month of the answer, 2026-03, in the company's zone",
                "survey": "the survey; null outside of any",
                "question": "the question",
                "product": "the product; null where none was named",
                "manager": "who served the customer; null where nobody was named",
                "segment": "the customer's segment by then; null without one",
                **_MEASURED,
            },
            sql="""
                SELECT substr(day, 1, 7) AS period, survey, question, product, manager, segment, metric,
                       COUNT(*) AS answers, COUNT(DISTINCT subject) AS customers,
                       COUNT(*) FILTER (WHERE verdict = 'positive') AS positive,
                       COUNT(*) FILTER (WHERE verdict = 'negative') AS negative,
                       AVG(share) AS mean_share,
                       CAST(100 AS DOUBLE PRECISION)
                           * (COUNT(*) FILTER (WHERE verdict = 'positive')
                              - COUNT(*) FILTER (WHERE metric = 'nps' AND verdict = 'negative')) / COUNT(*)
                           AS satisfaction
                FROM surveys
                WHERE repeated = 0 AND verdict IS NOT NULL
                GROUP BY substr(day, 1, 7), survey, question, product, manager, segment, metric
            """,
        ),
        Question(
            name="satisfaction_by",
            comment="Satisfaction by one attribute at a time: of the answer (question, product, manager, segment, "
            "channel, period) and of the deal that the customer had closed last by then (deal owner, deal product, "
            "deal lead source, deal origin, deal outcome, deal competitor, deal lost reason). Select one attribute.",
            columns={
                "attribute": "what the answers are told apart by",
                "value": "its value; null where it is not known, or no deal was closed by then",
                **_MEASURED,
            },
            sql="""
                WITH answered AS (
                    SELECT surveys.subject, surveys.stream, surveys.version, surveys.day, question, surveys.product,
                           manager, segment, surveys.channel, metric, share, verdict, deal.owner AS deal_owner,
                           deal.product AS deal_product, deal.lead_source, deal.origin, deal.status,
                           deal.lost_competitor, deal.lost_reason,
                           ROW_NUMBER() OVER (PARTITION BY surveys.stream, surveys.version
                                              ORDER BY deal.closed_day DESC, deal.opened_day DESC,
                                                       deal.opportunity DESC) AS place
                    FROM surveys
                    LEFT JOIN opportunities AS deal
                           ON deal.subject = surveys.subject AND deal.closed_day <= surveys.day
                    WHERE repeated = 0 AND verdict IS NOT NULL
                ),
                told AS (
                    SELECT * FROM answered WHERE place = 1
                ),
                cut AS (
                    SELECT 'question' AS attribute, question AS value, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'product', product, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'manager', manager, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'segment', segment, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'channel', channel, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'period', substr(day, 1, 7), subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'deal owner', deal_owner, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'deal product', deal_product, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'deal lead source', lead_source, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'deal origin', origin, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'deal outcome', status, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'deal competitor', lost_competitor, subject, metric, share, verdict FROM told
                    UNION ALL SELECT 'deal lost reason', lost_reason, subject, metric, share, verdict FROM told
                )
                SELECT attribute, value, metric, COUNT(*) AS answers, COUNT(DISTINCT subject) AS customers,
                       COUNT(*) FILTER (WHERE verdict = 'positive') AS positive,
                       COUNT(*) FILTER (WHERE verdict = 'negative') AS negative,
                       AVG(share) AS mean_share,
                       CAST(100 AS DOUBLE PRECISION)
                           * (COUNT(*) FILTER (WHERE verdict = 'positive')
                              - COUNT(*) FILTER (WHERE metric = 'nps' AND verdict = 'negative')) / COUNT(*)
                           AS satisfaction
                FROM cut
                GROUP BY attribute, value, metric
                ORDER BY attribute, metric, answers DESC, value NULLS LAST
            """,
        ),
    )

    def initial(self, subject: str) -> Answers:
        """A customer who was never asked."""
        return Answers(subject)

    def evolve(self, state: Answers, fact: Fact) -> tuple[Answers, Iterable[Hashable]]:
        """Add an answer; note the segment that the customer belongs to from now on."""
        if fact.kind == "SegmentAssigned":
            state.segment = fact.data["segment"]
        if fact.kind != "SurveyAnswered":
            return state, ()
        key, repeated = (fact.stream, fact.version), False
        if survey := fact.data.get("survey"):
            asked = (survey, fact.data["question"])
            repeated = asked in state.asked
            state.asked.add(asked)
        state.answers[key] = (fact, state.segment, repeated)
        return state, (key,)

    def row(self, state: Answers, key: Hashable) -> Row | None:
        """The answer of this stream and version."""
        found = state.answers.get(key)
        if found is None:
            return None
        fact, segment, repeated = found
        data = fact.data
        metric, score, share = data.get("metric"), data.get("score"), share_of(fact)
        return SurveyRow(
            state.subject,
            fact.stream,
            fact.version,
            fact.at,
            self.company.day(fact),
            data.get("survey"),
            data["question"],
            metric,
            None if score is None else float(score),
            share,
            verdict(share, metric),
            data.get("product"),
            data.get("manager"),
            fact.envelope.get("channel"),
            segment,
            int(repeated),
        )


def share_of(fact: Fact) -> float | None:
    """Where in its scale an answer lies, from 0 to 1; None where that cannot be told."""
    return place_in_scale(fact.data.get("score"), fact.data.get("scale"), fact.data.get("metric"))


def place_in_scale(score: float | None, scale: str | None, metric: str | None) -> float | None:
    """Where a score lies between the ends of its scale, from 0 to 1; None outside, or without a scale that is known."""
    ends = _ends(scale) if scale else _SCALES.get(metric or "")
    if score is None or ends is None or not ends[0] <= score <= ends[1]:
        return None
    return (score - ends[0]) / (ends[1] - ends[0])


@lru_cache(maxsize=1_000)
def _ends(scale: str) -> tuple[float, float] | None:
    """The ends of a scale such as 0-10 or 1 to 5; None for one that cannot be read."""
    read = _SCALE.fullmatch(scale)
    if read is None or float(read[1]) >= float(read[2]):
        return None
    return float(read[1]), float(read[2])


def verdict(share: float | None, metric: str | None) -> str | None:
    """What an answer says by the convention of its measure: positive, neutral or negative."""
    if share is None or metric is None:
        return None
    return "positive" if share >= _GOOD[metric] else "negative" if share <= _BAD[metric] else "neutral"
