"""What columns are called in other people's files: the one table by which `lifecircle map` guesses.

A phrase fits a column's name whole, or as a part of it; earlier phrases are preferred. The types and needs of fields
are not said here, for the kinds say them. English and German, as exports of shops, CRM systems and help desks have it.
"""

from typing import NamedTuple


class Words(NamedTuple):
    """How a kind is told from others, and where its time and its fields are found.

    signs: words in column names or the file's name that speak for the kind; time, fields: phrases for columns.
    """

    signs: tuple[str, ...]
    time: tuple[str, ...]
    fields: dict[str, tuple[str, ...]]


class Followup(NamedTuple):
    """A second touchpoint that a row of a kind may tell of.

    of: the row's kind; status: words of its status that say so, and `instead` that the first then did not happen; time:
    phrases for the column of its time, which says so by being filled where there are no status words.
    """

    kind: str
    of: str
    entity: str
    status: tuple[str, ...] = ()
    time: tuple[str, ...] = ()
    fields: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - never changed in place
    instead: bool = False


def _list(phrases: str) -> tuple[str, ...]:
    return tuple(phrases.split(", "))


SUBJECT = _list(
    "customer id, customer number, customer no, customer, client id, client number, client, "
    "account id, account number, account, user id, user, member id, member, buyer id, buyer, "
    "subscriber id, contact id, company id, organization id, organisation id, patient id, guest "
    "id, person id, lead id, kundennummer, kunden nummer, kunden id, kunde, debitor, debitorennummer, mitgliedsnummer, "
    "card id, visitor id"
)
"""Whom a row concerns, by an id."""

ADDRESSED = _list(
    "email, e mail, email address, mail, requester, requester email, phone, telephone, mobile, "
    "telefon, handy, customer email, contact, sender, from"
)
"""Whom a row concerns, by what only a keyed id may be made of."""

NAMED = _list(
    "customer name, client name, account name, company name, company, organization, name, full name, firma, "
    "kundenname, auftraggeber, empfaenger, zahler"
)
"""Whom a row concerns, by a name: the last resort."""

TIME = _list(
    "created at, created, occurred at, timestamp, date time, datetime, date, time, day, when, "
    "datum, zeitpunkt, erstellt am, angelegt am"
)
"""When it happened, where the kind has no better words for it."""

CURRENCY = _list("currency, currency code, waehrung, devise")
STATUS = _list("status, state, payment status, financial status, order status, stage, deal stage, zustand")

FIRST_NAME = _list("first name, given name, vorname")
LAST_NAME = _list("last name, family name, surname, nachname")
"""The two parts of a person's name."""

_ORDER = _list(
    "order id, order number, order no, order, purchase id, bestellnummer, bestell nummer, auftragsnummer, "
    "auftrags nummer, bestellung, auftrag, belegnummer"
)
_INVOICE = _list("invoice id, invoice number, invoice no, invoice, rechnungsnummer, rechnung nummer, rechnungs nummer")
_TICKET = _list(
    "ticket id, ticket number, ticket no, ticket, case id, case number, issue id, issue key, request id, vorgangsnummer"
)
_DEAL = _list("opportunity id, deal id, opportunity, deal, record id, verkaufschance")
_AMOUNT = _list("amount, total, gross, gross amount, value, sum, betrag, bruttobetrag, brutto, summe")
_PRODUCT = _list("product, product name, item, service, produkt, artikel")
_OWNER = _list("owner, deal owner, sales rep, salesperson, assigned to, agent, verkaeufer, bearbeiter")
_REASON = _list("reason, failure reason, failure message, lost reason, closed lost reason, grund")
_LINES = {
    "lines[].sku": _list(
        "lineitem sku, sku, product id, product code, stock code, item id, article number, "
        "artikelnummer, artikel nummer, variant sku, isbn, product name, product, item name, item, produktname, "
        "produkt, artikelname, artikel, bezeichnung"
    ),
    "lines[].quantity": _list("lineitem quantity, quantity, qty, units, pieces, menge, anzahl, stueck"),
    "lines[].unit_price": _list(
        "lineitem price, unit price, item price, price, price each, einzelpreis, preis, stueckpreis"
    ),
    "lines[].net": _list("line total, line net, item total, extended price, net, positionssumme, netto"),
    "lines[].category": _list("category, product category, department, kategorie, warengruppe"),
    "lines[].configuration": _list("variant, lineitem name, options, size, colour, color"),
    "lines[].discount": _list("line discount, lineitem discount, item discount"),
}

KIND_WORDS: dict[str, Words] = {
    "OrderPlaced": Words(
        _list(
            "order, orders, basket, purchase, purchases, sale, sales, lineitem, sku, shipping, checkout, "
            "transaction, bestellung, bestellungen, bestelldatum, bestellwert, auftrag, auftraege, auftragsdatum, "
            "auftragsnummer, umsatz, umsaetze, verkauf, verkaeufe, versand, artikel, produkt, menge, einzelpreis, qty"
        ),
        _list(
            "order date, ordered at, order placed at, purchase date, purchased at, order purchase "
            "timestamp, created at, bestelldatum, bestellt am, auftragsdatum, belegdatum, kaufdatum, transaction date, "
            "invoice date, sale date"
        ),
        {
            "order": (*_ORDER, *_list("transaction id, receipt number, basket id, invoice no, invoice, name, id")),
            "total": _list(
                "order total, total, grand total, total price, gesamtbetrag, gesamtsumme, bestellwert, auftragswert, "
                "bruttobetrag, endbetrag, gesamtpreis, gesamt, amount, order value, total amount, revenue, sales, "
                "betrag, summe, umsatz"
            ),
            "shipping": _list(
                "shipping, shipping cost, shipping total, freight, freight value, delivery fee, versandkosten, versand"
            ),
            "tax": _list("taxes, tax, vat, tax amount, tax total, mwst, ust, umsatzsteuer, steuer"),
            "payment_method": _list("payment method, payment type, paid by, zahlungsart, zahlungsmethode"),
            "coupon": _list("coupon, coupon code, discount code, voucher, gutschein, promo code"),
            **_LINES,
        },
    ),
    "PaymentReceived": Words(
        _list("payment, payments, charge, charges, payout, paid, card, zahlung, zahlungen, zahlungseingang, fee"),
        _list(
            "paid at, payment date, paid on, received at, created, captured at, value date, booking date, "
            "zahlungsdatum, zahlungseingang, buchungstag, valuta"
        ),
        {
            "payment": _list(
                "payment id, charge id, transaction id, payment number, payment, charge, zahlungsnummer, reference, id"
            ),
            "amount": (*_list("amount paid, amount received, paid amount"), *_AMOUNT),
            "invoice": _INVOICE,
            "order": _ORDER,
            "method": _list("payment method, payment method type, payment type, method, card brand, zahlungsart"),
        },
    ),
    "InvoiceIssued": Words(
        _list("invoice, invoices, billing, due, vat, rechnung, rechnungen, faellig"),
        _list("invoice date, issued at, issued on, issue date, billed at, rechnungsdatum"),
        {
            "invoice": (*_INVOICE, *_list("bill number, id")),
            "amount": (*_list("amount due, invoice total, gross, gross amount, total, rechnungsbetrag"), *_AMOUNT),
            "tax": _list("tax, vat, tax amount, mwst, ust, umsatzsteuer, steuer"),
            "due": _list("due date, due on, due, payable until, faellig am, faelligkeit, zahlungsziel"),
            "order": _ORDER,
            "contract": _list("contract, contract id, vertragsnummer"),
            "subscription": _list("subscription, subscription id"),
        },
    ),
    "RefundIssued": Words(
        _list("refund, refunds, refunded, erstattung, erstattungen"),
        _list("refunded at, refund date, erstattet am"),
        {
            "order": _ORDER,
            "amount": (*_list("refund amount, amount refunded, erstattungsbetrag"), *_AMOUNT),
            "reason": (*_list("refund reason"), *_REASON),
        },
    ),
    "TicketOpened": Words(
        _list(
            "ticket, tickets, support, helpdesk, case, priority, severity, requester, assignee, issue, "
            "incident, sla, stoerung, prioritaet, anfrage"
        ),
        _list("created at, opened at, open date, reported at, submitted at, eroeffnet am, gemeldet am"),
        {
            "ticket": (*_TICKET, *_list("key, id")),
            "subject_line": _list("subject, summary, title, betreff, short description"),
            "product": _PRODUCT,
            "severity": _list("severity, priority, urgency, prioritaet"),
            "sla": _list("sla, service level, sla policy"),
        },
    ),
    "ContactMade": Words(
        _list(
            "call, calls, meeting, meetings, visit, visits, conversation, conversations, interaction, "
            "interactions, contacts, duration, direction, activity, anruf, anrufe, gespraech, besuch, "
            "notes"
        ),
        _list("call date, called at, call time, meeting date, contacted at, activity date, started at, start time"),
        {
            "mode": _list(
                "contact type, mode, channel, activity type, interaction type, type, medium, kontaktart, kanal, art"
            ),
            "direction": _list("direction, inbound outbound, richtung"),
            "content": _list("notes, note, comments, content, description, body, transcript, notiz, bemerkung"),
            "result": _list("result, outcome, disposition, ergebnis"),
            "duration": _list("duration seconds, duration s, duration sec, duration, call duration, talk time, dauer"),
        },
    ),
    "OpportunityOpened": Words(
        _list(
            "opportunity, opportunities, deal, deals, pipeline, stage, forecast, probability, verkaufschance, abschluss"
        ),
        _list("create date, created date, created at, opened at, open date, date created, eroeffnet am"),
        {
            "opportunity": (*_DEAL, *_list("id")),
            "amount": _list(
                "amount, deal value, deal amount, value, expected revenue, opportunity amount, volumen, betrag"
            ),
            "expected_close": _list("expected close date, expected close, close date, closing date, abschlussdatum"),
            "lead_source": _list("lead source, source, original source, original traffic source, origin, quelle"),
            "stage": _list("stage, deal stage, sales stage, pipeline stage, phase"),
            "product": _PRODUCT,
            "owner": _OWNER,
            "urgency": _list("urgency, priority"),
        },
    ),
    "InquiryReceived": Words(
        _list("lead, leads, inquiry, enquiry, inquiries, prospect, landing, interessent"),
        _list("first contact date, inquiry date, received at, created at, submitted at, eingegangen am"),
        {
            "inquiry": _list("inquiry id, enquiry id, lead id, mql id, inquiry, id"),
            "source": _list("lead source, origin, source, utm source, quelle, channel"),
            "need": _list("message, need, comments, request, nachricht, anliegen"),
            "product": _PRODUCT,
        },
    ),
    "CustomerRegistered": Words(
        _list(
            "customers, signup, sign, registered, registration, members, users, newsletter, birthday, "
            "city, zip, country, first, last, phone, lifecycle, marketing, contacts, kunden, registrierung, anrede, "
            "vorname, nachname, kontakte"
        ),
        _list(
            "signup date, sign up date, signed up at, registered at, registration date, joined at, member "
            "since, customer since, created at, create date, created date, date created, kunde seit, registriert am"
        ),
        {
            "name": _list("full name, customer name, display name, company name, name, kundenname"),
            "language": _list("language, locale, preferred language, sprache"),
            "contact_points[].value": _list("email, e mail, email address, mail"),
        },
    ),
    "SubscriptionStarted": Words(
        _list("subscription, subscriptions, plan, mrr, trial, recurring, abo, abonnement"),
        _list("subscription start, start date, started at, subscribed at, activated at, beginn"),
        {
            "subscription": _list("subscription id, subscription, abo nummer, id"),
            "plan": _list("plan, plan name, product, tarif, price id"),
            "recurring_amount": _list("mrr, recurring amount, plan amount, price, amount, monatspreis"),
            "interval": _list("interval, billing interval, billing period, billing cycle, intervall"),
            "trial_until": _list("trial end, trial until, trial ends at"),
        },
    ),
    "SurveyAnswered": Words(
        _list("survey, surveys, nps, csat, ces, rating, score, response, feedback, umfrage, bewertung, zufriedenheit"),
        _list("answered at, responded at, response date, submitted at, survey date, beantwortet am"),
        {
            "survey": _list("survey id, survey, umfrage"),
            "question": _list("question, frage"),
            "score": _list("nps score, csat score, score, rating, nps, csat, stars, bewertung, punkte, note"),
            "text": _list("comment, comments, feedback, text, answer, review, kommentar"),
            "product": _PRODUCT,
        },
    ),
    "ReturnReceived": Words(
        _list("return, returns, returned, rma, retoure, retouren"),
        _list("returned at, return date, rueckgabedatum"),
        {
            "order": _ORDER,
            "reason": (*_list("return reason"), *_REASON),
            "lines[].sku": _LINES["lines[].sku"],
            "lines[].quantity": (*_list("quantity returned"), *_LINES["lines[].quantity"]),
        },
    ),
    "ShipmentDispatched": Words(
        _list("shipment, shipments, tracking, carrier, shipped, dispatch, sendung, sendungen, paket"),
        _list("shipped at, ship date, shipping date, dispatched at, versendet am, versanddatum"),
        {
            "shipment": _list("shipment id, shipment, parcel id, sendungsnummer, tracking number"),
            "order": _ORDER,
            "carrier": _list("carrier, courier, shipping company, versanddienst"),
            "tracking": _list("tracking number, tracking, tracking code, sendungsnummer"),
        },
    ),
}
"""The kinds that rows of a file may be."""

FOLLOWUPS = (
    Followup(
        "PaymentFailed",
        "PaymentReceived",
        "payment",
        instead=True,
        status=_list("failed, declined, rejected, error, fehlgeschlagen, abgelehnt"),
        fields={"reason": _REASON, "amount": _AMOUNT},
    ),
    Followup(
        "OpportunityWon",
        "OpportunityOpened",
        "opportunity",
        status=_list("won, gewonnen"),
        time=_list("closed at, closed date, close date, won at, abschlussdatum"),
    ),
    Followup(
        "OpportunityLost",
        "OpportunityOpened",
        "opportunity",
        status=_list("lost, verloren"),
        time=_list("closed at, closed date, close date, lost at, abschlussdatum"),
        fields={"reason": _REASON},
    ),
    Followup(
        "TicketResolved",
        "TicketOpened",
        "ticket",
        time=_list("resolved at, solved at, resolution date, closed at, solved, resolved, geloest am"),
    ),
    Followup(
        "OrderCancelled",
        "OrderPlaced",
        "order",
        time=_list("cancelled at, canceled at, storniert am"),
        fields={"reason": _list("cancel reason, cancellation reason")},
    ),
    Followup(
        "OrderCancelled",
        "OrderPlaced",
        "order",
        status=_list("cancelled, canceled, voided, storniert, annulliert"),
        fields={"reason": _list("cancel reason, cancellation reason")},
    ),
    Followup(
        "PaymentReceived",
        "InvoiceIssued",
        "payment",
        time=_list("paid at, paid on, paid date, payment date, date paid, bezahlt am, gezahlt am, zahlungseingang"),
        fields={"invoice": _INVOICE, "amount": _AMOUNT},
    ),
)

NOT_YET: dict[str, tuple[str, ...]] = {
    "PaymentReceived": _list(
        "pending, open, processing, canceled, cancelled, requires payment method, incomplete, "
        "requires action, draft, expired, unpaid, offen, ausstehend, storniert"
    ),
}
"""Words of a status that say that a row's touchpoint did not happen, or not yet: such rows are left out."""

CONSTANTS: dict[str, dict[str, str]] = {"CustomerRegistered": {"party": "person", "contact_points[].type": "email"}}
"""What a kind needs and rows seldom say."""

CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "mode": {
        "call": _list("call, phone, telephone, phone call, anruf, telefon, telefonat, voice"),
        "visit": _list("visit, meeting, on site, in person, besuch, termin, treffen, walk in"),
        "video": _list("video, video call, zoom, teams, webinar, videoanruf"),
        "chat": _list("chat, live chat, web chat"),
        "email": _list("email, e mail, mail"),
        "letter": _list("letter, post, brief, postal"),
        "sms": _list("sms, text, text message"),
        "messenger": _list("messenger, whatsapp, telegram, signal"),
        "social": _list("social, facebook, instagram, twitter, linkedin"),
        "event": _list("event, trade fair, exhibition, messe, fair"),
    },
    "direction": {
        "inbound": _list("inbound, in, incoming, received, eingehend"),
        "outbound": _list("outbound, out, outgoing, sent, ausgehend"),
    },
    "interval": {
        "month": _list("month, monthly, monat, monatlich"),
        "year": _list("year, yearly, annual, annually, jahr"),
        "week": _list("week, weekly"),
        "day": _list("day, daily"),
        "quarter": _list("quarter, quarterly"),
    },
}
"""What the words of a kind's choices are called elsewhere."""
