"""One customer's life as it is told: touchpoints in their order, none of them after the market's end."""

from datetime import date
from random import Random
from typing import Any

import domain.kinds  # noqa: F401 - registers the kinds
from domain.touchpoint import Envelope

SOURCE = "simulator"
MISTAKEN = 0.02
"""How much is told a second time by mistake, under an id of its own, and taken back."""
_NEVER_TAKEN_BACK = frozenset({"CustomerRegistered", "CustomersMerged"})


class Life:
    """What is told of one customer. `anonymous`: touches are told under the id of a browser, until it is merged."""

    def __init__(self, subject: str, chance: Random, end: date) -> None:
        self.subject = subject
        self.anonymous = False
        self._chance, self.end = chance, end
        self._told: list[tuple[str, int, Envelope]] = []
        self._count = 0

    def tell(
        self,
        kind: str,
        day: date,
        *,
        hour: int | None = None,
        channel: str | None = None,
        touch: bool = False,
        **fields: Any,
    ) -> bool:
        """Tell that something happened on a day, at an hour or by day at any; false where that is after the end."""
        if day > self.end:
            return False
        self._count += 1
        # By day in UTC, so that it is the same day in every zone of Europe.
        clock = f"{hour:02}:00:00" if hour is not None else f"{self._chance.randint(9, 17):02}:{self._count % 60:02}:00"
        given: dict[str, Any] = {
            "id": f"{self.subject}/{self._count}",
            "source": SOURCE,
            "type": kind,
            "subject": self._browser if touch and self.anonymous else self.subject,
            "time": f"{day.isoformat()}T{clock}+00:00",
            "channel": channel,
            "data": fields,
        }
        self._note(given)
        if kind not in _NEVER_TAKEN_BACK and self._chance.random() < MISTAKEN:
            again = f"{given['id']}/again"
            self._note({**given, "id": again})
            back = {"target": again, "retraction": True, "reason": "told twice"}
            self._note({**given, "id": f"{again}/back", "type": "TouchpointCorrected", "data": back})
        return True

    def _note(self, given: dict[str, Any]) -> None:
        self._told.append((given["time"], self._count, Envelope.read(given)))

    def merge(self, day: date) -> None:
        """Tell that the browser was theirs, if it was."""
        if self.anonymous:
            self.tell("CustomersMerged", day, hour=8, survivor=self.subject, absorbed=self._browser, method="exact")

    @property
    def _browser(self) -> str:
        return f"browser-{self.subject}"

    def told(self) -> list[Envelope]:
        """All of it, in the order in which it happened."""
        return [each for _, _, each in sorted(self._told, key=lambda told: told[:2])]
