"""The log itself: what it refused, set aside, opened or destroyed. These names are the storage format."""

from typing import Annotated

from domain.fields import Count, Digest, means
from domain.identifiers import Id
from domain.touchpoint import Label, Touchpoint

Batch = Annotated[Id, means("the batch of the import")]
Row = Annotated[Count, means("the row's place in its file, from 1")]
Holder = Annotated[Id, means("the person whose data it is, by subject id")]


class TouchpointRefused(Touchpoint):
    """Somebody tried to record something that could not be let in; nothing of it was kept but this note."""

    rule: Annotated[Label, means("the name of the error it was refused with")]
    refused_kind: Annotated[Label | None, means("the kind it claimed to be", stored_as="kind")] = None
    id_digest: Annotated[
        Digest | None, means("the SHA-256 of the id it claimed, in hexadecimal; none where that is no id")
    ] = None
    times: Annotated[Count | None, means("how many refusals this note stands for, where they came too fast")] = None


class RowQuarantined(Touchpoint):
    """A row of an import could not be understood and waits for somebody to look at it."""

    batch: Batch
    row: Row
    rule: Annotated[Label, means("the rule that it broke")]


class RowReleased(Touchpoint):
    """A row that had been set aside was mended and let in."""

    batch: Batch
    row: Row
    by: Annotated[Id, means("who released it, by id")]


class PersonalDataOpened(Touchpoint):
    """Somebody who may read personal data looked at a person's."""

    person: Holder
    fields: Annotated[tuple[Label, ...], means("the names of the fields that were opened")]
    purpose: Annotated[Label, means("what it was needed for")]


class AccessDenied(Touchpoint):
    """Somebody asked for what they have no right to, and did not get it."""

    route: Annotated[Label, means("what was asked for")]
    need: Annotated[Label, means("the right that was missing")]


class KeyRotated(Touchpoint):
    """The key that protects all other keys was changed for a new one."""

    epoch: Annotated[Count, means("which key it is now, counted from the first")]


class KeyDestroyed(Touchpoint):
    """The key of a person was destroyed, and with it all that it had sealed."""

    person: Holder


NOTED_KINDS = frozenset(
    each.kind
    for each in (
        TouchpointRefused,
        RowQuarantined,
        RowReleased,
        PersonalDataOpened,
        AccessDenied,
        KeyRotated,
        KeyDestroyed,
    )
)
"""What a log notes of itself, and nobody tells it."""
