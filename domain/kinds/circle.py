"""Across the circle: identity, profile, consent, tasks and corrections. These names are the storage format."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, model_validator

from domain.fields import (
    Attribute,
    ContactPoint,
    Count,
    Day,
    Digest,
    Flag,
    Identifier,
    Person,
    PersonalName,
    PersonalText,
    Reason,
    Special,
    StoredFields,
    Value,
    Values,
    means,
)
from domain.identifiers import Id, LegalHoldId, SubjectRequestId, TaskId
from domain.touchpoint import Label, Moment, Touchpoint

IdentifierType = Annotated[Label, means("what sort of identifier, such as email, phone, cookie or loyalty card")]
Purpose = Annotated[Label, means("what the data may be used for, such as newsletter")]
Channel = Annotated[Label, means("the channel it holds for; all where unset")]
Relationship = Literal["contact person", "employee", "household", "parent company", "partner"]


class CustomerRegistered(Touchpoint):
    """Someone became known to us by name: a person, or an organisation."""

    party: Annotated[Literal["person", "organisation"], means("what the customer is")]
    name: Annotated[PersonalName | None, means("the full name")] = None
    contact_points: Annotated[tuple[ContactPoint, ...], means("where they can be reached")] = ()
    attributes: Annotated[Values | None, Attribute(), means("traits such as age, income or industry")] = None
    special_attributes: Annotated[Values | None, Special(), means("traits such as health or faith")] = None
    language: Annotated[Label | None, means("the language they want, such as de-AT")] = None


class IdentifierLinked(Touchpoint):
    """An address, number or device was found to belong to the customer."""

    type: IdentifierType
    value: Annotated[Identifier, means("the identifier itself")]
    verified: Annotated[Flag | None, means("whether the customer proved it")] = None


class IdentifierUnlinked(Touchpoint):
    """An address, number or device no longer belongs to the customer, or never did."""

    type: IdentifierType
    value: Annotated[Identifier, means("the identifier itself")]


class CustomerIdentified(Touchpoint):
    """An unnamed visitor turned out to be this customer."""

    anonymous_id: Annotated[Id, means("the visitor's id until then")]
    identifier: Annotated[Identifier | None, means("what gave them away")] = None
    how: Annotated[Label | None, means("by which step: login, form, link in a message")] = None


class CustomersMerged(Touchpoint):
    """Two customers turned out to be one and the same."""

    survivor: Annotated[Id, means("the subject that both go on under")]
    absorbed: Annotated[Id, means("the subject that goes up in it")]
    method: Annotated[Literal["exact", "scored", "manual"], means("how it was found out")]
    evidence: Annotated[Label | None, means("what it rests on, without personal values")] = None


class CustomerMergeReverted(Touchpoint):
    """A merge was a mistake: the two are different customers after all."""

    merge: Annotated[Id, means("the id of the merge's touchpoint")]
    survivor: Annotated[Id, means("the subject that both went on under")]
    absorbed: Annotated[Id, means("the subject that stands on its own again")]
    reason: Reason | None = None
    returned: Annotated[tuple[Id, ...], means("ids of the survivor's touchpoints that go back to the absorbed")] = ()


class ProfileFieldChanged(Touchpoint):
    """Something about the customer's life or business is different now, or we know it better."""

    field: Annotated[Label, means("what changed, such as age, marital status, income, industry or duty")]
    new: Annotated[Value | None, Attribute(named_by="field"), means("what it is now; nothing where unset")] = None
    new_special: Annotated[Value | None, Special(), means("what it is now, for a trait such as health or faith")] = None
    reason: Annotated[Literal["life event", "correction", "import"] | None, means("why our record changed")] = None


class RelationshipLinked(Touchpoint):
    """The customer and another subject have to do with each other."""

    to: Annotated[Id, means("the other subject")]
    type: Annotated[Relationship, means("what the other is to this one")]
    role: Annotated[Label | None, means("the other's role, such as decides on purchases")] = None
    relation_level: Annotated[Count | None, means("how close we are to the other, in the company's own scale")] = None


class RelationshipEnded(Touchpoint):
    """The customer and another subject no longer have to do with each other."""

    to: Annotated[Id, means("the other subject")]
    type: Annotated[Relationship, means("what the other was to this one")]


class PreferenceStated(Touchpoint):
    """The customer told us how, how often and about what they want to hear from us."""

    channel: Annotated[Label | None, means("the channel they want")] = None
    topic: Annotated[Label | None, means("what they want to hear about")] = None
    frequency: Annotated[Label | None, means("how often at most")] = None
    language: Annotated[Label | None, means("in which language")] = None


class ConsentGranted(Touchpoint):
    """The customer allowed us to use their data for a purpose, or another basis for it arose."""

    purpose: Purpose
    channel: Channel | None = None
    basis: Annotated[
        Literal["consent", "contract", "legal obligation", "vital interests", "public task", "legitimate interests"],
        means("the legal basis"),
    ] = "consent"
    jurisdiction: Annotated[Label | None, means("the country whose law it was given under")] = None
    proof: Annotated[Label | None, means("where the proof is kept")] = None
    until: Annotated[Day | None, means("the last day it holds")] = None


class ConsentWithdrawn(Touchpoint):
    """The customer took a consent back."""

    purpose: Purpose
    channel: Channel | None = None


class ObjectionRaised(Touchpoint):
    """The customer objected to a use of their data that needs no consent."""

    purpose: Purpose
    reason: Reason | None = None


class ProcessingRestricted(Touchpoint):
    """The customer's data must lie still for now: kept, but not used."""

    why: Annotated[Label, means("the ground of the restriction")]


class ProcessingRestrictionLifted(Touchpoint):
    """The customer's data may be used again."""

    why: Annotated[Label, means("why the ground fell away")]


class SubjectRequestReceived(Touchpoint):
    """A person asked for their rights: to see, correct, take along or erase what we hold of them."""

    request: SubjectRequestId
    right: Annotated[
        Literal["access", "erasure", "rectification", "portability"], means("what they ask for", stored_as="kind")
    ]
    due: Annotated[Day | None, means("the day it must be answered by")] = None


class SubjectRequestAnswered(Touchpoint):
    """A person who had asked for their rights got an answer."""

    request: SubjectRequestId
    outcome: Annotated[Literal["granted", "partly granted", "refused"] | None, means("what the answer was")] = None


class LegalHoldPlaced(Touchpoint):
    """A court, an authority or a dispute demands that the customer's data be kept."""

    hold: LegalHoldId
    basis: Annotated[Label, means("the law, order or case it rests on")]


class LegalHoldLifted(Touchpoint):
    """The customer's data need no longer be kept for a court, an authority or a dispute."""

    hold: LegalHoldId


class DataExported(Touchpoint):
    """Data of the customer left the house."""

    recipient: Annotated[Id, means("who got it")]
    scope: Annotated[Label, means("what was handed out")]
    digest: Annotated[Digest | None, means("the SHA-256 of what was handed out, in hexadecimal")] = None


class PersonalDataErased(Touchpoint):
    """The customer was forgotten: what was personal can no longer be read."""

    scope: Annotated[Label, means("what was erased")]
    legal_basis: Annotated[Label | None, means("the law or request it rests on")] = None
    approver: Annotated[Person | None, means("who of us allowed it besides the one who did it, by id")] = None


class TaskAssigned(Touchpoint):
    """One of us was given something to do for the customer by a day."""

    task: TaskId
    concerns: Annotated[Label, means("what is to be done, or about what")]
    executor: Annotated[Person | None, means("who of us is to do it, by id")] = None
    start: Annotated[Day | None, means("the day to begin on")] = None
    due: Annotated[Day | None, means("the day to be done by")] = None


class TaskRescheduled(Touchpoint):
    """A task got another day to be done by."""

    task: TaskId
    due: Annotated[Day, means("the new day to be done by")]
    reason: Reason | None = None


class TaskClosed(Touchpoint):
    """A task came to its end, done or not."""

    task: TaskId
    outcome: Annotated[Literal["done", "cancelled", "failed"], means("how it ended")]
    result: Annotated[PersonalText | None, means("what came of it")] = None


class StageResponsibilityAssigned(Touchpoint):
    """It was settled who does a stage of a process, and who watches over it."""

    process: Annotated[Label, means("the process, such as sale")]
    stage: Annotated[Label, means("the stage of it")]
    controller: Annotated[Person | None, means("who watches over it, by id")] = None
    executor: Annotated[Person | None, means("who does it, by id")] = None


class TouchpointCorrected(Touchpoint):
    """What we had recorded was not what had happened: other fields, another time, or not at all.

    The replacement names only the fields that change; null takes a field away. A correction may itself be corrected.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"target": "a1", "replacement": {"total": "13.34 EUR"}, "reason": "a misread"}]}
    )

    target: Annotated[Id, means("the id of the touchpoint corrected")]
    target_source: Annotated[Id | None, means("its source, where it is not this one's")] = None
    replacement: Annotated[StoredFields | None, means("the fields as they should have been, of the same kind")] = None
    occurred: Annotated[Moment | None, means("when it really occurred")] = None
    retraction: Annotated[Flag, means("whether it did not happen at all")] = False
    reason: Reason
    approver: Annotated[Person | None, means("who of us allowed it, by id")] = None

    @model_validator(mode="after")
    def _one_remedy(self) -> Self:
        replaces = self.replacement is not None or self.occurred is not None
        if replaces == self.retraction:
            raise ValueError("must hold either a replacement or an occurred time, or be a retraction")
        return self
