"""The life of a legal hold: placed, then lifted."""

from domain.kinds.circle import LegalHoldLifted, LegalHoldPlaced
from domain.lifecycle import Lifecycle

HOLD = Lifecycle(
    "hold",
    opens={LegalHoldPlaced: "placed"},
    steps={"placed": {LegalHoldLifted: "lifted"}, "lifted": {}},
    never="never placed",
    twice="placed twice",
    refuses={"lifted": "already lifted"},
)
