"""A mapping is guessed for files of strangers; it says what it assumed, and an import by it does what was shown."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from adapters.engine import Engine
from tests.cli.program import Done, Shell
from tests.sources import strangers
from tests.sources.shop import stored

NOWHERE = Shell("")


def mapped(folder: Path, text: str | bytes, name: str, *more: str, shell: Shell = NOWHERE) -> Done:
    """Guess a mapping for a file."""
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return shell("map", str(file), "-o", str(folder / "map.toml"), "--format", "json", *more)


def imported(folder: Path, url: str, name: str) -> tuple[int, list[dict[str, Any]]]:
    """Import the file by the mapping that was written; the exit code and the envelopes in their order."""
    done = Shell(url)("import", str(folder / name), "--map", str(folder / "map.toml"))
    with Engine.open(url) as engine:
        told = (engine.log.find(fact.stream, fact.source, fact.id) for fact in stored(engine))
        return done.code, [json.loads(engine.sealing.opened(each.state) or b"") for each in told if each]


@pytest.fixture
def shop(sqlite_url: str) -> Shell:
    shell = Shell(sqlite_url)
    assert shell("init", "--zone", "Europe/Berlin").code == 0
    return shell


def same(shown: list[dict[str, Any]], kept: list[dict[str, Any]]) -> bool:
    """Whether what was shown is what an import recorded; other JSON of the same."""
    plain = [(each["type"], each["id"], each["subject"], each["data"]) for each in kept]
    return [(each["type"], each["id"], each["subject"], each["data"]) for each in shown] == plain


def test_a_german_shop_with_decimal_commas(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.GERMAN_SHOP, "bestellungen.csv", shell=Shell(shop.url))
    assert (done.code, done.json["kind"], len(done.json["touchpoints"])) == (0, "OrderPlaced", 4)
    first = done.json["touchpoints"][0]
    assert (first["subject"], first["id"]) == ("K-2001", "100234")
    assert first["data"]["total"] == {"micros": 1_254_800_000, "currency": "EUR"}
    assert first["data"]["shipping"] == {"micros": 4_900_000, "currency": "EUR"}
    (bad,) = done.json["quarantined"]
    assert (bad["lines"], bad["in_sample"], bad["in_file"]) == ([5], 1, 1)
    assert "kostenlos" not in done.out + done.err
    assert "c.test@example.de" not in done.out + done.err
    code, kept = imported(tmp_path, shop.url, "bestellungen.csv")
    assert code == 10
    assert same(done.json["touchpoints"], kept)


def test_payments_in_hundredths_with_one_that_failed(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.STRIPE_LIKE, "payments_export.csv")
    made = [(each["type"], each["subject"], each["data"]["amount"]) for each in done.json["touchpoints"]]
    assert made == [
        ("PaymentReceived", "cus_P1a2b3", {"micros": 1_299_000_000, "currency": "EUR"}),
        ("PaymentReceived", "cus_P1a2b4", {"micros": 45_000_000, "currency": "EUR"}),
        ("PaymentFailed", "cus_P1a2b5", {"micros": 1_299_000_000, "currency": "EUR"}),
        ("PaymentReceived", "cus_P1a2b3", {"micros": 9_950_000, "currency": "USD"}),
    ]
    assert any("hundredths" in doubt for doubt in done.json["unsure"])
    code, kept = imported(tmp_path, shop.url, "payments_export.csv")
    assert code == 0
    assert same(done.json["touchpoints"], kept)


def test_deals_with_american_dates_that_were_won_and_lost(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.CRM_DEALS, "deals.csv")
    made = [(each["type"], each["subject"], each["time"][:10]) for each in done.json["touchpoints"]]
    assert made == [
        ("OpportunityOpened", "ACC-17", "2026-01-14"),
        ("OpportunityWon", "ACC-17", "2026-02-20"),
        ("OpportunityOpened", "ACC-18", "2026-01-15"),
        ("OpportunityOpened", "ACC-17", "2026-01-30"),
        ("OpportunityLost", "ACC-17", "2026-02-11"),
        ("OpportunityOpened", "ACC-21", "2026-02-02"),
    ]
    assert done.json["touchpoints"][2]["data"]["amount"] == {"micros": 3_200_500_000, "currency": "USD"}
    code, kept = imported(tmp_path, shop.url, "deals.csv")
    assert (code, same(done.json["touchpoints"], kept)) == (0, True)


def test_tickets_of_people_who_are_known_by_their_address(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.HELPDESK, "tickets.tsv", "--log", shop.url)
    made = [(each["type"], each["data"]["ticket"]) for each in done.json["touchpoints"]]
    assert made == [
        ("TicketOpened", "55001"),
        ("TicketResolved", "55001"),
        ("TicketOpened", "55002"),
        ("TicketOpened", "55003"),
        ("TicketResolved", "55003"),
    ]
    assert len({each["subject"] for each in done.json["touchpoints"]}) == 2
    assert "example.org" not in done.out + (tmp_path / "map.toml").read_text()
    code, kept = imported(tmp_path, shop.url, "tickets.tsv")
    assert (code, same(done.json["touchpoints"], kept)) == (0, True)


def test_order_lines_of_which_only_the_first_says_the_total(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.SHOPIFY_LIKE, "orders_export.csv", "--log", shop.url)
    made = [(each["data"]["order"], each["data"]["total"]["micros"]) for each in done.json["touchpoints"]]
    assert made == [("#1001", 59_000_000), ("#1002", 18_000_000), ("#1003", 90_000_000)]
    lines = done.json["touchpoints"][0]["data"]["lines"]
    assert [(line["sku"], line["quantity"], line["net"]["micros"]) for line in lines] == [
        ("MUG-1", 2, 20_000_000),
        ("POT-1", 1, 25_000_000),
    ]
    code, kept = imported(tmp_path, shop.url, "orders_export.csv")
    assert (code, same(done.json["touchpoints"], kept)) == (0, True)


def test_call_notes_with_a_byte_order_mark_and_quoted_line_breaks(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.CALL_NOTES, "calls.csv", "--log", shop.url)
    made = [(each["subject"], each["data"]["mode"], each["time"]) for each in done.json["touchpoints"]]
    assert made == [
        ("7001", "call", "2026-03-25T14:05:00+01:00"),
        ("7002", "email", "2026-03-26T09:00:00+01:00"),
        ("7001", "visit", "2026-03-31T10:30:00+02:00"),
    ]
    assert done.json["touchpoints"][0]["data"]["content"] == "Asked about prices,\r\nwants a call back"
    code, kept = imported(tmp_path, shop.url, "calls.csv")
    assert (code, same(done.json["touchpoints"], kept)) == (0, True)


def test_latin_1_with_quoted_line_breaks(tmp_path: Path, shop: Shell) -> None:
    text = "Date;Customer;Score;Comment;Product" + strangers.LATIN_1_SURVEY.partition("Producto")[2]
    done = mapped(tmp_path, text.encode("latin-1"), "survey.csv", "--log", shop.url)
    made = [(each["type"], each["time"][:10], each["data"]["score"]) for each in done.json["touchpoints"]]
    assert made == [
        ("SurveyAnswered", f"2026-{day}", score) for day, score in [("04-03", 9), ("04-17", 3), ("05-05", 10)]
    ]
    assert done.json["touchpoints"][0]["data"]["text"] == "Muy bien;\nrápido y fácil"
    assert any("encoding" in doubt for doubt in done.json["unsure"])
    code, kept = imported(tmp_path, shop.url, "survey.csv")
    assert (code, same(done.json["touchpoints"], kept)) == (0, True)


def test_a_language_that_the_vocabulary_has_not_is_a_clear_error(tmp_path: Path) -> None:
    done = mapped(tmp_path, strangers.LATIN_1_SURVEY.encode("latin-1"), "encuesta.csv")
    assert (done.code, done.error["error"]) == (3, "GuessFailed")
    assert "--kind" in done.error["way_out"]
    known = mapped(tmp_path, strangers.LATIN_1_SURVEY.encode("latin-1"), "encuesta.csv", "--kind", "SurveyAnswered")
    assert (known.code, "subject" in known.error["way_out"]) == (3, True)


def test_invoices_whose_other_dates_tell_that_days_come_first(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.INVOICES, "invoices.csv")
    made = [(each["type"], each["time"][:10], each["data"]["amount"]["micros"]) for each in done.json["touchpoints"]]
    assert made[:2] == [("InvoiceIssued", "2026-01-03", 119_000_000), ("InvoiceIssued", "2026-01-04", 1_190_000_000)]
    assert done.json["touchpoints"][0]["data"]["due"] == "2026-01-17"
    assert imported(tmp_path, shop.url, "invoices.csv")[0] == 0


def test_dates_that_nothing_tells_apart_are_said(tmp_path: Path) -> None:
    done = mapped(tmp_path, "customer,order,order date,total\nc1,1,03/04/2026,5\nc2,2,05/04/2026,6\n", "orders.csv")
    assert any("either way" in doubt for doubt in done.json["unsure"])
    assert any("no currency" in doubt for doubt in done.json["unsure"])
    assert "# UNSURE: every date" in (tmp_path / "map.toml").read_text()


def test_a_german_file_in_latin_1_whose_cancelled_order_is_cancelled(tmp_path: Path) -> None:
    done = mapped(tmp_path, strangers.LATIN_1_ORDERS.encode("latin-1"), "auftraege.csv")
    made = [(each["type"], each["subject"], each["data"]["order"]) for each in done.json["touchpoints"]]
    assert made[2:] == [("OrderPlaced", "10099", "A-3"), ("OrderCancelled", "10099", "A-3")]
    assert done.json["touchpoints"][0]["data"]["total"] == {"micros": 1_487_500_000, "currency": "EUR"}
    assert done.json["unsure"] == []
    assert "not taken: Kundenname, Nettobetrag, MwSt." in done.json["assumed"]


def test_an_invoice_that_says_when_it_was_paid(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.GERMAN_INVOICES, "Rechnungen.csv")
    made = [(each["type"], each["time"][:10], each["data"]["invoice"]) for each in done.json["touchpoints"]]
    assert made == [
        ("InvoiceIssued", "2026-01-05", "RE-1"),
        ("PaymentReceived", "2026-01-15", "RE-1"),
        ("InvoiceIssued", "2026-01-08", "RE-2"),
    ]
    assert done.json["unsure"] == []
    assert imported(tmp_path, shop.url, "Rechnungen.csv")[0] == 0


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (strangers.GOODS_SOLD, [("Teekanne", 1, 24_900_000), ("Tasse", 4, 38_000_000)]),
        (
            strangers.LINES_WITHOUT_A_PRICE,
            [("BO-1", 2, 261_960_000), ("CH-4", 3, 731_940_000), ("LA-9", 2, 14_620_000)],
        ),
    ],
)
def test_goods_by_their_names_or_by_what_each_line_comes_to(
    tmp_path: Path, text: str, lines: list[tuple[str, int, int]]
) -> None:
    done = mapped(tmp_path, text, "sold.csv")
    made = [line for each in done.json["touchpoints"] for line in each["data"]["lines"]]
    assert [(line["sku"], line["quantity"], line["net"]["micros"]) for line in made] == lines
    assert done.json["quarantined"] == []


def test_days_of_columns_that_hold_hours_too(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.HUBSPOT_DEALS, "deals.csv", "--log", shop.url)
    assert [each["type"] for each in done.json["touchpoints"]] == [
        "OpportunityOpened",
        "OpportunityWon",
        "OpportunityOpened",
    ]
    assert done.json["touchpoints"][0]["data"]["expected_close"] == "2026-02-20"


def test_people_with_two_names_are_registered_not_met(tmp_path: Path) -> None:
    done = mapped(tmp_path, strangers.HUBSPOT_CONTACTS, "contacts.csv")
    first = done.json["touchpoints"][0]
    assert (first["type"], first["data"]["name"], first["time"][:10]) == (
        "CustomerRegistered",
        "Anna Ahrens",
        "2026-01-02",
    )


def test_a_column_that_is_named_is_taken_and_must_be_there(tmp_path: Path) -> None:
    known = ("--kind", "SurveyAnswered", "--subject", "Cliente", "--time", "Fecha", "--encoding", "latin-1")
    done = mapped(tmp_path, strangers.LATIN_1_SURVEY.encode("latin-1"), "encuesta.csv", *known)
    assert [each["subject"] for each in done.json["touchpoints"]] == ["C-11", "C-12", "C-13"]
    strange = mapped(tmp_path, strangers.INVOICES, "invoices.csv", "--force", "--time", "client_id")
    assert (strange.code, strange.error["rule"]) == (3, "the columns are issued_on, due_date")


def test_people_who_signed_up(tmp_path: Path, shop: Shell) -> None:
    done = mapped(tmp_path, strangers.SIGN_UPS, "signups.csv")
    first = done.json["touchpoints"][0]
    assert (first["type"], first["subject"]) == ("CustomerRegistered", "u-1")
    assert first["data"]["contact_points"] == [{"type": "email", "value": "karl@example.net"}]
    assert imported(tmp_path, shop.url, "signups.csv")[0] == 0


def test_no_more_than_ten_customers_are_shown(tmp_path: Path) -> None:
    rows = "".join(f"u-{n},Person{n:04},p{n:04}@example.net,2026-01-02\n" for n in range(500))
    done = mapped(tmp_path, "user_id,full_name,email,signup_date\n" + rows, "signups.csv")
    told = done.out + done.err + (tmp_path / "map.toml").read_text()
    assert len(done.json["touchpoints"]) == 10
    assert [n for n in range(500) if f"Person{n:04}" in told or f"p{n:04}@" in told] == list(range(10))


def test_a_mapping_is_never_written_over_unless_told(tmp_path: Path) -> None:
    assert mapped(tmp_path, strangers.INVOICES, "invoices.csv").code == 0
    before = (tmp_path / "map.toml").read_text()
    assert mapped(tmp_path, strangers.SIGN_UPS, "signups.csv").code == 2
    assert (tmp_path / "map.toml").read_text() == before
    assert mapped(tmp_path, strangers.SIGN_UPS, "signups.csv", "--force").code == 0
    assert (tmp_path / "map.toml").read_text() != before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"name\nanna\nbert\n", "single column"),
        (b"customer,order,date\n", "no row"),
        (b"PK\x03\x04" + bytes(100), "spreadsheet"),
        (bytes(range(256)) * 50, "binary"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "cannot be told"),
        (b"order,total,customer\n1,5,c1\n2,6,c2\n", "when it happened"),
        (b"order,total,order date\n1,5,2026-01-01\n2,6,2026-01-02\n", "whom a row concerns"),
        (b'{"a":1}\n', "JSON"),
        (b"\x1f\x8b\x08\x00cut", "cannot be read"),
    ],
)
def test_what_cannot_be_guessed_is_a_clear_error(tmp_path: Path, content: bytes, said: str) -> None:
    done = mapped(tmp_path, content, "file.csv")
    assert done.code == 3
    assert said in done.error["what"]
    assert done.error["way_out"]
    assert not (tmp_path / "map.toml").exists()


@pytest.mark.parametrize("command", ["map", "import"])
def test_a_folder_or_a_file_without_rights_is_a_clear_error(tmp_path: Path, shop: Shell, command: str) -> None:
    more = ("--map", "cdnow_sample") if command == "import" else ("-o", str(tmp_path / "map.toml"))
    file = tmp_path / "secret.csv"
    file.write_text(strangers.INVOICES)
    (tmp_path / "folder").mkdir()
    assert "file" in shop(command, str(tmp_path / "folder"), *more, "--format", "json").error["what"]
    file.chmod(0)
    uid = os.geteuid()
    if not uid:
        # What root may read tells nothing of rights: be nobody for a moment.
        tmp_path.chmod(0o755)
        for parent in tmp_path.parents:
            if parent.name.startswith(("pytest-", "popen-")):
                parent.chmod(0o755)
        os.seteuid(65_534)
    try:
        done = shop(command, str(file), *more, "--format", "json")
    finally:
        os.seteuid(uid)
    assert "Traceback" not in done.err
    assert done.code != 0
    # Whoever is nobody from the start is told by the command line itself, before the file is opened.
    assert json.loads(done.err)["error"] in {"UnreadableInput", "LogUnavailable", "LogNotWritable", "BadParameter"}


def test_mixed_encodings_are_said_and_only_their_rows_suffer(tmp_path: Path, shop: Shell) -> None:
    rows = "".join(f"C{n},2026-01-{n % 28 + 1:02},Rechnung für {n},{n}.50\n" for n in range(60)).encode()
    text = b"customer,order date,order name,total\n" + rows + "C99,2026-01-05,für,1.00\n".encode("latin-1")
    done = mapped(tmp_path, text, "orders.csv")
    assert any("mixed" in doubt for doubt in done.json["unsure"])
    assert [(each["lines"], each["in_file"]) for each in done.json["quarantined"]] == [([62], 1)]
    assert imported(tmp_path, shop.url, "orders.csv")[0] == 10


def test_the_vocabulary_names_only_what_kinds_have() -> None:
    from adapters.sources.vocabulary import CONSTANTS, FOLLOWUPS, KIND_WORDS, NOT_YET
    from domain.schema import fields
    from domain.touchpoint import kind_named

    known = {kind: {each.name for each in fields(kind_named(kind))} for kind in KIND_WORDS}
    strange = [(kind, set(words.fields) - known[kind]) for kind, words in KIND_WORDS.items()]
    assert strange == [(kind, set()) for kind in known]
    assert CONSTANTS.keys() | NOT_YET.keys() <= KIND_WORDS.keys()
    for each in FOLLOWUPS:
        assert {each.entity, *each.fields} <= {found.name for found in fields(kind_named(each.kind))} | {"amount"}
        assert each.of in KIND_WORDS
