"""Event logs in XES: traces and events become rows; what XML can do to a reader is refused."""

import gzip
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.engine import Engine
from adapters.evidence import quarantined
from adapters.settings import LIMITS
from adapters.sources.report import Report
from domain.errors import MappingInvalid, UnreadableInput
from tests.sources.shop import accounted, bring_in, stored, write

DESK = """
name = "desk"
source = "desk"
zone = "Europe/Rome"

[file]
format = "xes"

[group]
by = ["case:concept:name"]

[[touchpoint]]
kind = "TicketOpened"
per = "row"
subject = { column = "customer", first = true }
time = { column = "time:timestamp" }
when = [{ column = "event:number", equals = "1" }]
fields.ticket = "case:concept:name"
fields.activity = "concept:name"

[[touchpoint]]
kind = "TicketProgressed"
per = "row"
subject = { column = "customer", first = true }
time = { column = "time:timestamp" }
when = [{ column = "event:number", not_equals = "1" }]
fields.ticket = "case:concept:name"
fields.activity = "concept:name"
envelope.sequence = { column = "event:number", type = "integer" }
envelope.custom.customer = "customer"
"""


def xes_event(activity: str, customer: str = "anna", when: str = "2026-03-01T10:00:00+01:00", more: str = "") -> str:
    return (
        f'<event><string key="concept:name" value="{activity}"/><string key="customer" value="{customer}"/>'
        f'<date key="time:timestamp" value="{when}"/>{more}</event>\n'
    )


def trace(case: str, *events: str) -> str:
    return f'<trace><string key="concept:name" value="{case}"/>\n{"".join(events)}</trace>\n'


def ints(count: int, name: str = "k") -> str:
    return "".join(f'<int key="{name}{number}" value="1"/>' for number in range(count))


def log(*traces: str, head: str = '<?xml version="1.0" encoding="utf-8"?>') -> str:
    extension = '<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>'
    general = '<global scope="event"><string key="concept:name" value="__INVALID__"/></global>'
    classifier = '<classifier name="Activity" keys="concept:name"/><string key="origin" value="test"/>'
    start = '<log xes.version="1849-2016" xmlns="http://www.xes-standard.org/">'
    return f"{head}\n{start}{extension}{general}{classifier}\n{''.join(traces)}</log>"


PLAIN = log(
    trace("1", xes_event("open"), xes_event("wait", "bert"), xes_event("close")), trace("2", xes_event("open", "carl"))
)


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    with Engine.create(sqlite_url) as made:
        yield made


def bring(engine: Engine, folder: Path, text: str | bytes, mapping: str = DESK, *, packed: bool = False) -> Report:
    return bring_in(engine, write(folder, text, "log.xes", packed=packed), mapping)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_events_become_touchpoints_of_their_trace(tmp_path: Path, url: str, *, packed: bool) -> None:
    with Engine.create(url) as engine:
        first, second = (bring(engine, tmp_path, PLAIN, packed=packed) for _ in range(2))
        facts = stored(engine)
    assert (first.rows, first.stored, second.stored, second.repeats) == (4, 4, 0, 4)
    assert first.touchpoints == {"TicketOpened": 2, "TicketProgressed": 2}
    # The case belongs to the customer of its first event; what another event says is kept.
    assert [(fact.stream, fact.data["ticket"], fact.data["activity"], fact.sequence) for fact in facts] == [
        ("anna", "1", "open", 0),
        ("anna", "1", "wait", 2),
        ("anna", "1", "close", 3),
        ("carl", "2", "open", 0),
    ]
    assert facts[1].envelope["custom"] == {"customer": "bert"}


def test_a_case_that_grew_adds_only_its_new_events(tmp_path: Path, engine: Engine) -> None:
    bring(engine, tmp_path, log(trace("1", xes_event("open"), xes_event("wait"))))
    report = bring(engine, tmp_path, PLAIN.replace('customer" value="bert"', 'customer" value="anna"'))
    assert report.touchpoints == {"TicketOpened": 1, "TicketProgressed": 1}


def test_nested_attributes_are_columns_and_the_members_of_lists_are_not(tmp_path: Path, engine: Engine) -> None:
    nested = '<string key="place" value="Rome"><int key="floor" value="3"/></string>'
    listed = '<list key="tags"><values><string key="tag" value="a"/><string key="tag" value="b"/></values></list>'
    mapping = DESK.replace('custom.customer = "customer"', 'custom.floor = "place/floor"')
    bring(engine, tmp_path, log(trace("1", xes_event("open"), xes_event("wait", more=nested + listed))), mapping)
    assert stored(engine)[1].envelope["custom"] == {"floor": "3"}
    with pytest.raises(MappingInvalid, match="tags"):
        bring(engine, tmp_path, PLAIN, DESK.replace('"concept:name"', '"tags"'))


def test_a_case_with_a_bad_event_goes_to_quarantine_whole_and_readable(tmp_path: Path, engine: Engine) -> None:
    text = log(trace("1", xes_event("open"), xes_event("wait", when="soon")), trace("2", xes_event("open", "carl")))
    report = bring(engine, tmp_path, text.replace("\n", ""))
    assert accounted(report)
    assert (report.stored, report.quarantined.total()) == (1, 2)
    rows = quarantined(engine)
    assert [row.row for row in rows] == [1, 2]
    assert '"time:timestamp":"soon"' in rows[1].raw
    assert '"case:concept:name":"1"' in rows[1].raw


LAUGHS = "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefg", "bcdefgh", strict=True))
BOMB = f'<!DOCTYPE log [<!ENTITY a "ha">{LAUGHS}]>'
"""Entities within entities: a few lines that would become ten million."""


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (log(trace("&h;", xes_event("open")), head=BOMB), "document type"),
        (log(trace("&x;"), head='<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "document type"),
        (log(trace("1"), head='<!DOCTYPE log SYSTEM "http://127.0.0.1:9/x.dtd">'), "document type"),
        (log(trace("1", xes_event("&undeclared;"))), "entity"),
        (PLAIN[:-20], "well-formed"),
        (PLAIN[: len(PLAIN) // 2], "well-formed"),
        (PLAIN + "<log/>", "well-formed"),
        (PLAIN.replace("utf-8", "klingon"), "encoding"),
        (PLAIN.replace("utf-8", "shift_jis"), "encoding"),
        (PLAIN.replace("carl", "j\udcfcrg"), "well-formed"),
        ("<html><body/></html>", "log"),
        (log(), "traces of events"),
        ("", "well-formed"),
        ("name,when\nanna,2026-03-01\n", "well-formed"),
        (log(trace("1", xes_event("open", more='<string key="customer" value="twice"/>'))), "once"),
        (log(trace("1", xes_event("open", more='<string value="no key"/>'))), "key"),
        (log(trace("1", xes_event("open"), '<string key="late" value="x"/>')), "before its events"),
        (log(trace("1", trace("2", xes_event("open")))), "in the log"),
        (log(trace("1", "<event>" + xes_event("open") + "</event>")), "event"),
        (log(trace("1", "<a>" * 100 + "</a>" * 100, xes_event("open"))), "deep"),
        (log(trace("1", xes_event("x" * (2 * LIMITS.xml_tag_max_bytes)))), "bytes"),
        (log(trace("1", "<event " + " ".join(f'a{n}="1"' for n in range(300_000)) + "/>")), "bytes"),
        (log(*(trace(str(n), xes_event("open", more=ints(99, f"of-{n}-"))) for n in range(50))), "columns"),
        (log(trace("1", f"<event>{ints(9_999)}</event>")), "attributes"),
    ],
)
def test_what_is_no_sound_event_log_is_refused_whole(tmp_path: Path, engine: Engine, text: str, rule: str) -> None:
    file = write(tmp_path, text.encode("utf-8", "surrogateescape"), "log.xes")
    tracemalloc.start()
    with pytest.raises(UnreadableInput) as refused:
        bring_in(engine, file, DESK)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rule in refused.value.rule
    assert refused.value.way_out
    assert peak < 20_000_000
    assert not stored(engine)
    assert not quarantined(engine)


def test_a_gzipped_event_log_that_is_cut_off_is_refused_whole(tmp_path: Path, engine: Engine) -> None:
    file = write(tmp_path, gzip.compress(PLAIN.encode())[:-9], "log.xes.gz")
    with pytest.raises(UnreadableInput, match="damaged, cut off"):
        bring_in(engine, file, DESK)
    assert not stored(engine)


def test_other_encodings_are_read_as_the_file_declares_them(tmp_path: Path, engine: Engine) -> None:
    text = log(trace("1", xes_event("öffnen")), head='<?xml version="1.0" encoding="{}"?>')
    for encoding in ("iso-8859-1", "cp1252", "utf-16"):
        bring(engine, tmp_path, text.replace("{}", encoding).encode(encoding))
    assert {fact.data["activity"] for fact in stored(engine)} == {"öffnen"}


def test_memory_does_not_grow_with_the_event_log(tmp_path: Path, engine: Engine) -> None:
    peaks = []
    for count in (2_000, 4_000):
        file = write(tmp_path, log(*(trace(f"{count}-{n}", xes_event("open"), xes_event("x")) for n in range(count))))
        tracemalloc.start()
        bring_in(engine, file, DESK)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # One batch is stored while the next is made; beside them each case leaves a small entry to tell those alike apart.
    assert peaks[1] < peaks[0] + 2_000 * 600, peaks
