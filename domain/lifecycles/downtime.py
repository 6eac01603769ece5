"""The times at which a product that the customer relies on does not work: each ends after it began."""

from collections.abc import Iterable

from domain.kinds.service import DowntimeEnded, DowntimeReported
from domain.lifecycle import Lifecycle, World
from domain.touchpoint import Fact


def asset_concerned(fact: Fact, _: World) -> Iterable[str]:
    """The product that stopped, or works again."""
    return (fact.data["asset"],)


DOWNTIME = Lifecycle(
    "downtime",
    opens={DowntimeReported: "down"},
    steps={
        # Several people may report the same.
        "down": {DowntimeReported: "down", DowntimeEnded: "up"},
        "up": {DowntimeReported: "down"},
    },
    never="never reported",
    twice="reported twice",
    early="ends before it starts",
    refuses={"up": "not down"},
    entities=asset_concerned,
)
