"""A complaint: it is received once, by one customer."""

from domain.kinds.service import ComplaintReceived
from domain.lifecycle import Lifecycle

COMPLAINT = Lifecycle(
    "complaint",
    opens={ComplaintReceived: "received"},
    steps={"received": {}},
    never="never received",
    twice="received twice",
    refuses={},
)
