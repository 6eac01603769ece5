"""What a write transaction on the view store does alike on every database."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from eventsourcing.persistence import IntegrityError, Tracking

from adapters.views.tables import Generation, fenced

# What is known of the parts of generations that are not being built any more.
FORGET_PARTS = "DELETE FROM folded_parts WHERE begun NOT IN (SELECT built FROM generations WHERE state = 'building')"

# Only one rebuild leads, so what is still being built when the next one begins was cut off.
GIVE_UP = "UPDATE generations SET state = 'retired' WHERE state = 'building'"

_GENERATIONS = "SELECT view, number, fingerprint, state, cut, built FROM generations ORDER BY view, number"


class Connection(Protocol):
    """A connection to either database, for statements that are the same on both."""

    def execute(self, query: Any, /) -> Iterable[tuple[Any, ...]]:
        """Run a statement; answer its rows."""
        ...


class Tracker(Protocol):
    """The library's tracking recorder, writing in a transaction that is already open."""

    def track(self, connection: Any, tracking: Tracking) -> None:
        """Note a position; IntegrityError where it is not further than the last."""
        ...


def generations(connection: Connection) -> list[Generation]:
    """Every generation that stands, by view and number."""
    return [Generation(*row) for row in connection.execute(_GENERATIONS)]


def live_tables(connection: Connection) -> dict[str, str]:
    """The table of each view that has a live one."""
    return {known.view: known.table for known in generations(connection) if known.state == "live"}


def move(tracker: Tracker, connection: Any, moved: Mapping[int, int]) -> None:
    """Move the live position of some buckets forward.

    Raises:
        ProjectorFenced: it already stands there or further, so another projector wrote meanwhile.
    """
    try:
        for bucket, number in moved.items():
            tracker.track(connection, Tracking(f"views/{bucket}", number))
    except IntegrityError:
        raise fenced("projector") from None
