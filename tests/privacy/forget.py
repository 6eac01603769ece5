"""The campaign of forgetting: people are told of in every way, forgotten, and looked for in everything that is left.

As a program it does so on both databases and writes build/forget.json: `hits`, and `control_hits` of a log that seals
nothing, which the same search must find. A test does a small one.
"""

import json
import os
import sys
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg

from adapters.audit.sealer import sealer
from adapters.clock import clock_us
from adapters.codec import draft_of, read_envelope
from adapters.data_subjects.erasure import erase
from adapters.durable_files import write_whole
from adapters.engine import Engine
from adapters.evidence import quarantined
from adapters.idkey import make_id_key
from adapters.privacy.sealing import Sealing
from adapters.settings import LIMITS
from adapters.sources.importer import import_file
from adapters.sources.mapping import read_mapping
from adapters.views.projector import Projector
from adapters.views.rebuild import rebuild
from adapters.views.tables import open_tables
from domain.company import Company
from tests.cli.program import ROOT, Done, Shell
from tests.postgres_server import PostgresServer

Typed = Callable[..., Done]
"""Runs a command, in a process of its own or in this one."""
SCHEMA = {"type": "object", "properties": {"nickname": {"type": "string", "x-personal": True}}}
MAPPING = """
name = "people"
source = "crm"
zone = "UTC"
[[touchpoint]]
kind = "CustomerRegistered"
subject = "id"
time = { column = "when" }
[touchpoint.fields]
party = { constant = "person" }
name = "name"
"""


class Person:
    """Somebody, and every personal value that is told of them; each is found nowhere else."""

    def __init__(self, number: int) -> None:
        self.subject = f"person-{number}"
        self.name = f"Zuzana Příkladná-{number:04}xq"
        self.corrected = f"Zuzana Opravená-{number:04}xq"
        self.mail = f"zuzana.{number:04}.xq@example.org"
        self.phone = f"+49 30 99{number:06}7"
        self.words = f"My neighbour {number:04}xq told me about the accident, and that I must not lift anything."
        self.hobby = f"keeps bees {number:04}xq"
        self.health = f"asthma {number:04}xq"
        self.nickname = f"Zuzka {number:04}xq"
        self.unreadable = f"Zuzana;Unreadable-{number:04}xq"

    @property
    def values(self) -> list[str]:
        return [str(value) for name, value in vars(self).items() if name != "subject"]

    def told(self) -> Iterator[dict[str, Any]]:
        """What happened to them, as CloudEvents."""
        points = [{"type": "email", "value": self.mail}, {"type": "phone", "value": self.phone}]
        yield self._event(
            "CustomerRegistered",
            "registered",
            custom={"nickname": self.nickname},
            party="person",
            name=self.name,
            contact_points=points,
            attributes={"hobby": self.hobby, "age": 34},
        )
        yield self._event("IdentifierLinked", "linked", type="email", value=self.mail)
        yield self._event("ProfileFieldChanged", "health", field="health", new_special=self.health)
        yield self._event("ContactMade", "call", mode="call", content=self.words)
        yield self._event("FormSubmitted", "form", form="contact", fields={"name": self.name, "text": self.words})
        yield self._event("TicketOpened", "ticket", ticket=f"t-{self.subject}", subject_line=self.words)
        yield self._event("SurveyAnswered", "survey", question="q", metric="nps", score=3, text=self.words)
        replacement = {"name": self.corrected}
        yield self._event("TouchpointCorrected", "fix", target="registered", replacement=replacement, reason="typo")

    def _event(self, kind: str, id: str, custom: Mapping[str, Any] | None = None, **data: Any) -> dict[str, Any]:  # noqa: A002
        whole = {"id": id, "source": "shop", "type": kind, "subject": self.subject, "data": data}
        return whole | {"time": "2026-03-01T10:00:00Z"} | ({"custom": custom} if custom else {})


@contextmanager
def unsealed() -> Iterator[None]:
    """The control: the same program, with its sealing left out."""
    plain: dict[str, Any] = {
        "draft": lambda self, envelope, by, stream=None, original=None: draft_of(envelope, by, stream),  # noqa: ARG005
        "lacking": lambda self, touchpoints: [],  # noqa: ARG005
    }
    with patch.multiple(Sealing, **plain), patch("adapters.evidence.seal_rows", lambda _, rows: list(rows)):
        yield


def live(url: str, folder: Path, typed: Typed, people: Sequence[Person]) -> None:
    """Tell of people in every way that the product has, and make everything of it that can be made."""
    with Engine.create(url, Company().changed({"custom": {"*": SCHEMA}, "special_data": True})) as engine:
        for person in people:
            for event in person.told():
                engine.append([read_envelope(event, clock_us(), engine.company)], strict=True)
        rows = [f"i-{person.subject},soon,{person.unreadable} {person.mail}" for person in people]
        (folder / "given.csv").write_text("id,when,name\n" + "\n".join(rows) + "\n")
        import_file(engine, folder / "given.csv", read_mapping(MAPPING, "people.toml"), recordedby="test")
        (folder / "given.csv").unlink()
        assert len(quarantined(engine)) == len(people)
        with closing(open_tables(url, engine.company)) as tables:
            Projector(engine.log, tables, engine.company).run_once()
            rebuild(engine.log, tables, engine.company)
            exported = {name: tables.rows(name) for name in tables.views}
        (folder / "views.json").write_text(json.dumps(exported, ensure_ascii=False, default=str))
        with sealer(engine.log, url, folder / "seal") as leading:
            leading.seal()
    for arguments in (("follow", "--until-head"), ("run", "--once"), ("query", "select * from traits")):
        say(folder, typed, *arguments)
    for person in people:
        say(folder, typed, "history", person.subject, "--format", "json")


def say(folder: Path, typed: Typed, *arguments: str) -> None:
    """Run a command, and keep all that it says."""
    done = typed(*arguments)
    assert done.code == 0, done
    with (folder / "said.log").open("a") as log:
        log.write(done.out + done.err)


def forget(url: str, folder: Path, typed: Typed, people: Sequence[Person]) -> None:
    """Forget them all, and see that everything else goes on: views, proofs, replay."""
    with Engine.open(url) as engine:
        for person in people:
            erase(engine, person.subject, basis="Art. 17", by="rosa", recordedby="test")
            for stored in engine.log.stream(person.subject)[: len(list(person.told()))]:
                assert engine.sealing.opened(stored.state) is None
        with closing(open_tables(url, engine.company)) as tables:
            Projector(engine.log, tables, engine.company).run_once()
            rebuild(engine.log, tables, engine.company)
            assert {row[2] for row in tables.rows("customers")[1] if row[0].startswith("person")} <= {None, "[erased]"}
        with sealer(engine.log, url, folder / "seal") as leading:
            leading.seal()
    for person in people:
        say(folder, typed, "prove", person.subject, "-o", str(folder / "proof.zip"), "--seal", str(folder / "seal"))
        key = (folder / "seal" / "key.pub").read_text().strip()
        say(folder, typed, "verify", str(folder / "proof.zip"), "--key", key)
        with zipfile.ZipFile(folder / "proof.zip") as bundle:
            bundle.extractall(folder / f"proof-{person.subject}")


def forms(value: str) -> set[bytes]:
    """What a value looks like as bytes: in UTF-8, UTF-16, hexadecimal, escaped in JSON, in Base64 at any place."""
    plain = value.encode()
    found = {plain, value.encode("utf-16-le"), value.encode("utf-16-be"), json.dumps(value)[1:-1].encode()}
    found |= {plain.hex().encode(), plain.hex().upper().encode()}
    for before in range(3):
        # Without the characters that what stands before and after has a part in.
        text = b64encode(bytes(before) + plain)
        inner = text[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def search(folders: Iterable[Path], people: Sequence[Person]) -> dict[str, set[str]]:
    """The personal values that are found in files, each with the names of the files."""
    wanted = {form: value for person in people for value in person.values for form in forms(value)}
    found: dict[str, set[str]] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            for form, value in wanted.items():
                if form in content:
                    found.setdefault(value, set()).add(path.name)
    return found


def campaign(
    typed: Typed, url: str, folder: Path, data: Path | None, people: Sequence[Person], *, seals: bool
) -> dict[str, set[str]]:
    """Tell, forget where the log seals, and search all that is left: files, database, key store, what was said."""
    for name in ("tmp", "keys"):
        (folder / name).mkdir()
    places = {
        "TMPDIR": str(folder / "tmp"),
        "SQLITE_TMPDIR": str(folder / "tmp"),
        "LIFECIRCLE_KEYS": f"sqlite:///{folder}/keys/shop.keys.db",
        "LIFECIRCLE_KEK_FILE": f"{folder}/keys/shop.kek",
        "LIFECIRCLE_ID_KEY": f"{folder}/keys/shop.key",
    }
    with patch.dict(os.environ, places), patch.object(tempfile, "tempdir", places["TMPDIR"]):
        make_id_key(url)
        # Snapshots of rule state are made of lives of any length.
        short = patch("adapters.appending.application.LIMITS", replace(LIMITS, rule_snapshot_touchpoints=2))
        with short, nullcontext() if seals else unsealed():
            live(url, folder, typed, people)
        if seals:
            forget(url, folder, typed, people)
    if data:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM")
            connection.execute("CHECKPOINT")
    return search([folder, *([data] if data else [])], people)


def main() -> None:
    """Do it on both databases; the exit code says whether all went as it must."""
    people = [Person(number) for number in range(1, 6)]
    values = {value for person in people for value in person.values}
    report: dict[str, Any] = {"people": len(people), "values": len(values), "hits": 0, "control_hits": 0, "where": {}}
    server = PostgresServer()
    try:
        for database in ("sqlite", "postgresql"):
            for seals in (True, False):
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name)
                    url = f"sqlite:///{folder}/shop.db"
                    if database == "postgresql":
                        with psycopg.connect(server.url(), autocommit=True) as admin:
                            admin.execute("DROP DATABASE IF EXISTS shop")
                            admin.execute("CREATE DATABASE shop")
                        url = server.url("shop")
                    data = server.data if database == "postgresql" else None
                    found = campaign(Shell(url).run, url, folder, data, people, seals=seals)
                missed = len(values - found.keys())
                print(
                    f"{database}, {'sealed and forgotten' if seals else 'control'}: {len(found)} of {len(values)} found"
                )
                report["hits" if seals else "control_hits"] += len(found)
                report["where"][f"{database}{'' if seals else ' control'}"] = sorted(set().union(*found.values()))
                if not seals:
                    report[f"control_missed_{database}"] = missed
    finally:
        server.remove()
    write_whole(ROOT / "build" / "forget.json", json.dumps(report, indent=1).encode())
    sys.exit(bool(report["hits"]) or report["control_hits"] < 2 * len(values))


if __name__ == "__main__":
    main()
