"""Destroying the keys of persons for whom that is recorded, with all that is known of them elsewhere."""

from collections.abc import Sequence

from adapters.log import Log
from adapters.notes import note
from adapters.privacy.quarantine import holding, open_rows, seal_rows
from adapters.privacy.sealed import Sealed
from adapters.privacy.sealing import Sealing, sealed_texts
from domain.families import Families
from domain.fields import ERASED_TEXT
from domain.identifiers import derived_id
from domain.kinds.log_itself import KeyDestroyed
from domain.touchpoint import Envelope, Fact


def destroy_keys(log: Log, sealing: Sealing, subject: str, facts: Sequence[Fact]) -> list[Envelope]:
    """Destroy the keys of a subject, for whom that is recorded, and of all who stand merged into it; answer its notes.

    Rows in quarantine that hold one of their names or identifiers are emptied first: they are under no key of theirs.
    `facts` are those of all streams that merges ever joined to the subject.

    Raises:
        KeysUnusable: the keys cannot be destroyed now; the same again completes it.
    """
    persons = sorted(Families(facts).members(subject))
    rows = open_rows(sealing, log.quarantined(None, released=True))
    held = holding(rows, known_by(sealing, persons, facts))
    log.amend_quarantined(seal_rows(sealing, [row._replace(raw=ERASED_TEXT, stem="") for row in held]))
    sealing.keyring.destroy(sealing.realm, persons)
    return [note(log.log_id, derived_id("key destroyed", person), KeyDestroyed(person=person)) for person in persons]


def known_by(sealing: Sealing, persons: Sequence[str], facts: Sequence[Fact]) -> set[str]:
    """The names and identifiers that are known of persons, as long as their keys stand."""
    sealing.keyring.recheck()
    found = set()
    for text in sealed_texts([fact.data for fact in facts if fact.stream in persons]):
        sealed = Sealed.read(text)
        naming = sealed.more[:1] == "t" or sealed.about.field.rpartition(".")[2] == "name"
        if naming and not sealing.keyring.is_destroyed(*sealed.about[:2]):
            found.add(str(sealed.opened(sealing.keyring.known(*sealed.about[:2]))))
    return found
