"""The life of an inquiry: somebody asks, and we answer."""

from domain.kinds.attraction import InquiryReceived
from domain.kinds.presentation import FirstResponseGiven
from domain.lifecycle import Lifecycle

INQUIRY = Lifecycle(
    "inquiry",
    opens={InquiryReceived: "received"},
    steps={"received": {FirstResponseGiven: "answered"}, "answered": {FirstResponseGiven: "answered"}},
    never="never received",
    twice="received twice",
    refuses={},
)
