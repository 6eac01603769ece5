"""Deliveries over https: called by an address that was looked at, and yet the certificate is checked for the name."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cli.program import Shell
from tests.outgoing.conftest import done, ordered, standing


def certificate(folder: Path, host: str) -> Path:
    """A certificate of its own for a host, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password) + made.public_bytes(encoding)
    )
    return path


class Taking(BaseHTTPRequestHandler):
    """Takes everything, and keeps the names that it was called by."""

    called: list[str]

    def do_POST(self) -> None:
        self.called.append(self.headers["Host"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its own word
        """Nothing is printed."""


@contextmanager
def serving(pem: Path) -> Iterator[tuple[int, list[str]]]:
    """The port of a receiver with a certificate, and what it was called."""
    called: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Taking,), {"called": called})) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], called
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("certified", "taken"), [("localhost", True), ("elsewhere.example", False)])
def test_a_receiver_must_have_the_certificate_of_its_name(
    file_shop: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certified: str, *, taken: bool
) -> None:
    pem = certificate(tmp_path, certified)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with serving(pem) as (port, called):
        to = f"https://localhost:{port}/hook"
        done(file_shop, "subscription", "add", "hook", to, "--attempts", "1")
        ordered(file_shop, "c1")
        done(file_shop, "relay", "--once", "--allow-internal", "localhost")

    assert called == ([f"localhost:{port}"] if taken else [])
    assert standing(file_shop)["last_answer"] == ("204" if taken else "no connection: ConnectError")
