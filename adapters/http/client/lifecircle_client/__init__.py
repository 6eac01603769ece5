"""Append touchpoints to a lifecircle service, read and follow them: typed, and nothing but the standard library.

A touchpoint is a CloudEvent whose id, source and subject name it for ever, so it is sent again, with growing pauses,
whenever an answer was lost or the service asks to wait; what had been recorded is answered with its first receipt.
"""

from lifecircle_client.answers import (
    Breach,
    Conflict,
    NotReached,
    Outcome,
    Receipt,
    Rejected,
    ServiceError,
    Touchpoint,
)
from lifecircle_client.client import Client, Retries

__all__ = [
    "Breach",
    "Client",
    "Conflict",
    "NotReached",
    "Outcome",
    "Receipt",
    "Rejected",
    "Retries",
    "ServiceError",
    "Touchpoint",
]
