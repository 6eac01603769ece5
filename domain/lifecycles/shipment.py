"""The life of a shipment: dispatched, then delivered, perhaps at a later attempt."""

from domain.kinds.fulfilment import DeliveryFailed, ShipmentDelivered, ShipmentDispatched
from domain.lifecycle import Lifecycle

SHIPMENT = Lifecycle(
    "shipment",
    opens={ShipmentDispatched: "dispatched"},
    steps={
        "dispatched": {ShipmentDelivered: "delivered", DeliveryFailed: "failed"},
        "failed": {ShipmentDelivered: "delivered", DeliveryFailed: "failed"},
        "delivered": {},
    },
    never="never dispatched",
    twice="dispatched twice",
    refuses={"delivered": "already delivered"},
    keeps={ShipmentDispatched: lambda step: step.fact.data.get("lines", ())},
)
