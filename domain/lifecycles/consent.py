"""What allows us to write to a customer for a purpose: a consent or another basis, on a channel, in a country."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from domain.kinds.attraction import MessageSent
from domain.kinds.circle import ConsentGranted, ConsentWithdrawn
from domain.lifecycle import Guard, Lifecycle, Step, World
from domain.touchpoint import Fact


class Grant(NamedTuple):
    """One basis; an empty channel or country stands for all of them."""

    consent: bool
    channel: str
    country: str


class Basis(NamedTuple):
    """The grants that stand, each with its last day, if it has one, and the channels that were taken out of them."""

    grants: Mapping[Grant, str] = MappingProxyType({})
    withheld: frozenset[str] = frozenset()


def purposes_concerned(fact: Fact, world: World) -> Iterable[str]:
    """The purposes that a statement covers, or that of a message which needs a basis."""
    purpose = fact.data["purpose"]
    if fact.kind == _SENT:
        return (purpose,) if purpose in world.company.promotional else ()
    return world.company.covered(purpose)


def granted(step: Step) -> Basis:
    """The basis with one more grant; one for all channels takes back what was withheld of them."""
    data, basis = step.fact.data, step.memo or Basis()
    grant = Grant(data.get("basis", "consent") == "consent", data.get("channel", ""), data.get("jurisdiction", ""))
    withheld = basis.withheld - {grant.channel} if grant.channel else frozenset[str]()
    return Basis({**basis.grants, grant: data.get("until", "")}, withheld if grant.consent else basis.withheld)


def withdrawn(step: Step) -> Basis:
    """The basis without the consents on a channel, or on all of them; other bases stand."""
    basis, channel = step.memo or Basis(), step.fact.data.get("channel", "")
    left = {grant: until for grant, until in basis.grants.items() if not _taken_back(grant, channel)}
    return Basis(left, basis.withheld | {channel} if channel else frozenset())


def _taken_back(grant: Grant, channel: str) -> bool:
    return grant.consent and channel in ("", grant.channel)


def something_stands(step: Step) -> bool:
    """Some basis is left after the withdrawal."""
    return bool(withdrawn(step).grants)


def _lack(step: Step) -> str:
    """What a message lacks of a basis, as far as it says its channel and country; empty where one allows it."""
    basis: Basis = step.memo
    channel, country = step.fact.envelope.get("channel", ""), step.fact.data.get("jurisdiction", "")
    lack = WITHDRAWN if channel in basis.withheld else ELSEWHERE
    for grant, until in basis.grants.items():
        if not _covers(grant.channel, channel) or not _covers(grant.country, country):
            continue
        if grant.consent and not grant.channel and channel in basis.withheld:
            continue
        if not until or step.world.company.day(step.fact) <= until:
            return ""
        lack = EXPIRED
    return lack


def _covers(allowed: str, used: str) -> bool:
    return not allowed or not used or allowed == used


_SENT = MessageSent.kind
ELSEWHERE, EXPIRED, WITHDRAWN = "another channel or country", "expired", "withdrawn"

_UNBASED = [
    Guard(WITHDRAWN, "the consent had been withdrawn for its channel", lambda step: _lack(step) == WITHDRAWN),
    Guard(EXPIRED, "the last day of its basis had passed", lambda step: _lack(step) == EXPIRED),
    Guard(ELSEWHERE, "its basis is for another channel or country", lambda step: _lack(step) == ELSEWHERE),
]

CONSENT = Lifecycle(
    "consent",
    opens={ConsentGranted: "granted", ConsentWithdrawn: "withdrawn"},
    steps={
        "granted": {ConsentGranted: "granted", ConsentWithdrawn: "withdrawn", MessageSent: "granted"},
        "withdrawn": {ConsentGranted: "granted", ConsentWithdrawn: "withdrawn"},
    },
    never="never granted",
    early="never granted",
    twice="granted twice",
    refuses={"withdrawn": WITHDRAWN},
    guards={MessageSent: _UNBASED},
    keeps={ConsentGranted: granted, ConsentWithdrawn: withdrawn},
    stays={ConsentWithdrawn: something_stands},
    entities=purposes_concerned,
)
