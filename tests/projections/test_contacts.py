"""Contact history, in the customer's language."""

from domain.company import Company
from domain.touchpoint import KINDS
from projections.contacts import NO_CONTACT, Contacts
from tests.projections.report import Report
from tests.projections.story import corrected, happened, merged, order, parted, row, rows


def test_a_call_says_who_when_how_and_in_which_direction() -> None:
    call = happened(
        "2026-03-01T23:30:00+01:00",
        "ContactMade",
        mode="call",
        direction="inbound",
        touch_actor="eve",
        touch_campaign="spring",
    )
    contact = row(Contacts, call, zone="Asia/Tokyo")
    assert contact.occurred == "2026-03-01T23:30:00+01:00"
    assert contact.day == "2026-03-02", "the day is the company's, not the producer's"
    assert contact.at == 1_772_404_200_000_000
    assert (contact.phase, contact.kind, contact.channel) == ("presentation", "ContactMade", "call")
    assert (contact.actor, contact.campaign, contact.direction) == ("eve", "spring", "in")


def test_under_date_precision_the_stated_day_counts_in_every_zone() -> None:
    assert (
        row(Contacts, happened("2026-03-01", "ContactMade", mode="visit"), zone="America/New_York").day == "2026-03-01"
    )


def test_a_company_that_moves_to_another_zone_has_the_days_of_that_one() -> None:
    berlin, last_hour = Company(zone="Europe/Berlin"), 1_772_404_200_000_000
    assert berlin.day_at(last_hour) == "2026-03-01"
    assert berlin.model_copy(update={"zone": "Asia/Tokyo"}).day_at(last_hour) == "2026-03-02"
    assert berlin.changed({"zone": "Asia/Tokyo"}).day_at(last_hour) == "2026-03-02"


def test_the_channel_of_the_envelope_is_preferred_to_the_mode() -> None:
    assert row(Contacts, happened("2026-03-01", "ContactMade", mode="chat", touch_channel="app")).channel == "app"


def test_a_contact_names_what_it_concerns() -> None:
    entities = [
        contact.entity
        for contact in rows(
            Contacts,
            order("2026-03-01", "17", "9.90"),
            happened("2026-03-02", "TicketOpened", ticket="t9"),
            happened("2026-03-03", "ProductViewed", sku="mug"),
        )
    ]
    assert entities == ["order/17", "ticket/t9", None]


def test_direction_follows_from_the_kind_where_it_is_not_stated() -> None:
    contacts = rows(
        Contacts,
        happened("2026-03-01", "InquiryReceived", inquiry="1"),
        happened("2026-03-02", "MessageSent", message="1", purpose="thanks"),
        happened("2026-03-03", "SegmentAssigned", segment="A"),
    )
    assert {contact.kind: contact.direction for contact in contacts} == {
        "InquiryReceived": "in",
        "MessageSent": "out",
        "SegmentAssigned": None,
    }


def test_what_is_no_contact_is_a_kind_that_exists() -> None:
    assert set(KINDS) >= NO_CONTACT


def test_book_keeping_is_no_contact() -> None:
    elsewhere = happened(
        "2026-03-02", "FxRateSet", subject="company", **{"from": "USD", "to": "EUR"}, rate="0.9", day="2026-03-02"
    )
    assert rows(Contacts, elsewhere) == []


def test_a_corrected_contact_stands_as_corrected() -> None:
    call = happened("2026-03-05", "ContactMade", mode="call")
    fix = corrected(call, "2026-03-06", replacement={"mode": "video"}, occurred="2026-03-04T10:00:00+00:00")
    contact = row(Contacts, call, fix)
    assert (contact.touchpoint, contact.day, contact.channel) == (call.id, "2026-03-04", "video")


def test_a_retracted_contact_is_gone() -> None:
    call = happened("2026-03-05", "ContactMade", mode="call")
    assert rows(Contacts, call, corrected(call, "2026-03-06", retraction=True)) == []


def test_after_a_merge_the_survivor_shows_both_histories_and_after_its_revert_each_its_own() -> None:
    hers = happened("2026-03-01", "ContactMade", "anna", mode="call")
    other = happened("2026-03-02", "ContactMade", "a.smith", mode="email")
    merge = merged("2026-03-03", "anna", "a.smith")
    joined = rows(Contacts, hers, other, *merge)
    assert {(contact.subject, contact.stream) for contact in joined} == {("anna", "anna"), ("anna", "a.smith")}
    split = rows(Contacts, hers, other, *merge, *parted("2026-03-04", merge))
    assert {(contact.subject, contact.channel) for contact in split} == {("anna", "call"), ("a.smith", "email")}


def test_contacts_by_channel(report: Report) -> None:
    report.fill(
        "contacts",
        rows(
            Contacts,
            happened("2026-03-01", "ContactMade", "anna", mode="call", direction="inbound"),
            happened("2026-03-03", "ContactMade", "anna", mode="call", direction="inbound"),
            happened("2026-03-02", "ContactMade", "bert", mode="call", direction="inbound"),
            order("2026-03-04", "1", "5"),
        ),
    )
    (calls,) = report.ask("SELECT * FROM contacts_by_channel WHERE channel = 'call'")
    assert calls == {
        "kind": "ContactMade",
        "channel": "call",
        "direction": "in",
        "contacts": 3,
        "customers": 2,
        "first_day": "2026-03-01",
        "last_day": "2026-03-03",
    }
