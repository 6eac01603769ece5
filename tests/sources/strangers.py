"""Files as strangers export them, none of them made by our own programs: what a mapping must be guessed for."""

GERMAN_SHOP = """\
Bestellnummer;Bestelldatum;Kundennummer;E-Mail;Zahlungsart;Versandkosten;Gesamtbetrag;Währung
100234;13.01.2026 09:12;K-2001;anna.muster@example.de;PayPal;4,90;1.254,80;EUR
100235;13.01.2026 11:45;K-2002;b.beispiel@example.de;Rechnung;0,00;89,95;EUR
100236;02.02.2026 18:03;K-2001;anna.muster@example.de;Kreditkarte;4,90;17,40;EUR
100237;05.02.2026 07:59;K-2003;c.test@example.de;PayPal;4,90;kostenlos;EUR
100238;28.02.2026 23:30;K-2004;d.probe@example.de;Vorkasse;0,00;2.001,00;EUR
"""

STRIPE_LIKE = """\
id,Created (UTC),Amount,Currency,Status,Customer ID,Payment Method Type,Invoice ID,Description
ch_3Nabc01,2026-01-03T14:22:10Z,129900,eur,succeeded,cus_P1a2b3,card,in_1001,Annual plan
ch_3Nabc02,2026-01-03T15:02:44Z,4500,eur,succeeded,cus_P1a2b4,sepa_debit,,Add-on
ch_3Nabc03,2026-01-04T08:10:00Z,129900,eur,failed,cus_P1a2b5,card,in_1002,Annual plan
ch_3Nabc04,2026-01-05T09:30:12Z,995,usd,succeeded,cus_P1a2b3,card,in_1003,Credits
"""

CRM_DEALS = """\
Deal ID,Deal Name,Account ID,Deal Owner,Stage,Amount (USD),Create Date,Close Date,Lead Source
D-881,Website relaunch,ACC-17,maria,Closed Won,"$12,500.00",01/14/2026,02/20/2026,Referral
D-882,Support contract,ACC-18,tom,Proposal,"$3,200.50",01/15/2026,03/31/2026,Web
D-883,Training,ACC-17,maria,Closed Lost,$900.00,01/30/2026,02/11/2026,Cold Call
D-884,Migration,ACC-21,ines,Negotiation,"$48,000.00",02/02/2026,04/15/2026,Web
"""

HELPDESK = """\
Ticket #\tRequester Email\tSubject\tPriority\tCreated At\tSolved At\tProduct\tAgent
55001\tfrida@example.org\tCannot log in\thigh\t2026-03-02 08:15:00 +0100\t2026-03-02 09:40:00 +0100\tPortal\tkim
55002\tgeorg@example.org\tInvoice wrong\tnormal\t2026-03-02 10:01:30 +0100\t\tBilling\tlee
55003\tfrida@example.org\tSlow pages\tlow\t2026-03-04 16:45:12 +0100\t2026-03-06 11:00:00 +0100\tPortal\tkim
"""

SHOPIFY_LIKE = (
    "Name,Email,Financial Status,Paid at,Currency,Subtotal,Shipping,Taxes,Total,Created at,"
    "Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Payment Method\n"
    "#1001,hanna@example.com,paid,2026-02-01 10:00:05 +0000,GBP,45.00,5.00,9.00,59.00,2026-02-01 10:00:00 +0000,"
    "2,Mug,10.00,MUG-1,card\n"
    "#1001,hanna@example.com,,,,,,,,2026-02-01 10:00:00 +0000,1,Teapot,25.00,POT-1,\n"
    "#1002,ivan@example.com,paid,2026-02-01 12:30:00 +0000,GBP,10.00,5.00,3.00,18.00,2026-02-01 12:29:51 +0000,"
    "1,Mug,10.00,MUG-1,card\n"
    "#1003,jane@example.com,paid,2026-02-03 08:00:00 +0000,GBP,75.00,0.00,15.00,90.00,2026-02-03 07:59:00 +0000,"
    "3,Teapot,25.00,POT-1,paypal\n"
)

CALL_NOTES = (
    "\ufeffContact Type,Customer No,Date,Time,Direction,Duration (s),Notes\r\n"
    'Phone,7001,25.03.2026,14:05,inbound,180,"Asked about prices,\r\nwants a call back"\r\n'
    "E-Mail,7002,26.03.2026,09:00,outbound,,Sent the brochure\r\n"
    'Meeting,7001,31.03.2026,10:30,outbound,3600,"Démonstration ""Café"""\r\n'
)
"""Written with a byte-order mark, and with quoted line breaks."""

LATIN_1_SURVEY = """\
Fecha;Cliente;Puntuación;Comentario;Producto
03/04/2026;C-11;9;"Muy bien;
rápido y fácil";Cafetera
17/04/2026;C-12;3;No funcionó;Molinillo
05/05/2026;C-13;10;¡Perfecto!;Cafetera
"""
"""Stored in Latin-1, with a quoted line break; its words are neither English nor German."""

INVOICES = """\
invoice_no|client_id|issued_on|due_date|net|vat|gross|currency
R-2026-001|C9|03/01/2026|17/01/2026|100.00|19.00|119.00|EUR
R-2026-002|C8|04/01/2026|18/01/2026|1000.00|190.00|1190.00|EUR
R-2026-003|C9|11/01/2026|25/01/2026|50.00|9.50|59.50|EUR
"""

SIGN_UPS = """\
user_id,full_name,email_address,signup_date,country,newsletter_opt_in
u-1,Karl König,karl@example.net,2026-01-02,DE,true
u-2,Lena Lang,lena@example.net,2026-01-02,AT,false
u-3,Mona Maier,mona@example.net,2026-01-09,DE,true
"""

LATIN_1_ORDERS = """\
Auftragsnr.;Kundennr.;Kundenname;Auftragsdatum;Nettobetrag;MwSt.;Bruttobetrag;Währung;Status
A-1;10023;Müller GmbH;02.01.2026;1.250,00;237,50;1.487,50;EUR;abgeschlossen
A-2;10047;Schröder & Söhne;05.01.2026;89,90;17,08;106,98;EUR;offen
A-3;10099;Café Größe;23.02.2026;33,50;6,37;39,87;EUR;storniert
"""
"""Stored in Latin-1, as spreadsheets in German do; one order was cancelled, and nothing says when."""

GERMAN_INVOICES = """\
Rechnungsnummer;Kundennummer;Rechnungsdatum;Fällig am;Netto;MwSt;Brutto (EUR);Bezahlt am
RE-1;10023;05.01.2026;19.01.2026;1250,00;237,50;1487,50;15.01.2026
RE-2;10047;08.01.2026;22.01.2026;89,90;17,08;106,98;
"""

GOODS_SOLD = """\
Datum;E-Mail;Produkt;Menge;Einzelpreis;Gesamtpreis
03.01.2026;anna@example.de;Teekanne;1;24,90 €;24,90 €
14.02.2026;bert@example.de;Tasse;4;9,50 €;38,00 €
"""

LINES_WITHOUT_A_PRICE = """\
Order ID,Order Date,Customer ID,Product ID,Category,Sales (USD),Quantity
CA-1,11/18/2025,CG-1,BO-1,Furniture,261.96,2
CA-1,11/18/2025,CG-1,CH-4,Furniture,731.94,3
CA-2,6/12/2025,DV-1,LA-9,Office,14.62,2
"""

HUBSPOT_DEALS = """\
Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount (EUR),Create Date,Contact ID
9876543210,Acme - New Deal,Closed won,2026-02-20 09:00,Maria,12500,2026-01-14 11:30,c-1
9876543211,Initech rollout,Contract sent,2026-03-31 17:00,Tom,3200.5,2026-01-15 09:05,c-2
"""

HUBSPOT_CONTACTS = """\
Record ID,First Name,Last Name,Email,Phone Number,Last Activity Date,Lead Status,Create Date
151,Anna,Ahrens,anna@example.com,+49 30 123456,2026-03-01 10:00,OPEN,2026-01-02 08:00
152,Bert,Braun,bert@example.com,,2026-03-02 10:00,CONNECTED,2026-01-03 08:00
"""
