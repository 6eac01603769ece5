"""The life of a subscription: active, perhaps paused, until it ends."""

from domain.kinds.fulfilment import InvoiceIssued
from domain.kinds.order import (
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionPaused,
    SubscriptionRenewed,
    SubscriptionStarted,
)
from domain.lifecycle import Lifecycle

SUBSCRIPTION = Lifecycle(
    "subscription",
    opens={SubscriptionStarted: "active"},
    steps={
        "active": {
            SubscriptionChanged: "active",
            SubscriptionRenewed: "active",
            SubscriptionPaused: "paused",
            SubscriptionEnded: "ended",
            InvoiceIssued: "active",
        },
        # No kind says that a pause is over; a renewal does.
        "paused": {
            SubscriptionChanged: "paused",
            SubscriptionRenewed: "active",
            SubscriptionPaused: "paused",
            SubscriptionEnded: "ended",
            InvoiceIssued: "paused",
        },
        "ended": {InvoiceIssued: "ended"},
    },
    never="never started",
    twice="started twice",
    refuses={"ended": "already ended"},
)
