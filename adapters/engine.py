"""The engine: the one door through which touchpoints enter a log and histories come out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from itertools import chain, groupby
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from adapters.addresses import create_log, open_log
from adapters.appending.batches import Batch, Run, Undecided, encoded
from adapters.appending.committer import Committer
from adapters.appending.deciding import Deciding
from adapters.appending.door import ANY, Door, Expected, kept_moving, needs_deciding
from adapters.appending.rounds import Rounds
from adapters.clock import clock_us
from adapters.collector import seldom
from adapters.cursor import Cursor
from adapters.log import Group, Log, Receipt, Settings, Verdict, receipts_of
from adapters.notes import keep_notes
from adapters.privacy.destruction import destroy_keys
from adapters.privacy.keyring import Keyring
from adapters.privacy.sealing import Sealing
from adapters.refusals import Refusals
from adapters.settings import LIMITS
from adapters.views.replay import family_facts, history
from domain.company import Company
from domain.compiled import Appendable
from domain.corrections import ERASED
from domain.errors import IdReused, InvalidTouchpoint, LifecircleError, Refused, VersionConflict
from domain.lifecycle import Breach
from domain.touchpoint import Fact

if TYPE_CHECKING:  # a command line that starts must not wait for asyncio
    from adapters.appending.async_committer import AsyncCommitter, Later

T = TypeVar("T")

EMBEDDED = "embedded"
"""The principal that is recorded when the caller is Python code in the same process."""


class Engine:
    """One log, open for appending and replay. May be used from many threads; their appends commit in groups."""

    def __init__(self, url: str, log: Log) -> None:
        self.url = url
        self.log = log
        self.sealing = Sealing(log, Keyring(url))
        self._deciding = Deciding()
        self._settings_read = 0
        self.rounds = Rounds(log)
        self._committer = Committer(log, self.rounds)
        self.refusals = Refusals(log)

    @classmethod
    def create(cls, url: str, company: Company | None = None, buckets: int = 1) -> Self:
        """Make a new, empty log at an address (`sqlite:///file.db`, `postgresql://…`) and open it.

        Args:
            url: the address.
            company: whose customers these are.
            buckets: how many appends can commit at once, on PostgreSQL; it stays as it is for the life of the log.

        Raises:
            WrongBuckets: a log cannot have so many.
            NotOurLog: something stands at this address already.
            LogUnavailable: the database cannot be reached or written.
            KeysUnusable: the keys of personal data cannot be made.
        """
        with closing(Keyring(url)) as keyring:
            keyring.prepare()  # before there is a log that could not keep what is personal
        engine = cls(url, create_log(url, company or Company(), buckets))
        engine.sealing.begin()
        return engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the log at an address.

        Raises:
            LogNotFound: there is none; NotOurLog, NewerLog: what stands there is no log that this program can read.
            LogUnavailable: the database cannot be reached.
        """
        return cls(url, open_log(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Note what was refused, and give all connections back."""
        self._deciding.close()
        self.refusals.close()
        self.log.close()
        self.sealing.keyring.close()

    @property
    def company(self) -> Company:
        """The company's settings, as they were read last."""
        return self.log.company

    def change_settings(self, changes: Mapping[str, Any], *, recordedby: str = EMBEDDED) -> bool:
        """Record changed settings of the company, values as in JSON; false, and nothing recorded, if none is new.

        Rules and calendars read them from then on; views that were folded under others are stale until rebuilt.

        Raises:
            SettingsInvalid: there is no such setting, or it cannot have this value.
            VersionConflict: others changed them each time this was tried.
        """
        for _ in range(LIMITS.decide_rounds_max):
            self._read_settings()
            changed = self.company.changed(changes)
            if changed == self.company:
                return False
            version = Settings(self._settings_read + 1, clock_us(), recordedby, changed)
            if self.log.change_settings(version):
                self._read_settings()
                return True
        raise kept_moving("the settings")

    def _read_settings(self) -> None:
        """Read the settings that were recorded since they were read last, perhaps by another process."""
        if newer := self.log.settings(self._settings_read):
            self._settings_read, _, _, company = newer[-1]
            if company != self.log.company:
                self.log.company = company
                self._door = Door(self.log, self.sealing)

    @cached_property
    def _async_committer(self) -> "AsyncCommitter":
        from adapters.appending.async_committer import AsyncCommitter

        return AsyncCommitter(self.log, self.sealing, self.rounds)

    @cached_property
    def _door(self) -> Door:
        return Door(self.log, self.sealing)

    def append(
        self,
        touchpoints: Sequence[Appendable],
        *,
        expected: int | Mapping[str, int] | None = None,
        strict: bool = False,
        recordedby: str = EMBEDDED,
    ) -> list[Receipt]:
        """Append touchpoints, all or nothing per subject; answer a receipt each, in their order.

        The same id, subject, source and content again is answered with its first receipt.

        Args:
            touchpoints: of one subject or of many.
            expected: the version that the subject must be at, or the versions of some of its processes: under
                `{"order/123": 5}` only what names that order, or corrects what does, is a conflict. A process is at the
                subject's version of the last such touchpoint. Only with touchpoints of one subject.
            strict: refuse what would break a rule, on the state that was seen.
            recordedby: the principal who was authenticated.

        Raises:
            IdReused, VersionConflict, RepeatMixedWithNew, RuleBroken, CorrectionRefused, MergeRefused: the first
                subject's error, which is noted in the log soon after; what was sent for other subjects may have been
                stored, and sending it again is safe.
            LogUnavailable: the outcome is not known; sending the same again is safe.
        """
        try:
            if len(touchpoints) == 1:  # nearly always
                foreseen = Expected.read(touchpoints[0].subject, expected)
                return receipts_of(self._append_group(touchpoints, foreseen, recordedby, strict=strict))
            answered = self._appended(touchpoints, expected, recordedby, strict=strict)
        except Refused as refusal:
            self.refusals.note_append(refusal, touchpoints, recordedby)
            raise
        return [answered[touchpoint.subject].pop() for touchpoint in touchpoints]

    def _appended(
        self,
        touchpoints: Sequence[Appendable],
        expected: int | Mapping[str, int] | None,
        recordedby: str,
        *,
        strict: bool,
    ) -> dict[str, list[Receipt]]:
        """The receipts of each subject, the last one first."""
        by_subject: dict[str, list[Appendable]] = {}
        for touchpoint in touchpoints:
            by_subject.setdefault(touchpoint.subject, []).append(touchpoint)
        if expected is not None and len(by_subject) > 1:
            raise InvalidTouchpoint(
                "an expected version came with touchpoints of several subjects",
                where="expected version",
                rule="it is the version of one subject",
                way_out="append each subject's touchpoints on their own",
            )
        if len(by_subject) > 1 and not strict:
            verdicts = self.append_each(list(by_subject.values()), recordedby=recordedby)
        else:
            verdicts = [
                self._append_group(group, Expected.read(subject, expected), recordedby, strict=strict)
                for subject, group in by_subject.items()
            ]
        answered: dict[str, list[Receipt]] = {}
        for subject, verdict in zip(by_subject, verdicts, strict=True):
            answered[subject] = receipts_of(verdict)[::-1]
        return answered

    async def append_async(
        self,
        touchpoints: Sequence[Appendable],
        *,
        expected: int | Mapping[str, int] | None = None,
        strict: bool = False,
        recordedby: str = EMBEDDED,
    ) -> list[Receipt]:
        """Append as `append` does, from a task of an event loop; what many tasks send commits in groups.

        A task that is cancelled meanwhile does not know the outcome; sending the same again is safe.
        """
        subject = touchpoints[0].subject if touchpoints else ""
        foreseen = Expected.read(subject, expected)
        decided = foreseen.processes or needs_deciding(touchpoints, strict=strict)
        if decided or (len(touchpoints) > 1 and any(each.subject != subject for each in touchpoints)):
            options: dict[str, Any] = {"expected": expected, "strict": strict, "recordedby": recordedby}
            return await self._deciding.aside(self.append, touchpoints, **options)
        try:
            group, answer = self._async_committer.join(touchpoints, recordedby, foreseen.subjects)
            if isinstance(verdict := await answer, IdReused):
                verdict = await _in_thread(self._reconsidered, verdict, group)
            return receipts_of(verdict)
        except Refused as refusal:
            self.refusals.note_append(refusal, touchpoints, recordedby)
            raise

    def append_at_once(self, touchpoint: Appendable, *, recordedby: str) -> "Later | None":
        """Let a touchpoint join the next round, from an event loop; None where it is to be decided first.

        An error for a verdict is not noted yet, and may be of what is the same: `append_async` sees to both.
        """
        plain = not needs_deciding((touchpoint,), strict=False)
        return self._async_committer.join((touchpoint,), recordedby, ANY.subjects)[1] if plain else None

    async def append_each_async(
        self, groups: Sequence[Sequence[Appendable]], *, recordedby: str = EMBEDDED
    ) -> list[Verdict]:
        """Append as `append_each` does, from a task of an event loop; what many tasks send commits in groups."""
        await self._async_committer.keys.fetch([each for group in groups for each in group])
        batch = encoded(groups, self.sealing, recordedby)
        if any(isinstance(entry, Undecided) for entry in batch):
            return await self._deciding.aside(self._one_by_one, batch, recordedby)
        answers = await self._async_committer.commit_all([entry for entry in batch if isinstance(entry, Group)])
        if any(isinstance(answer, IdReused) for answer in answers):
            return await _in_thread(self._answered, batch, answers)
        return self._answered(batch, answers)

    def append_each(self, groups: Iterable[Sequence[Appendable]], *, recordedby: str = EMBEDDED) -> list[Verdict]:
        """Append many groups in as few transactions as can be; each is stored whole, or answered with its error.

        Who takes verdicts has refusals noted (`refusals.note_all`) or keeps what was refused, as an import does.
        """
        return next(self.append_batches([groups], recordedby=recordedby))

    def append_batches(
        self, batches: Iterable[Iterable[Sequence[Appendable]]], *, recordedby: str = EMBEDDED
    ) -> Iterator[list[Verdict]]:
        """Append batch after batch of groups; answer the verdicts of each batch, in the order of its groups.

        A database server stores one batch while the next is taken from `batches`, which may make it meanwhile.

        Raises:
            LogUnavailable: the outcome of the batches not yet answered is not known; sending the same again is safe.
        """
        entries = (encoded(groups, self.sealing, recordedby) for groups in batches)
        with seldom():
            while True:
                run = Run(entries)
                for answers in self.log.append_in_turn(run):
                    yield self._answered(run.taken.popleft(), answers)
                if run.stopped_at is None:
                    return
                yield self._one_by_one(run.stopped_at, recordedby)

    def _answered(self, batch: Batch, answers: Sequence[Verdict]) -> list[Verdict]:
        """The verdict of every entry of a batch, given those of its groups."""
        each = iter(answers)
        return [
            self._reconsidered(next(each), entry) if isinstance(entry, Group) else cast("Refused", entry)
            for entry in batch
        ]

    def _one_by_one(self, batch: Batch, recordedby: str) -> list[Verdict]:
        """Append a batch in which something must be decided: what stands before that must be stored first."""
        verdicts: list[Verdict] = []
        for decides, entries in groupby(batch, key=lambda entry: isinstance(entry, Undecided)):
            run = list(entries)
            if decides:
                verdicts += [self._append_refusing(cast("Undecided", each).touchpoints, recordedby) for each in run]
            else:
                verdicts += self._answered(run, self.log.append([each for each in run if isinstance(each, Group)]))
        return verdicts

    def _append_refusing(self, touchpoints: Sequence[Appendable], recordedby: str) -> Verdict:
        try:
            return self._append_group(touchpoints, ANY, recordedby)
        except Refused as refusal:
            return refusal

    def _append_group(
        self, touchpoints: Sequence[Appendable], expected: Expected, recordedby: str, *, strict: bool = False
    ) -> Verdict:
        if not expected.processes and not needs_deciding(touchpoints, strict=strict):
            drafts = tuple([self.sealing.draft(each, recordedby) for each in touchpoints])
            return self._commit(Group(drafts, expected.subjects), len(drafts))
        subject = touchpoints[0].subject
        with self._deciding.turn(subject):
            verdict = self._decide(touchpoints, expected, recordedby, strict=strict)
        if not isinstance(verdict, LifecircleError) and any(each.type == ERASED for each in touchpoints):
            notes = destroy_keys(self.log, self.sealing, subject, family_facts(self.log, subject))
            keep_notes(partial(self.append_each, recordedby=recordedby), notes)
        return verdict

    def _decide(
        self, touchpoints: Sequence[Appendable], expected: Expected, recordedby: str, *, strict: bool
    ) -> Verdict:
        if strict:
            self._read_settings()
        drafted = [self._door.drafts(touchpoint, recordedby) for touchpoint in touchpoints]
        own = [drafts[0] for drafts in drafted]
        if any(self.log.find(draft.stream, draft.source, draft.id) for draft in own):
            # Known ids come before the rules: the log answers repeats, and refuses them when mixed with new ones.
            return self._commit(Group(tuple(chain(*drafted)), expected.subjects or {own[0].stream: -1}), len(own))
        for _ in range(LIMITS.decide_rounds_max):
            decided = self._door.decide(drafted, expected, strict=strict)
            if isinstance(decided, LifecircleError):
                return decided
            verdict = self._commit(decided, len(own))
            if expected.subjects or not isinstance(verdict, VersionConflict):
                return verdict
        return kept_moving(f"subject {own[0].stream}")

    def _commit(self, group: Group, answered: int) -> Verdict:
        """Store a group, and answer the receipts of its first drafts: the others are copies in other streams."""
        verdict = self._reconsidered(self._committer.commit(group), group)
        return verdict if isinstance(verdict, LifecircleError) else verdict[:answered]

    def _reconsidered(self, verdict: Verdict, group: Group) -> Verdict:
        """A repeat whose bytes were stored under an older schema version of its kind is still a repeat."""
        known = verdict.stored if isinstance(verdict, IdReused) else None
        if known is None or not any(self.sealing.same_meaning(known, draft) for draft in group.drafts):
            return verdict
        drafts = tuple(
            draft._replace(state=known.state) if (draft.source, draft.id) == (known.source, known.id) else draft
            for draft in group.drafts
        )
        again = group._replace(drafts=drafts)
        return self._reconsidered(self._committer.commit(again), again)

    def history(self, subject: str, *, known: Cursor | int | None = None, as_of: int | None = None) -> list[Fact]:
        """The effective history of a subject's family, oldest first; what is personal in it is sealed, or `[erased]`.

        Args:
            subject: any stream of the family; an absorbed one answers its survivor's.
            known: what had been recorded by then: a cursor, or microseconds since 1970 UTC; None for all.
            as_of: what had occurred by then, in microseconds since 1970 UTC; None for all.

        Raises:
            UnknownSubject: the log holds nothing of this subject within the cut.
        """
        return self.sealing.with_erasures(history(self.log, subject, known=known, as_of=as_of))

    def breaches_of(self, receipts: Iterable[Receipt]) -> list[Breach]:
        """The breaches that touchpoints just appended are part of, as the rules see them now."""
        wanted = {(receipt.stream, receipt.version) for receipt in receipts}
        streams = dict.fromkeys(stream for stream, _ in wanted)
        found = [each for stream in streams for each in self._door.breaches(stream, family_facts(self.log, stream))]
        return [breach for breach in found if (breach.stream, breach.version) in wanted]

    def cursor(self, text: str) -> Cursor:
        """Read a cursor that this log gave.

        Raises:
            CursorInvalid: it is damaged or of another log, perhaps of one that this log was copied from.
        """
        return Cursor.read(text, self.log.log_id, self.log.buckets, self.log.origins)


async def _in_thread(work: Callable[..., T], *arguments: Any, **options: Any) -> T:
    from asyncio import to_thread  # which whoever has no event loop need not wait for

    return await to_thread(work, *arguments, **options)
