"""What can go wrong, in the words of the domain.

Every error says what happened, where, which rule forbids it and the way out, and carries the exit code that a
script sees. The values of a touchpoint are never echoed: an error may be read by people who may not read the customer.
"""

from typing import Any, ClassVar


class LifecircleError(Exception):
    """The root of every error that lifecircle raises on purpose.

    Args:
        what: what went wrong, one sentence.
        where: the field, file, row, subject or address it concerns.
        rule: the rule that it breaks.
        way_out: what the caller can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", rule: str = "", way_out: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.rule = rule
        self.way_out = way_out

    @property
    def name(self) -> str:
        """The error's stable name, as machines see it."""
        return type(self).__name__

    def __str__(self) -> str:
        parts = [self.what]
        parts += [f"{label}: {text}" for label, text in self._details() if text]
        return "\n  ".join(parts)

    def _details(self) -> list[tuple[str, str]]:
        return [("where", self.where), ("rule", self.rule), ("way out", self.way_out)]

    def as_dict(self) -> dict[str, str]:
        """The error for machines: its name and its four parts, empty ones left out."""
        parts = [("error", self.name), ("what", self.what), *self._details()]
        return {label.replace(" ", "_"): text for label, text in parts if text}


class Refused(LifecircleError):
    """The touchpoint was refused at the door; nothing of it was stored."""

    exit_code = 3


class UnreadableInput(Refused):
    """The bytes are not the strict JSON, CSV or TOML that was expected."""


class InvalidTouchpoint(Refused):
    """The touchpoint does not fit the envelope or the schema of its kind."""


class UnknownKind(InvalidTouchpoint):
    """No kind of this name is registered."""


class KindBroken(InvalidTouchpoint):
    """The code of a kind failed on this touchpoint instead of admitting or refusing it."""


class TimeInFuture(InvalidTouchpoint):
    """The touchpoint claims to have occurred further ahead than the company's limit."""


class IdReused(Refused):
    """The id was used before, by the same source on the same subject, with other content.

    `stored` is the touchpoint that has the id, as the log holds it; None when it came in the same call.
    """

    exit_code = 4
    stored: Any = None


class VersionConflict(Refused):
    """A subject, or a process of it, is not at the version that the caller expected; `current` is the one it is at."""

    exit_code = 4
    current: int = 0


class RepeatMixedWithNew(Refused):
    """Known and new ids came together under one expected version."""

    exit_code = 4


class RuleBroken(Refused):
    """A strict append would have been a breach."""

    exit_code = 5


class CorrectionRefused(Refused):
    """The effective history forbids this correction."""

    exit_code = 5


class MergeRefused(Refused):
    """The effective history forbids this merge or its revert."""

    exit_code = 5


class SpecialNotEnabled(InvalidTouchpoint):
    """The touchpoint holds a trait of a special category, such as health or faith, and the company allows none."""


class SubjectErased(Refused):
    """The subject was forgotten: nothing personal can be recorded of it, opened or handed over any more."""

    exit_code = 6


class SubjectMerged(LifecircleError):
    """The subject goes on under another one, which it was merged into."""

    exit_code = 6


class ErasureRefused(Refused):
    """A legal hold, or the company's own rule, forbids that this subject be forgotten now."""

    exit_code = 5


class SettingsInvalid(Refused):
    """There is no such setting of the company, or it cannot have this value."""


class NameTaken(LifecircleError):
    """A kind, view, question or lifecycle has a name that another one has already.

    `taken` is the name, and `holder` the module that has it, where it was met while a module was imported.
    """

    taken = ""
    holder = ""


class ExtensionBroken(LifecircleError):
    """An installed package gives kinds, lifecycles or views that cannot be used."""


class UnknownSubject(LifecircleError):
    """The log holds no touchpoint of this subject."""

    exit_code = 6


class NotInQuarantine(LifecircleError):
    """No such row waits in quarantine, or nothing is known of its import."""

    exit_code = 6


class UnknownView(LifecircleError):
    """No view of this name is registered."""

    exit_code = 6


class UnknownDecision(LifecircleError):
    """No decision of this name is registered."""

    exit_code = 6


class RowUnknown(LifecircleError):
    """A view has no row of this key."""

    exit_code = 6


class QueryRefused(LifecircleError):
    """The SQL is not a single reading statement, or the database could not run it."""

    exit_code = 3


class MappingInvalid(LifecircleError):
    """The mapping file does not say how rows become touchpoints."""

    exit_code = 3


class ExtraMissing(LifecircleError):
    """What was asked for needs a part of lifecircle that is not installed."""

    exit_code = 8


class GuessFailed(LifecircleError):
    """What a mapping must say cannot be told from the file."""

    exit_code = 3


class LogUnavailable(LifecircleError):
    """The database cannot be reached, or was lost on the way."""

    exit_code = 7


class LogNotFound(LogUnavailable):
    """There is no log at this address."""


class LogExists(LifecircleError):
    """There is a log at this address already."""

    exit_code = 8


class LogNotWritable(LogUnavailable):
    """The database is read-only or full, or cannot keep every text."""


class WrongBuckets(LifecircleError):
    """A log cannot be made with so many buckets."""

    exit_code = 3


class KeysUnusable(LifecircleError):
    """The keys of personal data, or the key that protects them, are missing, damaged, or readable by others."""

    exit_code = 8


class NotOurLog(LifecircleError):
    """The database exists but holds something else than a log."""

    exit_code = 8


class NewerLog(NotOurLog):
    """The log was written by a newer version of lifecircle."""


class OlderLog(NotOurLog):
    """The log was made before personal data was sealed."""


class OlderSchema(NotOurLog):
    """The schema of the log lacks a step that this program needs."""


class ProjectorFenced(LifecircleError):
    """Another projector leads these views."""

    exit_code = 9


class SealerFenced(LifecircleError):
    """Another sealer leads this seal."""

    exit_code = 9


class SealUnusable(LifecircleError):
    """The seal's folder, its key, or what is named as its verifier key cannot be used."""

    exit_code = 8


class SealContradicted(LifecircleError):
    """The log, the seal or the evidence is not what was signed."""

    exit_code = 12


class FoldingStopped(LifecircleError):
    """Folding the log was stopped before its end; the live views are as they were."""

    exit_code = 130


class CursorInvalid(LifecircleError):
    """The cursor was not made by this log."""

    exit_code = 3
