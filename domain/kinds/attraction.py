"""Phase 2, attraction: being noticed, and noticing interest. These names are the storage format."""

from typing import Annotated, Literal

from domain.fields import Count, Day, Personal, PersonalText, Product, Sku, Url, Values, means
from domain.identifiers import Id, InquiryId
from domain.money import Amount
from domain.touchpoint import Label, Phase, Touchpoint

Campaign = Annotated[Id, means("the campaign, by subject id")]
Message = Annotated[Id, means("the message; one message may go to many")]


class CampaignLaunched(Touchpoint, phase=Phase.ATTRACTION):
    """We began to woo an audience."""

    campaign: Campaign
    name: Annotated[Label | None, means("what people call it")] = None
    channel: Annotated[Label | None, means("the channel it runs on")] = None
    audience: Annotated[Label | None, means("whom it is meant for")] = None
    planned_cost: Annotated[Amount | None, means("what it is to cost")] = None
    until: Annotated[Day | None, means("the last day it is to run")] = None


class CampaignCostBooked(Touchpoint, phase=Phase.ATTRACTION):
    """A campaign cost us money."""

    campaign: Campaign
    amount: Annotated[Amount, means("what it cost")]
    period: Annotated[Label | None, means("what time it is for: a year, month or day, such as 2026-03")] = None


class MessageSent(Touchpoint, phase=Phase.ATTRACTION):
    """We wrote to the customer of our own accord."""

    message: Message
    purpose: Annotated[
        Literal["promotion", "newsletter", "invitation", "gift", "thanks", "survey", "reminder", "proactive support"],
        means("what it was written for"),
    ]
    template: Annotated[Label | None, means("the template it was made from, with its version")] = None
    jurisdiction: Annotated[Label | None, means("the country whose law it was sent under")] = None


class MessageEngaged(Touchpoint, phase=Phase.ATTRACTION):
    """A message of ours reached the customer, or came back, and this is what they did with it."""

    message: Message
    how: Annotated[
        Literal["delivered", "opened", "clicked", "answered", "bounced", "unsubscribed", "complained"],
        means("what became of it"),
    ]
    link: Annotated[Url | None, means("the link that was clicked")] = None


class AdClicked(Touchpoint, phase=Phase.ATTRACTION):
    """Someone saw an advertisement of ours and wanted to know more."""

    ad: Annotated[Id, means("the advertisement")]
    network: Annotated[Label | None, means("where it was shown")] = None
    keyword: Annotated[Label | None, means("the search word it answered")] = None


class PageViewed(Touchpoint, phase=Phase.ATTRACTION):
    """Someone looked at a page of ours."""

    url: Annotated[Url, means("the page's address")]
    title: Annotated[Label | None, means("the page's title")] = None
    referrer: Annotated[Url | None, means("the page they came from")] = None
    utm: Annotated[
        Values | None, means("the campaign tags of the address: source, medium, campaign, term, content")
    ] = None


class ProductViewed(Touchpoint, phase=Phase.ATTRACTION):
    """Someone looked at a product more closely."""

    sku: Sku
    category: Annotated[Label | None, means("the product's category")] = None
    price: Annotated[Amount | None, means("the price shown")] = None


class FormSubmitted(Touchpoint, phase=Phase.ATTRACTION):
    """Someone filled in a form and sent it to us."""

    form: Annotated[Id, means("the form")]
    fields: Annotated[Values | None, Personal(), means("what they filled in")] = None


class EventAttended(Touchpoint, phase=Phase.ATTRACTION):
    """The customer came to an exhibition, a talk or a party where we were."""

    event: Annotated[Id, means("the event")]
    role: Annotated[Label | None, means("what they came as, such as visitor, invited guest or speaker")] = None
    minutes: Annotated[Count | None, means("how long they stayed, in minutes")] = None


class InquiryReceived(Touchpoint, phase=Phase.ATTRACTION):
    """Someone asked us about something they might want."""

    inquiry: InquiryId
    source: Annotated[Label | None, means("how they found us, such as organic_search or fair")] = None
    need: Annotated[PersonalText | None, means("what they are after, in their words")] = None
    product: Product | None = None
