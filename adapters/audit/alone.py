"""The end of the one file that a bundle carries: it checks the bundle that it lies in, with Python and openssl."""

import subprocess
import sys
import tempfile
from pathlib import Path

from adapters.audit.evidence import problems_of

_PEM_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 public key in its SubjectPublicKeyInfo (RFC 8410)."""

_KNOWN = (
    bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
    b"\x72",
    bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ),
)
"""A signature that holds (RFC 8032, section 7.1, test 2): an openssl that cannot tell so can tell nothing."""


def openssl_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature holds, as openssl says."""
    with tempfile.TemporaryDirectory() as place:
        names = {"key": _PEM_PREFIX + public, "message": message, "signature": signature}
        for name, content in names.items():
            (Path(place) / name).write_bytes(content)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in message -sigfile signature"
        done = subprocess.run(command.split(), cwd=place, capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


def _able() -> bool:
    try:
        return openssl_verify(*_KNOWN)
    except OSError:
        return False


def main() -> None:
    """Check the folder that this file lies in against the key that is given."""
    if len(sys.argv) != 2:
        sys.exit("usage: python3 verify.py KEY\nKEY is the verifier key that you trust: NAME+ID+KEY")
    if not _able():
        sys.exit("nothing was checked: this needs OpenSSL 3 or newer as `openssl`, which is not here or is too old")
    here = Path(sys.argv[0]).absolute().parent
    files = {path.relative_to(here).as_posix(): path.read_bytes() for path in here.rglob("*") if path.is_file()}
    problems = problems_of(files, sys.argv[1], openssl_verify)
    print("\n".join(problems) or "proved: all of it is as it was sealed, and nothing is missing")
    sys.exit(12 if problems else 0)


if __name__ == "__main__":
    main()
