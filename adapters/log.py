"""The log as every database offers it: what goes in, what comes out, and the contract between.

A log has one bucket or more; in a bucket every touchpoint gets the next number, in commit order and without gaps, so
a reader that has seen number n has seen all below n. A position is (bucket, number).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import chain
from threading import Event
from typing import Any, NamedTuple, Protocol

from eventsourcing.persistence import InfrastructureFactory

from adapters.cursor import Cursor, Origin
from adapters.settings import LIMITS
from domain.company import Company
from domain.errors import LifecircleError
from domain.families import MERGED, REVERTED

LINK_KINDS = (MERGED, REVERTED)
"""The kinds that join streams into families and part them."""


def bucket_of(subject: str, buckets: int) -> int:
    """The bucket, from 1, that a subject's stream lives in for as long as the log lives."""
    if buckets == 1:
        return 1
    return int.from_bytes(blake2b(subject.encode(), digest_size=8).digest()) % buckets + 1


class Draft(NamedTuple):
    """One touchpoint, encoded, on its way into the log; `occurred` in microseconds since 1970 UTC.

    content_hmac: where fields are sealed, the HMAC of what the bytes would be if they were not.
    """

    stream: str
    kind: str
    id: str
    source: str
    occurred: int
    recordedby: str
    state: bytes
    content_hmac: bytes | None = None

    def same_as(self, state: bytes, content_hmac: bytes | None) -> bool:
        """Whether its content is that of another: the same bytes, or, as what is sealed twice differs, HMAC."""
        return self.state == state or (content_hmac is not None and self.content_hmac == content_hmac)


class Group(NamedTuple):
    """Touchpoints that are stored all or not at all.

    `expected` gives the version that each named stream must be at; a stream not named may be at any.
    """

    drafts: tuple[Draft, ...]
    expected: dict[str, int] = {}  # noqa: RUF012 - never changed in place


def touched_by(groups: Iterable[Group], buckets: int) -> set[int]:
    """The buckets that groups store in, or expect a stream of at a version."""
    streams = chain.from_iterable(chain((draft.stream for draft in drafts), held) for drafts, held in groups)
    return {bucket_of(stream, buckets) for stream in streams}


class Stored(NamedTuple):
    """One touchpoint as the log holds it; `occurred` and `recorded` in microseconds since 1970 UTC."""

    bucket: int
    number: int
    stream: str
    version: int
    kind: str
    id: str
    source: str
    occurred: int
    recorded: int
    recordedby: str
    state: bytes


stored_of: Callable[[Sequence[Any]], Stored] = partial(tuple.__new__, Stored)
"""Make a `Stored` of its fields. Rows come by the hundred thousand, and this does not go through Python."""


def by_stream(touchpoints: Iterable[Stored]) -> dict[str, list[Stored]]:
    """Touchpoints by the streams that hold them, each in the order in which they come."""
    streams: dict[str, list[Stored]] = {}
    for stored in touchpoints:
        streams.setdefault(stored.stream, []).append(stored)
    return streams


class Receipt(NamedTuple):
    """The log's answer to one touchpoint: where it stands, and the SHA-256 of its stored bytes.

    `repeat` is true when the same touchpoint had been recorded before, and this is its first receipt again.
    """

    bucket: int
    number: int
    stream: str
    version: int
    recorded: int
    digest: bytes
    repeat: bool


Verdict = list[Receipt] | LifecircleError
"""What became of a group: a receipt per draft, in order, or the error for which nothing of it was stored."""


def receipts_of(verdict: Verdict) -> list[Receipt]:
    """The receipts of a group that was stored; the error of one that was not is raised."""
    if isinstance(verdict, LifecircleError):
        raise verdict
    return verdict


class QuarantinedRow(NamedTuple):
    """A row of an import that could not be read or is invalid, kept whole."""

    batch: str
    row: int
    source: str
    rule: str
    message: str
    raw: str
    recorded: int
    stem: str = ""
    """What its derived ids are made of, as far as it could be read: the keyed digest of it, and an ordinal."""
    released: int | None = None
    """When it was let in, in microseconds since 1970 UTC; None while it waits."""
    released_by: str = ""


class ImportRun(NamedTuple):
    """How far an import of a file has come; batch by batch the log keeps the last one.

    plan: the HMAC-SHA256 of the mapping under the log's id key, in hexadecimal; mapping, columns, outcomes: JSON;
    read_bytes and digest: how much of the file is read, and a keyed digest of that part; whole: whether a file that it
    fits may hold nothing more; taken: rows or groups that are settled; recorded: microseconds since 1970 UTC.
    """

    batch: str
    plan: str
    file: str
    mapping: str
    columns: str
    read_bytes: int
    digest: str
    whole: bool
    taken: int
    outcomes: str
    recorded: int


class Settings(NamedTuple):
    """One version of the company's settings: its number from 1, when it was recorded and by whom.

    `recorded` in microseconds since 1970 UTC; the first version came with the log, and says neither.
    """

    number: int
    recorded: int | None
    recordedby: str | None
    company: Company


class Meta(NamedTuple):
    """What a log is: its id of 16 bytes, its number of buckets, whose customers these are, what it was copied from."""

    log_id: bytes
    buckets: int
    company: Company
    origins: tuple[Origin, ...]


class Log(Protocol):
    """The storage of one log. Every database passes the same contract tests."""

    log_id: bytes

    company: Company
    """The settings that stood when the log was opened, or were read or changed here last."""

    buckets: int

    origins: tuple[Origin, ...]
    """The logs that this one was copied from, the last first."""

    parallel: bool
    """Whether appends to different buckets can commit at the same moment."""

    def append(self, groups: Sequence[Group], ready: Callable[[], None] | None = None) -> list[Verdict]:
        """Store groups in as few transactions as can be, each under the ordering lock of its bucket; judge each alone.

        For each group, in this order: an id that the stream holds from the same source is a repeat when the stored
        bytes, or the HMACs of the content, are equal, else the group fails with IdReused; known and new ids mixed under
        an expected version fail with RepeatMixedWithNew; a stream at another version than expected fails with
        VersionConflict. Otherwise the new drafts are stored and every draft gets its receipt. Groups act as if stored
        one after the other. `ready` is called before anything is committed, maybe more than once and while a server
        holds the locks; what it raises is raised, and nothing is stored.

        Raises:
            LogUnavailable: the database was lost and, after reconnecting, the outcome could not be learnt.
        """
        ...

    def append_in_turn(self, batches: Iterable[Sequence[Group]]) -> Iterator[list[Verdict]]:
        """Append batch after batch, each as `append` does, and answer each one's verdicts.

        A database server stores one batch while the next is being made. Batches keep their order. When making or
        storing one fails, those before it are stored.
        """
        ...

    def heads(self) -> Cursor:
        """The last number of every bucket, from one statement: a consistent cut."""
        ...

    def start(self) -> Cursor:
        """The cursor before the first touchpoint."""
        ...

    def cut_at(self, recorded_us: int) -> Cursor:
        """The cut that holds exactly what had been recorded at or before an instant."""
        ...

    def read(self, after: Cursor, limit: int, upto: Cursor | None = None) -> list[Stored]:
        """The next touchpoints after a cursor, at most `limit`, in number order within each bucket.

        Every bucket with something new has its fair share of a page, so that none waits for a busy one. A page ends
        too when it holds LIMITS.read_page_max_bytes of touchpoints. One of less than both goes up to a consistent cut:
        what was stored together, over however many buckets, is all in it.
        """
        ...

    def pages(self, after: Cursor, upto: Cursor, size: int = LIMITS.read_page_touchpoints) -> Iterator[list[Stored]]:
        """All touchpoints after a cursor within a cut, in pages of at most `size`: bucket by bucket, by number.

        For who reads much. A server reads on while a page is used, over a connection that no other call waits for.

        Raises:
            LogUnavailable: the server was lost, and did not come back in time.
        """
        ...

    def stream(self, subject: str, upto: Cursor | None = None) -> list[Stored]:
        """One subject's stream in version order, within a cut."""
        ...

    def streams(self, subjects: Iterable[str], upto: Cursor) -> dict[str, list[Stored]]:
        """The streams of several subjects within a cut, in one look; one of which there is nothing is not there."""
        ...

    def version(self, subject: str) -> int:
        """The version of a subject's stream; 0 when it has none."""
        ...

    def find(self, subject: str, source: str, id: str) -> Stored | None:  # noqa: A002 - the envelope's own word
        """Look one touchpoint up by its id."""
        ...

    def links(self, upto: Cursor | None = None) -> list[Stored]:
        """Every merge and revert within a cut, each once per stream that holds it."""
        ...

    def kinds(self) -> dict[str, int]:
        """How many touchpoints of each kind the log holds; it reads the whole log."""
        ...

    def follow(self, after: Cursor, stop: Event) -> Iterator[list[Stored]]:
        """Batches after a cursor, for ever, until `stop` is set: woken by appends, by polling at the latest.

        Yields an empty list at least once a second while nothing comes. Survives a dropped connection.
        """
        ...

    def check(self) -> None:
        """Look once, without patience, whether the database answers and can be written.

        Raises:
            LogUnavailable: it does not. LogNotWritable: it cannot. NotOurLog: something else stands in its place.
        """
        ...

    def quarantine(self, rows: Sequence[QuarantinedRow]) -> None:
        """Keep rows that an import could not turn into touchpoints. The same (batch, row) again changes nothing."""
        ...

    def quarantined(self, batch: str | None = None, *, released: bool = False) -> list[QuarantinedRow]:
        """The rows in quarantine, of one batch or of all; with `released` those too that were let in since."""
        ...

    def in_quarantine(self) -> int:
        """How many rows wait in quarantine."""
        ...

    def amend_quarantined(self, rows: Sequence[QuarantinedRow]) -> None:
        """Give rows in quarantine, known by (batch, row), another rule, message, text, stem and note of release."""
        ...

    def keep_import(self, run: ImportRun) -> None:
        """Keep how far an import has come, in place of what was kept of its batch before."""
        ...

    def imports(self, *, batch: str | None = None, plan: str | None = None) -> list[ImportRun]:
        """What is kept of one batch, or of all batches that were imported by a plan."""
        ...

    def settings(self, after: int = 0) -> list[Settings]:
        """Every version of the company's settings of a higher number, oldest first."""
        ...

    def change_settings(self, changed: Settings) -> bool:
        """Record the next version of the settings; false, and nothing is recorded, where another took its number."""
        ...

    def factory(self, bucket: int) -> InfrastructureFactory[Any]:
        """The library's factory over one bucket of this log, for its application, event store and repository."""
        ...

    def close(self) -> None:
        """Give all connections back."""
        ...
