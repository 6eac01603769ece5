"""Forgetting a customer: who is forgotten together, and what forbids it."""

from collections.abc import Sequence

from domain.company import Company
from domain.errors import ErasureRefused, SubjectMerged
from domain.families import Families
from domain.history import effective_histories
from domain.touchpoint import Fact

PLACED, LIFTED = "LegalHoldPlaced", "LegalHoldLifted"


def forgotten_with(subject: str, facts: Sequence[Fact]) -> frozenset[str]:
    """The streams whose personal data goes with that of a subject: it, and all that stand merged into it.

    Args:
        subject: who is to be forgotten.
        facts: all that is known of the streams that merges ever joined to it.

    Raises:
        SubjectMerged: it stands merged into another itself.
    """
    families = Families(facts)
    if (root := families.root(subject)) != subject:
        raise SubjectMerged(
            f"this customer goes on under {root}",
            where=f"subject {subject}",
            rule="whoever was merged into another is one customer with them",
            way_out=f"do it for {root}, which concerns both; or revert the merge first",
        )
    return families.members(subject)


def check_erasure(candidate: Fact, facts: Sequence[Fact], company: Company) -> frozenset[str]:
    """Refuse an erasure that a legal hold or the company's own rule forbids; answer the streams that it is about.

    Args:
        candidate: the erasure, not stored yet.
        facts: all that is known of the streams that merges ever joined to its subject.
        company: whose rule holds.

    Raises:
        ErasureRefused: a hold stands, or one of us alone does it where it takes two.
        SubjectMerged: its subject stands merged into another.
    """
    members = forgotten_with(candidate.stream, facts)
    for hold, basis in standing_holds(candidate.stream, facts).items():
        raise ErasureRefused(
            "a legal hold demands that this customer's data be kept",
            where=f"subject {candidate.stream}, hold {hold}",
            rule=f"it rests on: {basis}",
            way_out="wait until it is lifted, and record that as LegalHoldLifted",
        )
    actor, approver = candidate.envelope.get("actor"), candidate.data.get("approver")
    if company.erasure_by_two and (not actor or not approver or actor == approver):
        raise ErasureRefused(
            "forgetting a customer takes two of us here",
            where=f"subject {candidate.stream}",
            rule="the company's settings say erasure_by_two: who does it, and another one who allows it",
            way_out="name both: lifecircle erase … --by ONE --second ANOTHER",
        )
    return members


def standing_holds(subject: str, facts: Sequence[Fact]) -> dict[str, str]:
    """The legal holds that stand on a subject now, each with what it rests on."""
    standing: dict[str, str] = {}
    for fact in effective_histories(facts).get(subject, []):
        if fact.kind == PLACED:
            standing[fact.data["hold"]] = fact.data["basis"]
        elif fact.kind == LIFTED:
            standing.pop(fact.data["hold"], None)
    return standing
