"""The life of a task: somebody has it, perhaps until another day, and it ends once."""

from domain.kinds.circle import TaskAssigned, TaskClosed, TaskRescheduled
from domain.lifecycle import Guard, Lifecycle, Step


def names_nobody(step: Step) -> bool:
    """Nobody was given the task."""
    return "executor" not in step.fact.data


TASK = Lifecycle(
    "task",
    opens={TaskAssigned: "assigned"},
    steps={
        "assigned": {TaskAssigned: "assigned", TaskRescheduled: "assigned", TaskClosed: "closed"},
        "closed": {},
    },
    never="never assigned",
    twice="already closed",
    refuses={"closed": "already closed"},
    guards={TaskAssigned: [Guard("on nobody", "it names nobody who is to do it", names_nobody)]},
)
