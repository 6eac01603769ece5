"""Keys to a service, and what receives its traces and figures."""

from collections.abc import Iterator

import pytest

from tests.http.conftest import _folder, client, file_client, file_shop, keyring
from tests.watching.receiver import Collected, receiving

__all__ = ["_folder", "client", "file_client", "file_shop", "keyring"]


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    """A receiver of OTLP over HTTP, which the environment names."""
    with receiving() as found:
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")  # it would tell paths and words of errors
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.address)
        yield found
