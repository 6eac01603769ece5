"""What persons may ask for, what is open to everybody, and what waits: over HTTP, and recorded."""

import io
import json
import zipfile
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapters.apikeys import ApiKeys, Role
from adapters.audit.bundle import read_bundle
from adapters.audit.evidence import problems_of
from adapters.audit.keys import verify
from adapters.audit.seal import seal_path
from adapters.audit.sealer import sealer
from adapters.engine import Engine
from adapters.evidence import set_aside
from adapters.log import QuarantinedRow
from domain.example import example
from domain.kinds.log_itself import NOTED_KINDS
from domain.merkle import HASH_BYTES, complete_root
from domain.notes import Checkpoint, Note
from domain.touchpoint import KINDS
from tests.cli.program import event
from tests.http.calls import orders, send
from tests.sources.shop import HEADER, bring_in, write

NAME = "Zuzana Příkladná"


def engine_of(client: TestClient) -> Engine:
    engine: Engine = client.app.state.service.engine  # type: ignore[attr-defined]
    return engine


def register(client: TestClient, subject: str = "anna", **data: Any) -> None:
    given = {"party": "person", "name": NAME} | data
    sent = send(client, event(id=f"r-{subject}", subject=subject, type="CustomerRegistered", data=given))
    assert sent.status_code == 201


def recorded(client: TestClient, kind: str) -> list[dict[str, Any]]:
    return [each for each in client.get("/events").json()["touchpoints"] if each["type"] == kind]


def test_a_customer_is_opened_exported_and_forgotten_and_each_is_recorded(client: TestClient) -> None:
    register(client)
    assert NAME not in client.get("/subjects/anna/history").text
    opened = client.post("/subjects/anna/opened", json={"purpose": "ticket"})
    assert opened.json()["touchpoints"][0]["data"]["name"] == NAME
    assert opened.headers["Cache-Control"] == "no-store"
    (noted,) = recorded(client, "PersonalDataOpened")
    assert (noted["recordedby"], noted["data"]["purpose"], noted["data"]["person"]) == ("key:all", "ticket", "anna")

    exported = client.get("/subjects/anna/export")
    held, digest = json.loads(exported.content), sha256(exported.content)
    assert held["touchpoints"][0]["data"]["name"] == NAME
    assert exported.headers["Repr-Digest"] == f"sha-256=:{b64encode(digest.digest()).decode()}:"
    assert [each["data"]["digest"] for each in recorded(client, "DataExported")] == [digest.hexdigest()]

    forgotten = client.post("/subjects/anna/erasure", json={"basis": "Art. 17"})
    assert (forgotten.status_code, forgotten.json()["forgotten"]) == (200, ["anna"])
    (noted,) = recorded(client, "PersonalDataErased")
    assert (noted["recordedby"], noted["data"]["legal_basis"]) == ("key:all", "Art. 17")
    assert NAME not in client.post("/subjects/anna/opened", json={"purpose": "ticket"}).text
    assert client.post("/subjects/anna/erasure", json={"basis": "Art. 17"}).status_code == 422
    assert client.get("/subjects/anna/export").status_code == 422
    for path in ("erasure", "opened"):
        assert client.post(f"/subjects/nobody/{path}", json={"basis": "x", "purpose": "x"}).status_code == 400
    assert client.post("/subjects/nobody/erasure", json={"basis": "x"}).status_code == 404


def test_a_hold_and_a_rule_of_two_refuse_and_two_keys_allow(file_client: TestClient, keyring: ApiKeys) -> None:
    register(file_client)
    hold = {"hold": "h1", "basis": "court order"}
    send(file_client, event(id="h", subject="anna", type="LegalHoldPlaced", data=hold))
    held = file_client.post("/subjects/anna/erasure", json={"basis": "Art. 17"})
    assert (held.status_code, held.json()["title"]) == (409, "ErasureRefused")
    assert "court order" in held.json()["rule"]
    send(file_client, event(id="l", subject="anna", type="LegalHoldLifted", data={"hold": "h1"}))

    engine_of(file_client).change_settings({"erasure_by_two": True})

    def forget(**headers: str) -> int:
        return file_client.post("/subjects/anna/erasure", json={"basis": "Art. 17"}, headers=headers).status_code

    assert forget() == 409
    assert forget(Approval=file_client.headers["Authorization"]) == 409, "one person is not two"
    assert forget(Approval=f"Bearer {keyring.make('ann', [Role.ANALYST])}") == 403
    assert forget(Approval="Bearer lc_0_0") == 403
    other = keyring.make("otto", [Role.OPERATOR], subjects=["b"])
    assert forget(Approval=f"Bearer {other}") == 403
    assert forget(Approval=f"Bearer {keyring.make('olga', [Role.OPERATOR])}") == 200
    (noted,) = recorded(file_client, "PersonalDataErased")
    assert (noted["data"]["approver"], noted["recordedby"]) == ("olga", "key:all")


def test_whoever_is_merged_into_a_customer_is_within_the_scope_too(file_client: TestClient, keyring: ApiKeys) -> None:
    register(file_client, "eu-1")
    register(file_client, "us-1")
    merge = {"survivor": "eu-1", "absorbed": "us-1", "method": "manual"}
    assert send(file_client, event(id="m", subject="eu-1", type="CustomersMerged", data=merge)).status_code == 201
    everything = file_client.headers["Authorization"]
    for bound in ({"subjects": ["eu-"]}, {"kinds": ["CustomerRegistered"]}):
        file_client.headers["Authorization"] = f"Bearer {keyring.make('eu', Role, **bound)}"  # type: ignore[arg-type]
        assert file_client.post("/subjects/eu-1/erasure", json={"basis": "x"}).status_code == 403
        assert file_client.get("/subjects/eu-1/export").status_code == 403
        assert file_client.get("/subjects/eu-1/evidence").status_code == 403
        assert file_client.get("/quarantine").status_code == 403
    file_client.headers["Authorization"] = everything
    assert file_client.post("/subjects/us-1/erasure", json={"basis": "x"}).status_code == 409
    assert file_client.post("/subjects/eu-1/erasure", json={"basis": "x"}).json()["forgotten"] == ["eu-1", "us-1"]


def test_a_merge_joins_whom_its_caller_reaches_on_either_side(client: TestClient, keyring: ApiKeys) -> None:
    for subject in ("eu-1", "us-1", "us-2"):
        register(client, subject)
    eu = {"Authorization": f"Bearer {keyring.make('eu', Role, subjects=['eu-'])}"}
    for number, (kind, more) in enumerate(
        [("CustomersMerged", {"method": "manual"}), ("CustomerMergeReverted", {"merge": "m", "reason": "x"})]
    ):
        for survivor, absorbed in (("eu-1", "us-1"), ("us-1", "eu-1"), ("us-1", "us-2")):
            data = {"survivor": survivor, "absorbed": absorbed} | more
            sent = event(id=f"m{number}-{absorbed}", subject="eu-1", type=kind, data=data)
            assert send(client, sent, **eu).status_code == 403, (kind, survivor, absorbed)
            assert send(client, [sent], **eu).status_code == 403, (kind, survivor, absorbed)
    register(client, "eu-2")
    merge = event(id="m", subject="eu-1", type="CustomersMerged", data={"survivor": "eu-1", "absorbed": "eu-2"})
    merge["data"] |= {"method": "manual"}
    assert send(client, merge, **eu).status_code == 201
    assert len(engine_of(client).log.stream("us-1")) == 1


def test_nobody_is_forgotten_by_a_touchpoint(client: TestClient, keyring: ApiKeys) -> None:
    register(client)
    sent = event(id="e", subject="anna", type="PersonalDataErased", data={"scope": "all", "approver": "olga"})
    for role in ([Role.APPENDER], Role):
        refused = send(client, sent, Authorization=f"Bearer {keyring.make('k', role)}")
        assert (refused.status_code, "erasure" in refused.json()["way_out"]) == (403, True)
        assert send(client, [sent]).json()["results"][0]["status"] == 403
    opened = client.post("/subjects/anna/opened", json={"purpose": "ticket"})
    assert opened.json()["touchpoints"][0]["data"]["name"] == NAME


@pytest.mark.parametrize("kind", sorted(NOTED_KINDS))
def test_nobody_tells_the_log_what_it_notes_itself(file_client: TestClient, kind: str) -> None:
    sent = event(id="n", subject="anna", type=kind, data=example(KINDS[kind])["data"])
    before = engine_of(file_client).log.kinds().get(kind, 0)
    assert send(file_client, sent).status_code == send(file_client, sent, Prefer="wait").status_code == 403
    assert send(file_client, [sent]).json()["results"][0]["status"] == 403
    assert engine_of(file_client).log.kinds().get(kind, 0) == before or kind in ("AccessDenied", "TouchpointRefused")


@pytest.mark.parametrize(
    "sent", [b"", b"[]", b'{"basis": 1}', b'{"basis": "x", "by": "y"}', b'{"basis":"x","basis":"y"}']
)
def test_a_body_that_is_not_as_stated_is_refused(file_client: TestClient, sent: bytes) -> None:
    answer = file_client.post("/subjects/anna/erasure", content=sent)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_what_is_sealed_is_open_to_everybody_and_proves_a_history(client: TestClient) -> None:
    send(client, orders(300))
    everything = client.headers.pop("Authorization")
    assert client.get("/seal/head").status_code == 404
    engine = engine_of(client)
    place = seal_path(engine.url, None)
    with sealer(engine.log, engine.url, place) as sealing:
        sealing.seal()
    checkpoint = client.get("/seal/1/1/checkpoint")
    assert checkpoint.headers["Cache-Control"] == "no-cache"
    size = Checkpoint.read(Note.read(checkpoint.content).text).size
    assert size >= 300
    whole = client.get("/seal/1/1/tile/0/000")
    assert whole.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    edge = client.get(f"/seal/1/1/tile/0/001.p/{size - 256}").content
    assert len(edge) == (size - 256) * HASH_BYTES
    assert client.get("/seal/1/1/tile/1/000.p/1").content == complete_root(whole.content)
    assert client.get("/seal/1/1/tile/0/000.p/7").content == whole.content[: 7 * HASH_BYTES]
    for strange in ("001", "1", "000.p/256", "000.p/0", f"001.p/{size - 255}", "x000/000", "../head", "%2e%2e/head"):
        assert client.get(f"/seal/1/1/tile/0/{strange}").status_code in (400, 404), strange
    assert client.get("/seal/1/2/checkpoint").status_code == 404
    assert client.get("/seal/2/1/checkpoint").status_code == 404

    client.headers["Authorization"] = everything
    bundle = Path("bundle.zip")
    bundle.write_bytes(client.get("/subjects/c1/evidence").content)
    assert problems_of(read_bundle(bundle), client.get("/seal/key").text, verify) == []
    assert "verify.py" in zipfile.ZipFile(io.BytesIO(bundle.read_bytes())).namelist()


def test_rows_in_quarantine_are_listed_without_their_text(file_client: TestClient) -> None:
    row = QuarantinedRow("b1", 7, "shop.csv", "total: is no amount", "cannot be read", f"{NAME};x", 1)
    set_aside(engine_of(file_client), [row], recordedby="import")
    (told,) = file_client.get("/quarantine").json()["rows"]
    assert (told["batch"], told["row"], told["rule"]) == ("b1", 7, "total: is no amount")
    assert NAME not in file_client.get("/quarantine").text
    assert file_client.get("/quarantine", params={"batch": "b2"}).json()["rows"] == []
    unknown = file_client.post("/quarantine/release", json={"batch": "b2", "rows": [{"row": 1}]})
    assert (unknown.status_code, unknown.json()["title"]) == (404, "NotInQuarantine")


def test_a_row_that_is_mended_is_let_in(file_client: TestClient, tmp_path: Path) -> None:
    engine = engine_of(file_client)
    batch = bring_in(engine, write(tmp_path, HEADER + "bert,soon,1\n")).batch
    mended = {"row": 2, "cells": {"when": "2026-03-02T10:00:00"}}

    told = file_client.post("/quarantine/release", json={"batch": batch, "rows": [mended]})

    assert told.status_code == 200
    assert (told.json()["released"], told.json()["touchpoints"]) == (1, {"OrderPlaced": 1})
    assert file_client.get("/quarantine").json()["rows"] == []
    assert [each.kind for each in engine.log.stream("bert")] == ["OrderPlaced"]
