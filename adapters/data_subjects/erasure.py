"""Forgetting: the decision is recorded; whatever records one destroys the keys then, and notes that.

After a crash in between, forgetting the same customer again completes it.
"""

from datetime import UTC, datetime
from uuid import uuid4

from adapters.clock import clock_us
from adapters.engine import Engine
from adapters.log import Receipt
from adapters.notes import SOURCE
from adapters.privacy.sealing import erased
from adapters.views.replay import family_facts
from domain.erasure import forgotten_with
from domain.errors import UnknownSubject
from domain.kinds.circle import PersonalDataErased
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
