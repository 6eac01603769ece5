"""The life of a trial membership: it starts once, and ends once."""

from domain.lifecycle import Lifecycle

from .kinds import TrialEnded, TrialStarted

TRIAL = Lifecycle(
    "trial",
    opens={TrialStarted: "running"},
    steps={"running": {TrialEnded: "over"}, "over": {}},
    never="never started",
    twice="started twice",
    refuses={"over": "already over"},
)
