"""The life of an opportunity: open through its stages, then won or lost, and perhaps open again."""

from domain.kinds.sale import (
    OpportunityChanged,
    OpportunityLost,
    OpportunityOpened,
    OpportunityReopened,
    OpportunityStageChanged,
    OpportunityWon,
)
from domain.lifecycle import Guard, Lifecycle, Step


def leaves_another_stage(step: Step) -> bool:
    """A stage change names a stage that is not the current one, as far as one is known."""
    return step.memo is not None and step.fact.data["from"] != step.memo


OPPORTUNITY = Lifecycle(
    "opportunity",
    opens={OpportunityOpened: "open"},
    steps={
        "open": {
            OpportunityChanged: "open",
            OpportunityStageChanged: "open",
            OpportunityWon: "won",
            OpportunityLost: "lost",
        },
        "won": {OpportunityReopened: "open"},
        "lost": {OpportunityReopened: "open"},
    },
    never="never opened",
    twice="opened twice",
    refuses={"open": "not closed", "won": "already won", "lost": "already lost"},
    guards={
        OpportunityStageChanged: [
            Guard("not its stage", "the stage it left was not the current one", leaves_another_stage),
        ],
    },
    keeps={
        OpportunityOpened: lambda step: step.fact.data.get("stage"),
        OpportunityStageChanged: lambda step: step.fact.data["to"],
    },
)
