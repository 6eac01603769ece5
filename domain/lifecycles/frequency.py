"""How often we write to a customer: no more promotional messages within some days than the company's caps allow."""

from collections.abc import Iterable

from domain.company import FrequencyCap, days_between
from domain.kinds.attraction import MessageSent
from domain.lifecycle import Guard, Lifecycle, Step, World
from domain.touchpoint import Fact

_ALL = "all purposes"


def purposes_concerned(fact: Fact, world: World) -> Iterable[str]:
    """What a promotional message counts for, where that is capped."""
    purpose, company = fact.data["purpose"], world.company
    if not company.frequency_caps or purpose not in company.promotional:
        return ()
    return dict.fromkeys(cap.purpose or _ALL for cap in company.frequency_caps if cap.purpose in (None, purpose))


def _caps(step: Step) -> list[FrequencyCap]:
    return [cap for cap in step.world.company.frequency_caps if (cap.purpose or _ALL) == step.entity]


def sent(step: Step) -> tuple[str, ...]:
    """The days of the latest messages, as many as the caps look back on."""
    most = max(cap.messages for cap in _caps(step))
    return (*(step.memo or ()), step.world.company.day(step.fact))[-most:]


def comes_too_often(step: Step) -> bool:
    """With this message there are more within the days of a cap than it allows."""
    days: tuple[str, ...] = step.memo or ()
    day = step.world.company.day(step.fact)
    return any(len(days) >= cap.messages and days_between(days[-cap.messages], day) < cap.days for cap in _caps(step))


FREQUENCY = Lifecycle(
    "frequency",
    opens={MessageSent: "counted"},
    steps={"counted": {MessageSent: "counted"}},
    never="never counted",
    twice="never counted",
    refuses={},
    guards={
        MessageSent: [Guard("above the cap", "more messages came within the days than the cap allows", comes_too_often)]
    },
    keeps={MessageSent: sent},
    entities=purposes_concerned,
)
