"""The life of a product in use: known to us until the customer stops using it."""

from domain.kinds.after_sales import AssetRegistered, AssetRetired
from domain.lifecycle import Lifecycle

ASSET = Lifecycle(
    "asset",
    opens={AssetRegistered: "used"},
    steps={"used": {AssetRegistered: "used", AssetRetired: "retired"}, "retired": {AssetRegistered: "used"}},
    never="never registered",
    twice="registered twice",
    refuses={"retired": "already retired"},
)
