"""The contract of the service: OpenAPI 3.1 of its routes, AsyncAPI 3 of its stream, for programs to read."""

import json
from importlib.metadata import version
from pathlib import Path

from adapters.apikeys import ApiKeys
from adapters.http.app import create
from adapters.http.contract import asyncapi, openapi


def pages() -> dict[str, str]:
    """Both documents; no log is opened for them."""
    told = {
        "openapi.json": openapi(create("sqlite:///none.db", ApiKeys(Path("none")))),
        "asyncapi.json": asyncapi(version("lifecircle")),
    }
    return {name: json.dumps(document, indent=1, ensure_ascii=False) + "\n" for name, document in told.items()}
