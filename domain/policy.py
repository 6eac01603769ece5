"""What a company leaves to decisions: from when on they act, how often, and who gets what they give to do."""

from pydantic import BaseModel, ConfigDict, Field

from domain.identifiers import Id
from domain.touchpoint import Label

DAYS_MAX = 3_650
"""How far decisions look back or ahead at most, in days."""


class Policy(BaseModel):
    """Settings that decisions read; no rule and no view depends on them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dunning_levels_max: int = Field(
        default=3, ge=0, description="the highest level of dunning notice that a decision sends"
    )
    transit_days: int = Field(
        default=2, ge=1, le=DAYS_MAX, description="how many calendar days a delivery takes once it is dispatched"
    )
    first_response_hours: int = Field(
        default=24,
        ge=1,
        le=24 * DAYS_MAX,
        description="after how many hours without an answer somebody gets the task to answer",
    )
    request_warning_days: int = Field(
        default=7,
        ge=0,
        le=DAYS_MAX,
        description="how many days before a subject's request must be answered the task is given",
    )
    escalate_to: Id | None = Field(
        default=None, description="who gets tasks that nobody else is in charge of, and those that are overdue"
    )
    privacy_officer: Id | None = Field(
        default=None, description="who answers subjects' requests; where unset, who tasks are escalated to"
    )
    thanks_after_days: int = Field(
        default=1, ge=0, le=DAYS_MAX, description="how many days after a purchase its thank-you is sent"
    )
    survey_after_days: int = Field(
        default=7,
        ge=0,
        le=DAYS_MAX,
        description="how many days after a delivery, or after a ticket was resolved, its survey is sent",
    )
    late_message_days: int = Field(
        default=14, ge=0, le=DAYS_MAX, description="how many days late a thank-you or a survey may still be sent"
    )
    regular_purchase_days: int = Field(
        default=5, ge=2, description="after every how many days with a purchase a regular customer's discount is due"
    )
    offer_lift_min: float = Field(
        default=1.5, ge=0, description="how much likelier than others its buyers must buy a product that is offered"
    )
    offer_customers_min: int = Field(
        default=10, ge=1, description="how many customers must have bought both, for the one to be offered to the other"
    )
    alive_chance_min: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="a customer may be lost whose chance to be still one, P(alive) by a fitted model, is below this",
    )
    silence_ratio: float = Field(
        default=3.0,
        gt=1,
        description="where no model can be fitted, a customer may be lost who is silent for so many times their own "
        "mean interval",
    )
    message_channel: Label = Field(default="email", description="the channel that messages of decisions go by")
