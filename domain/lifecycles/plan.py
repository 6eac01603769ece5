"""The life of a planned contact: in the diary, perhaps for another time, until it is made."""

from domain.kinds.presentation import ContactMade, ContactPlanned
from domain.lifecycle import Lifecycle

PLAN = Lifecycle(
    "plan",
    opens={ContactPlanned: "planned"},
    steps={"planned": {ContactPlanned: "planned", ContactMade: "made"}, "made": {ContactMade: "made"}},
    never="never planned",
    twice="already made",
    refuses={},
)
