"""Tokens of an identity provider: what they open, and every way in which one is refused."""

import base64
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.testclient import TestClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from adapters.apikeys import ApiKeys, Role
from adapters.engine import Engine
from adapters.http.app import create
from adapters.http.tokens import IdentityUnusable, Tokens, identity
from domain.company import Company
from tests.cli.program import Shell, event
from tests.http.calls import send
from tests.http.serving import free_port, serving

RSA = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = rsa.generate_private_key(65_537, 2_048)
ISSUER, AUDIENCE = "https://id.example.org", "lifecircle"
PROVIDER = f"""
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks = "jwks.json"
subjects_claim = "lc_subjects"
[roles]
crm-writer = ["appender"]
crm-all = ["appender", "analyst", "auditor", "operator"]
"""


def key_set(**keys: Any) -> bytes:
    made = []
    for name, key in keys.items():
        algorithm: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        made.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": name, "use": "sig"})
    made.append({"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"s" * 32).decode()})
    return json.dumps({"keys": made}).encode()


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "crm-7", "iat": now, "exp": now + 600, "roles": ["crm-all"]}
    return {name: value for name, value in (told | {"lc_subjects": "*"} | changed).items() if value is not None}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "k1", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm, headers={"kid": kid} if kid else {})


def raw(head: dict[str, Any], key: bytes | None = None, **changed: Any) -> str:
    """A token that no library would make: signed by HMAC under any bytes, or not at all."""
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (head, claims(**changed))]
    signed = b".".join(parts)
    sign = hmac.new(key, signed, sha256).digest() if key else b""
    return (signed + b"." + base64.urlsafe_b64encode(sign).rstrip(b"=")).decode()


@pytest.fixture
def provider(tmp_path: Path) -> Path:
    (tmp_path / "jwks.json").write_bytes(key_set(k1=RSA, k2=EC))
    path = tmp_path / "oidc.toml"
    path.write_text(PROVIDER)
    return path


@pytest.fixture
def client(sqlite_url: str, keyring: ApiKeys, provider: Path) -> Iterator[TestClient]:
    Engine.create(sqlite_url, Company(zone="Europe/London")).close()
    with TestClient(create(sqlite_url, keyring, Tokens(identity(provider)))) as opened:
        yield opened


def asked(client: TestClient, sent: str) -> int:
    return client.get("/views", headers={"Authorization": f"Bearer {sent}"}).status_code


def test_a_token_opens_what_its_claims_are_mapped_to(client: TestClient, keyring: ApiKeys) -> None:
    assert asked(client, token()) == 200
    assert asked(client, token(EC, "ES256", "k2")) == 200
    assert asked(client, keyring.make("key", [Role.ANALYST])) == 200, "keys go on working"
    assert asked(client, token(roles=["crm-writer"])) == 403
    assert asked(client, token(roles=["stranger"])) == 403
    assert asked(client, token(roles=None)) == 403
    assert asked(client, token(lc_subjects=None)) == 401, "a scope that is required and not told is none"
    bounded = {"Authorization": f"Bearer {token(lc_subjects=['eu-'], roles='crm-writer crm-all')}"}
    assert send(client, event(subject="eu-1"), **bounded).status_code == 201
    assert send(client, event(id="x", subject="us-1"), **bounded).status_code == 403
    told = client.get("/events", headers={"Authorization": f"Bearer {token()}"}).json()["touchpoints"]
    assert {each["recordedby"] for each in told if each["type"] == "OrderPlaced"} == {"token:crm-7"}


def test_a_service_is_told_of_the_provider_by_its_flag(file_shop: Shell, provider: Path) -> None:
    port = free_port()
    with serving(file_shop, port, "--oidc", str(provider)):
        for sent, status in ((token(), 200), (token(iss="https://other.example"), 401)):
            answer = httpx2.get(f"http://127.0.0.1:{port}/views", headers={"Authorization": f"Bearer {sent}"})
            assert answer.status_code == status


def _public() -> bytes:
    return RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


REFUSED: dict[str, Callable[[], str]] = {
    "of no algorithm": lambda: raw({"alg": "none", "kid": "k1"}),
    "of no algorithm, spelled otherwise": lambda: raw({"alg": "NoNe", "kid": "k1"}),
    "of several algorithms": lambda: raw({"alg": ["RS256"], "kid": "k1"}),
    "of an algorithm that is no text": lambda: raw({"alg": {"RS256": 1}, "kid": "k1"}),
    "signed by the public key as a secret": lambda: raw({"alg": "HS256", "kid": "k1"}, _public()),
    "signed by a symmetric key of the set": lambda: raw({"alg": "HS256", "kid": "secret"}, b"s" * 32),
    "of an algorithm that is not allowed": lambda: token(algorithm="RS512"),
    "of a key of another sort": lambda: token(kid="k2"),
    "of a key that nobody knows": lambda: token(kid="k9"),
    "of no named key": lambda: token(kid=None),
    "signed by somebody else": lambda: token(OTHER),
    "with its own key in its head": lambda: jwt.encode(
        claims(),
        OTHER,
        "RS256",
        headers={"kid": "k1", "jwk": json.loads(RSAAlgorithm.to_jwk(OTHER.public_key()))},
    ),
    "with demands that we do not know": lambda: jwt.encode(
        claims(), RSA, "RS256", headers={"kid": "k1", "crit": ["b64"], "b64": True}
    ),
    "for somebody else": lambda: token(aud="billing"),
    "from somebody else": lambda: token(iss="https://id.example.com"),
    "expired": lambda: token(exp=int(time.time()) - 31),
    "not valid yet": lambda: token(nbf=int(time.time()) + 90),
    "made in the future": lambda: token(iat=int(time.time()) + 90),
    "without end": lambda: token(exp=None),
    "without audience": lambda: token(aud=None),
    "without anybody": lambda: token(sub=None),
    "whose claims were changed": lambda: ".".join(
        [*token().split(".")[:1], raw({}, sub="root").split(".")[1], token().split(".")[2]]
    ),
    "too long": lambda: token(sub="x" * 16_000),
    "no token": lambda: "a.b.c",
}


def test_a_token_that_is_wrong_in_any_way_is_refused_and_that_is_recorded(client: TestClient) -> None:
    for how, make in REFUSED.items():
        assert asked(client, make()) == 401, how
    engine: Engine = client.app.state.service.engine  # type: ignore[attr-defined]
    engine.refusals.close()
    noted = [each for each in engine.log.read(engine.log.start(), 1_000) if each.recordedby == "unknown caller"]
    assert {each.kind for each in noted} == {"AccessDenied"}
    assert len(noted) == len(REFUSED)


def test_a_token_is_refused_once_it_has_expired(provider: Path) -> None:
    provider.write_text(PROVIDER.replace("[roles]", "leeway_s = 0\n[roles]"))
    tokens, sent = Tokens(identity(provider)), token(exp=int(time.time()) + 1)
    assert tokens.principal(sent) is not None
    time.sleep(1.1)
    assert tokens.principal(sent) is None


def test_keys_in_a_file_are_read_anew_when_it_changes(provider: Path) -> None:
    tokens = Tokens(identity(provider))
    assert tokens.principal(token()) is not None
    place = provider.parent / "jwks.json"
    place.write_bytes(key_set(k3=OTHER))
    os.utime(place, (1, 1))
    assert tokens.principal(token()) is None
    assert tokens.principal(token(OTHER, kid="k3")) is not None
    place.unlink()
    with pytest.raises(IdentityUnusable):
        tokens.principal(token(OTHER, kid="k3"))


def test_keys_at_an_address_are_kept_rotated_and_not_asked_for_at_will(provider: Path) -> None:
    served, asked_for = {"keys": key_set(k1=RSA)}, list[str]()

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked_for.append(self.path)
            self.send_response(200 if served["keys"] else 500)
            self.end_headers()
            self.wfile.write(served["keys"])

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is overridden
            pass

    with HTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/keys"
        provider.write_text(PROVIDER.replace("jwks.json", address))
        now = [0.0]
        tokens = Tokens(identity(provider), lambda: now[0])
        assert all(tokens.principal(token()) for _ in range(5))
        assert all(tokens.principal(token(kid=f"x{at}")) is None for at in range(5))
        assert len(asked_for) == 1
        served["keys"] = key_set(k3=OTHER)
        now[0] += 11
        assert tokens.principal(token(OTHER, kid="k3")) is not None
        assert tokens.principal(token()) is None
        served["keys"] = b""
        now[0] += 400
        assert tokens.principal(token(OTHER, kid="k3")) is not None, "they hold while the provider is away"
        now[0] += 3_600
        with pytest.raises(IdentityUnusable):
            tokens.principal(token(OTHER, kid="k3"))
        server.shutdown()


def test_an_unknown_key_has_nobody_wait_whose_key_is_known(provider: Path) -> None:
    asked_again, go_on, asked_for = threading.Event(), threading.Event(), list[str]()

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked_for.append(self.path)
            if len(asked_for) > 1:
                asked_again.set()
                go_on.wait(30)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(key_set(k1=RSA))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is overridden
            pass

    with HTTPServer(("127.0.0.1", 0), Provider) as server, ThreadPoolExecutor(1) as pool:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        provider.write_text(PROVIDER.replace("jwks.json", f"http://127.0.0.1:{server.server_address[1]}/keys"))
        now = [0.0]
        tokens = Tokens(identity(provider), lambda: now[0])
        assert tokens.principal(token()) is not None
        now[0] += 11
        unknown = pool.submit(tokens.principal, token(kid="k9"))
        assert asked_again.wait(30)
        assert tokens.principal(token()) is not None
        assert not unknown.done()
        go_on.set()
        assert unknown.result() is None
        server.shutdown()


@pytest.mark.parametrize(
    "flaw",
    [
        ("jwks.json", "http://id.example.org/keys"),
        ("[roles]", 'algorithms = ["HS256"]\n[roles]'),
        ('["appender"]', '["root"]'),
        ("issuer", "publisher"),
        ("=", ":"),
    ],
)
def test_a_file_that_describes_no_provider_is_refused(provider: Path, flaw: tuple[str, str]) -> None:
    provider.write_text(PROVIDER.replace(*flaw))
    with pytest.raises(IdentityUnusable):
        identity(provider)
