"""What a service answers: receipts, breaches, touchpoints, and errors with the rule and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Breach:
    """A rule of a lifecycle that a touchpoint broke; it is recorded all the same."""

    id: str
    kind: str
    rule: str
    entity: str
    detail: str


@dataclass(frozen=True)
class Receipt:
    """The log's answer to one touchpoint.

    subject: whose stream it stands in; version: its place there, from 1; position: `bucket/number` in the log;
    recorded: when, as ISO 8601; sha256: of its stored bytes; repeat: whether it had been recorded before; breaches:
    what it broke, for a caller that waited.
    """

    subject: str
    version: int
    position: str
    recorded: str
    sha256: str
    repeat: bool
    breaches: tuple[Breach, ...] = ()

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Receipt:
        """Read it as the service tells it; fields of a newer service are passed over."""
        return cls(
            **{name: told[name] for name in ("subject", "version", "position", "recorded", "sha256", "repeat")},
            breaches=tuple(breach(each) for each in told.get("breaches", ())),
        )


def breach(told: Mapping[str, Any]) -> Breach:
    """Read a breach as the service tells it."""
    return Breach(*(str(told[name]) for name in ("id", "kind", "rule", "entity", "detail")))


@dataclass(frozen=True)
class Touchpoint:
    """One touchpoint of a history or of the log.

    event: the CloudEvent with all that the log added; cursor: where a follower goes on from, None in a history.
    """

    event: Mapping[str, Any]
    cursor: str | None = None

    @property
    def id(self) -> str:
        """The producer's id of it."""
        return str(self.event["id"])

    @property
    def kind(self) -> str:
        """Its kind, such as OrderPlaced."""
        return str(self.event["type"])

    @property
    def subject(self) -> str:
        """Whom it concerns."""
        return str(self.event["subject"])

    @property
    def data(self) -> Mapping[str, Any]:
        """The fields of its kind."""
        data: Mapping[str, Any] = self.event["data"]
        return data


class ServiceError(Exception):
    """The service did not do what it was asked.

    status: of HTTP, 0 where no answer came; title: the name of the error; where, rule and way_out: what to mend.
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = problem
        self.status = int(problem.get("status", 0))
        self.title = str(problem.get("title", type(self).__name__))
        self.where, self.rule, self.way_out = (str(problem.get(name, "")) for name in ("where", "rule", "way_out"))
        told = [("", problem.get("detail", "")), ("where: ", self.where), ("rule: ", self.rule)]
        told.append(("way out: ", self.way_out))
        super().__init__(f"{self.title}: " + "; ".join(f"{name}{text}" for name, text in told if text))


class Rejected(ServiceError):
    """What was sent cannot be taken, and will not be if it is sent again: it is to be mended."""


class Conflict(Rejected):
    """Something else came first: `current` is the version that the subject is at, where one was expected.

    For an id that was used before with other content, `stored` says where that stands.
    """

    @property
    def current(self) -> int | None:
        """The version that the subject is at; None for a used id."""
        found = self.problem.get("current")
        return None if found is None else int(found)

    @property
    def stored(self) -> Mapping[str, Any] | None:
        """Where the touchpoint stands that has this id, and the digest of its bytes."""
        return self.problem.get("stored")


class NotReached(ServiceError):
    """The service gave no answer, or asked to wait, more often than the client was told to try.

    Whether a touchpoint was recorded is not known; sending it again is safe.
    """


@dataclass(frozen=True)
class Outcome:
    """What came of one touchpoint of many: a receipt, or why there is none."""

    receipt: Receipt | None
    error: ServiceError | None


def error_of(problem: Mapping[str, Any]) -> ServiceError:
    """The error that problem details tell."""
    status = int(problem.get("status", 0))
    return Conflict(problem) if status == 409 else Rejected(problem) if 400 <= status < 500 else ServiceError(problem)
