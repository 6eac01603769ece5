"""What callers of the service send."""

from typing import Any

import httpx2
from fastapi.testclient import TestClient

from tests.cli.program import event

Response = httpx2.Response


def send(client: TestClient, sent: Any = None, path: str = "/events", **headers: str) -> Response:
    """A CloudEvent in structured mode, or several in batched mode."""
    form = "application/cloudevents-batch+json" if isinstance(sent, list) else "application/cloudevents+json"
    answer: Response = client.post(
        path, json=event() if sent is None else sent, headers={"Content-Type": form} | headers
    )
    return answer


def orders(count: int, subject: str = "c1") -> list[dict[str, Any]]:
    """So many orders of one subject, a day apart."""
    return [
        event(
            id=f"{subject}-{number}",
            subject=subject,
            time=f"2026-03-{number % 28 + 1:02}T10:00:00Z",
            data={"order": f"{subject}-o{number:03}", "total": f"{number}.50 EUR"},
        )
        for number in range(count)
    ]
