"""What happens to a few customers, in few words; and the views that test how they are kept."""

from collections.abc import Hashable, Iterable, Sequence
from math import nan
from typing import Annotated, Any, ClassVar, NamedTuple

from hypothesis import strategies as st

from adapters.clock import clock_us
from adapters.codec import read_envelope
from adapters.engine import Engine
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.replay import rows_as_of
from adapters.views.tables import Tables
from domain.company import Company
from domain.errors import Refused
from domain.touchpoint import Envelope, Fact
from projections import views
from projections.view import Question, Row, View
from tests.strategies import OWN, envelopes, with_few_entities

SUBJECTS = ("anna", "bert", "cleo")


def touch(kind: str, subject: str, id: str, day: int = 1, **data: Any) -> Envelope:  # noqa: A002 - the envelope's word
    """A touchpoint of March 2026."""
    given = {"id": id, "source": "shop", "type": kind, "subject": subject, "data": data}
    return read_envelope(given | {"time": f"2026-03-{day:02}T10:00:00+00:00"}, clock_us(), Company())


def called(subject: str, id: str, day: int = 1, result: str = "well") -> Envelope:  # noqa: A002
    return touch("ContactMade", subject, id, day, mode="call", result=result)


def ordered(subject: str, id: str, day: int = 1, total: str = "10 EUR") -> Envelope:  # noqa: A002
    line = {"line": "1", "sku": "mug", "quantity": "1", "net": total}
    return touch("OrderPlaced", subject, id, day, order=id, lines=[line], total=total)


def merged(survivor: str, absorbed: str, id: str) -> Envelope:  # noqa: A002
    return touch("CustomersMerged", survivor, id, survivor=survivor, absorbed=absorbed, method="manual")


def reverted(survivor: str, absorbed: str, id: str, merge: str) -> Envelope:  # noqa: A002
    return touch("CustomerMergeReverted", survivor, id, merge=merge, survivor=survivor, absorbed=absorbed)


def retracted(subject: str, id: str, target: str) -> Envelope:  # noqa: A002
    return touch("TouchpointCorrected", subject, id, target=target, retraction=True, reason="mistake")


def moved(subject: str, id: str, target: str, day: int) -> Envelope:  # noqa: A002
    occurred = f"2026-03-{day:02}T10:00:00+00:00"
    return touch("TouchpointCorrected", subject, id, target=target, occurred=occurred, reason="mistake")


@st.composite
def stories(draw: st.DrawFn) -> list[Envelope]:
    """Calls and orders that come late, corrections before and after their targets, merges and their reverts."""
    subjects, days = st.sampled_from(SUBJECTS), st.integers(1, 28)
    told: list[Envelope] = []
    for place in range(draw(st.integers(1, 24))):
        subject, day, name = draw(subjects), draw(days), f"t{place}"
        other = draw(st.sampled_from([each for each in SUBJECTS if each != subject]))
        target = f"t{draw(st.integers(0, place + 2))}"
        told.append(
            draw(
                st.sampled_from(
                    [
                        called(subject, name, day),
                        ordered(subject, name, day),
                        ordered(subject, name, day, "7 USD"),
                        retracted(subject, name, target),
                        moved(subject, name, target, day),
                        merged(subject, other, name),
                        reverted(subject, other, name, target),
                        *([with_few_entities(draw, draw(envelopes(st.just(subject), OWN)))] if OWN else []),
                    ]
                )
            )
        )
    return told


def record(engine: Engine, told: Iterable[Envelope]) -> None:
    """Append one by one; what the effective history forbids is no part of the story."""
    for envelope in told:
        try:
            engine.append([envelope])
        except Refused:
            continue


def contents(tables: Tables) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every view at one moment, in an order of its own."""
    asked = [
        f"SELECT {', '.join(column.name for column in view.columns())} FROM {name}"
        for name, view in tables.views.items()
    ]
    _, _, answers = tables.answers(asked)
    return {name: sorted(map(tuple, rows), key=repr) for name, (_, rows) in zip(tables.views, answers, strict=True)}


def replayed(engine: Engine, subjects: Sequence[str] = SUBJECTS) -> dict[str, list[tuple[Any, ...]]]:
    """The same, each subject folded on its own as of now."""
    found: dict[str, set[tuple[Any, ...]]] = {name: set() for name in views()}
    pseudonyms = Pseudonyms.of_log(engine.url)
    for subject in subjects:
        if engine.log.version(subject):
            for name, rows in found.items():
                rows.update(map(tuple, rows_as_of(engine.log, engine.company, name, subject, pseudonyms)[1]))
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


class Tallied(NamedTuple):
    """How often somebody was called, and what came of it last."""

    subject: Annotated[str, "the customer"]
    calls: Annotated[int, "number of calls"]
    share: Annotated[float | None, "calls by ten"]


class Tally(View[list[Any]]):
    """Counts calls; raises after one with the result `poison`; no table takes its row after `huge` and `no number`."""

    name = "tally"
    comment = "Calls of each customer."
    row_type: ClassVar[type[NamedTuple]] = Tallied
    key = ("subject",)
    questions = (
        Question("calls", "Calls of all.", {"calls": "number of calls"}, "SELECT SUM(calls) AS calls FROM tally"),
        Question("today", "The reference day.", {"day": "the day"}, "SELECT day FROM moment"),
    )

    def initial(self, subject: str) -> list[Any]:
        return [subject, 0, 10]

    def evolve(self, state: list[Any], fact: Fact) -> tuple[list[Any], Iterable[Hashable]]:
        result = fact.data.get("result")
        if fact.kind != "ContactMade":
            return state, ("all",)
        if result == "poison":
            raise KeyError(result)
        state[1] += 2**64 if result == "huge" else 1
        state[2] = nan if result == "no number" else state[2]
        return state, ("all",)

    def row(self, state: list[Any], key: Hashable) -> Row | None:
        return Tallied(state[0], state[1], state[1] / state[2]) if key else None


class TallyAgain(Tally):
    """The same view after its fold was changed."""

    revision = 2

    def row(self, state: list[Any], key: Hashable) -> Row | None:
        return Tallied(state[0], state[1] * 100, None) if key else None


class Shortened(NamedTuple):
    """How often somebody was called."""

    subject: Annotated[str, "the customer"]
    calls: Annotated[int, "number of calls"]


class TallyShort(Tally):
    """The same view without a column."""

    row_type: ClassVar[type[NamedTuple]] = Shortened

    def row(self, state: list[Any], key: Hashable) -> Row | None:
        return Shortened(state[0], state[1]) if key else None


CHOSEN = {"tally": Tally}
