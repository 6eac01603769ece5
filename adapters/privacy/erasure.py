"""Forgetting: the decision is recorded, then the keys are destroyed, then that is noted.

After a crash in between, forgetting the same customer again completes it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from adapters.clock import clock_us
from adapters.engine import Engine
from adapters.evidence import amend, quarantined
from adapters.log import Receipt
from adapters.notes import SOURCE, note
from adapters.privacy.quarantine import holding
from adapters.privacy.sealed import Sealed
from adapters.privacy.sealing import erased, sealed_texts
from adapters.views.replay import family_facts
from domain.erasure import forgotten_with
from domain.errors import IdReused, LifecircleError, UnknownSubject
from domain.families import Families
from domain.fields import ERASED_TEXT
from domain.identifiers import derived_id
from domain.kinds.circle import PersonalDataErased
from domain.kinds.log_itself import KeyDestroyed
from domain.touchpoint import Envelope, Fact

SCOPE = "all personal data"


def erase(
    engine: Engine, subject: str, *, basis: str, by: str, second: str | None = None, recordedby: str
) -> tuple[Receipt, list[str]]:
    """Forget a customer and all who were merged into them; answer the receipt, and who that was.

    Args:
        engine: the log.
        subject: who is forgotten; a contact person of an organisation is a subject of their own.
        basis: the law or request that it rests on.
        by: who of us does it.
        second: who else of us allows it.
        recordedby: the principal who was authenticated.

    Raises:
        UnknownSubject: the log holds nothing of this subject.
        SubjectMerged: the subject goes on under another one.
        SubjectErased: it was forgotten before.
        ErasureRefused: a legal hold or the company's rule forbids it.
        KeysUnusable: the keys cannot be destroyed now; the same again completes it.
    """
    facts = known_facts(engine, subject)
    persons = sorted(forgotten_with(subject, facts))
    keyring, realm = engine.sealing.keyring, engine.sealing.realm
    keyring.recheck()
    if all(keyring.is_destroyed(realm, person) for person in persons):
        raise erased(subject)
    time = datetime.fromtimestamp(clock_us() / 1_000_000, tz=UTC).isoformat()
    fields = {"id": uuid4().hex, "source": SOURCE, "type": PersonalDataErased.kind, "subject": subject, "time": time}
    data = PersonalDataErased(scope=SCOPE, legal_basis=basis, approver=second)
    (receipt,) = engine.append([Envelope.read({**fields, "actor": by, "data": data})], recordedby=recordedby)
    return receipt, persons


def known_facts(engine: Engine, subject: str) -> list[Fact]:
    """All facts of the streams that merges ever joined to a subject.

    Raises:
        UnknownSubject: the log holds nothing of this subject.
    """
    facts = family_facts(engine.log, subject)
    if not any(fact.stream == subject for fact in facts):
        raise UnknownSubject(
            "the log holds no touchpoint of this subject",
            where=f"subject {subject}",
            way_out="check the id; who is known by an e-mail, phone or number: lifecircle find",
        )
    return facts


def destroy_keys(engine: Engine, subject: str, *, recordedby: str) -> None:
    """Destroy the keys of a subject, for whom that is recorded, and of all who stand merged into it; note so.

    Rows in quarantine that hold one of their names or identifiers are emptied first: they are under no key of theirs.
    """
    facts = family_facts(engine.log, subject)
    persons = sorted(Families(facts).members(subject))
    held = holding(quarantined(engine, released=True), known_by(engine, persons, facts))
    amend(engine, [row._replace(raw=ERASED_TEXT, stem="") for row in held])
    engine.sealing.keyring.destroy(engine.sealing.realm, persons)
    log_id = engine.log.log_id
    notes = [[note(log_id, derived_id("key destroyed", person), KeyDestroyed(person=person))] for person in persons]
    for verdict in engine.append_each(notes, recordedby=recordedby):
        # The time of the first note stands.
        if isinstance(verdict, LifecircleError) and not isinstance(verdict, IdReused):
            raise verdict


def known_by(engine: Engine, persons: Sequence[str], facts: Sequence[Fact]) -> set[str]:
    """The names and identifiers that are known of persons, as long as their keys stand."""
    sealing = engine.sealing
    sealing.keyring.recheck()
    found = set()
    for text in sealed_texts([fact.data for fact in facts if fact.stream in persons]):
        sealed = Sealed.read(text)
        naming = sealed.more[:1] == "t" or sealed.about.field.rpartition(".")[2] == "name"
        if naming and not sealing.keyring.is_destroyed(*sealed.about[:2]):
            found.add(str(sealed.opened(sealing.keyring.known(*sealed.about[:2]))))
    return found
