"""Trial memberships: somebody trains with us for a while before they decide. These names are the storage format."""

from typing import Annotated, Any, Literal

from domain.fields import Count, Reason, means
from domain.identifiers import Entity, Id
from domain.touchpoint import Label, Phase, Touchpoint

TrialId = Annotated[Id, Entity("trial"), means("the trial membership")]


class TrialStarted(Touchpoint, phase=Phase.PRESENTATION, schema_version=2):
    """Somebody began to train with us on trial."""

    trial: TrialId
    club: Annotated[Label, means("the club they train in")]
    days: Annotated[Count | None, means("how long the trial lasts, in days")] = None

    @staticmethod
    def upcast_v1_v2(data: dict[str, Any]) -> None:
        """Version 1 called the club a studio."""
        data["club"] = data.pop("studio")


class TrialEnded(Touchpoint, phase=Phase.SALE):
    """The trial was over, and they joined, or they did not."""

    trial: TrialId
    outcome: Annotated[Literal["joined", "left"], means("what they decided")]
    reason: Reason | None = None
