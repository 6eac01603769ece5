"""Signatures of deliveries, as Standard Webhooks 1.0 says: HMAC-SHA256 over id, time and body, in `webhook-` headers.

A subscription's secret lies in a file of its own beside the log, which only its owner may read, and in no database.
While it is rotated there are two, and every delivery bears a signature with each.
"""

import base64
import hmac
from collections.abc import Sequence
from pathlib import Path

from adapters.addresses import path_beside
from adapters.configuration import configured
from adapters.keyfile import KeyFile
from domain.errors import LifecircleError


class WebhookSecretUnusable(LifecircleError):
    """The secret of a subscription is missing, damaged, readable by others, or cannot be written."""

    exit_code = 8


_SECRET = KeyFile(
    name="webhook secret",
    error=WebhookSecretUnusable,
    danger="with it anyone can sign what they make up",
    loss="its receiver could check nothing that is sent",
    setting="webhook_secrets",
)


class Secrets:
    """The secrets of one subscription."""

    def __init__(self, url: str, name: str) -> None:
        beside = path_beside(url, f".{name}.webhook")
        self.path = place / beside.name if (place := configured().webhook_secrets) else beside
        self._before = self.path.with_name(self.path.name + ".before")

    @property
    def files(self) -> tuple[Path, Path]:
        """Where the one that signs lies, and during a rotation the one before."""
        return self.path, self._before

    def make(self) -> str:
        """Make the first; answer it as a receiver is told it.

        Raises:
            WebhookSecretUnusable: there is one, or it cannot be written.
        """
        return told(_SECRET.make(self.path))

    def rotate(self) -> str:
        """Make another, beside which the one before goes on signing; answer the new one.

        Raises:
            WebhookSecretUnusable: a rotation is under way, or the secret cannot be read or written.
        """
        if self._before.exists():
            raise WebhookSecretUnusable(
                "a rotation of this secret is under way",
                where=str(self._before),
                rule="at most two secrets sign",
                way_out="when the receiver checks with the new one: lifecircle subscription rotate NAME --finish",
            )
        _SECRET.read(self.path)
        self.path.replace(self._before)
        return self.make()

    def finish(self) -> None:
        """Let the secret before the last rotation sign no more."""
        self._before.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget all."""
        self.path.unlink(missing_ok=True)
        self.finish()

    def all(self) -> list[bytes]:
        """Those that sign, the newest first.

        Raises:
            WebhookSecretUnusable: there is none, or it is damaged, or others may read it.
        """
        # A rotation that was cut off between its two steps leaves only the one before.
        paths = [path for path in (self.path, self._before) if path.exists()]
        return [_SECRET.read(path) for path in paths or [self.path]]


def told(secret: bytes) -> str:
    """A secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secret).decode()


def signed(secrets: Sequence[bytes], message: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that let a receiver check who sent a body, and when: seconds since 1970 UTC."""
    content = f"{message}.{at_s}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
