"""The contract: OpenAPI 3.1 of every route with all its answers, and AsyncAPI 3 of the stream.

Both are read off the routes and the kinds as they are, those of installed packages among them.
"""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from adapters.http.answers import Problem, TouchpointDelivered, TouchpointRecorded, refusal
from adapters.http.examples import BODIES, SHAPES, problems
from adapters.http.problems import PROBLEM_TYPE
from domain.example import example
from domain.schema import json_schema
from domain.touchpoint import KINDS
from projections import views

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
JSON = "application/json"

_SCHEMAS = "#/components/schemas/"
_DESCRIPTION = """
Services append touchpoints and read what they mean. Every touchpoint is a CloudEvent 1.0. Appending is safe by id: the
same id, subject, source and content again is answered with its first receipt, so whatever was lost on the way, send it
again.
"""
_BEARER = (
    "an API key, made by: lifecircle apikey make; or a token (JWT) of the identity provider that the service trusts, "
    "whose claims its operator maps to the same roles and scopes"
)
_REQUEST_ID = {
    "X-Request-Id": {
        "description": "names the request in the log lines; the caller's own is kept if it is a UUID or a ULID",
        "schema": {"type": "string"},
    },
    "X-Correlation-Id": {
        "description": "names what the request belongs to; the caller's own, or its trace's, or that of the request",
        "schema": {"type": "string"},
    },
}
_CUSTOM = {
    "type": ["object", "null"],
    "description": "the company's own fields; its schema of them is at /kinds/{kind}",
}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a service; made once."""
    if app.openapi_schema is None:
        told = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            summary=app.summary,
            description=_DESCRIPTION.strip(),
            routes=app.routes,
            servers=[{"url": "/"}],
        )
        _complete(told, _roles(app))
        app.openapi_schema = told
    return app.openapi_schema


def asyncapi(version: str) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of what followers and webhooks receive: a message for each kind, and a delivery."""
    kinds = sorted(KINDS)
    messages = {
        kind: {
            "name": kind,
            "title": " ".join((KINDS[kind].__doc__ or "").partition("\n")[0].split()),
            "contentType": JSON,
            "payload": {
                "allOf": [
                    {"$ref": f"{_SCHEMAS}TouchpointRecorded"},
                    {"properties": {"type": {"const": kind}}},
                ]
            },
        }
        for kind in kinds
    }
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "lifecircle: the log as it grows",
            "version": version,
            "description": "Touchpoints in the order in which they were recorded, as server-sent events: each event is "
            "named by its kind, its id is the cursor to go on from (Last-Event-ID), its data is the touchpoint. "
            "Delivery is at least once to a follower that keeps its cursor, and nothing is skipped. Who would rather "
            "be called subscribes a webhook, which gets each subject's touchpoints in order, at least once.",
        },
        "servers": {
            "service": {
                "host": "localhost:8080",
                "protocol": "http",
                "security": [{"type": "http", "scheme": "bearer", "description": f"{_BEARER}; with the role auditor"}],
            }
        },
        "defaultContentType": JSON,
        "channels": {
            "stream": {
                "address": "/stream",
                "title": "Touchpoints as they are recorded",
                "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds},
            },
            "webhook": {
                "address": None,
                "title": "A webhook, at the address that its subscription names (lifecircle subscription add)",
                "servers": [],
                "messages": {"delivery": {"$ref": "#/components/messages/delivery"}},
            },
        },
        "operations": {
            "follow": {
                "action": "send",
                "summary": "The service sends each touchpoint once it is recorded",
                "channel": {"$ref": "#/channels/stream"},
                "bindings": {"http": {"method": "GET", "bindingVersion": "0.3.0"}},
            },
            "deliver": {
                "action": "send",
                "summary": "The service posts what is recorded to the webhook, signed, until it is taken by any 2xx",
                "channel": {"$ref": "#/channels/webhook"},
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            },
        },
        "components": {
            "messages": messages | {"delivery": _delivery()},
            "schemas": _components(TouchpointRecorded) | _components(TouchpointDelivered),
        },
    }


def _delivery() -> dict[str, Any]:
    """What is posted to a webhook: one touchpoint, or where the subscription takes several a list of one subject's."""
    one = {"$ref": f"{_SCHEMAS}TouchpointDelivered"}
    told = {
        "webhook-id": "the same again has the same",
        "webhook-timestamp": "when it was sent, in seconds since 1970 UTC",
        "webhook-signature": "v1, and an HMAC-SHA256 in base64 over id, time and body; during a rotation two",
    }
    return {
        "name": "delivery",
        "title": "What was recorded, as it is posted to a webhook (Standard Webhooks 1.0)",
        "contentType": STRUCTURED,
        "headers": {
            "type": "object",
            "required": list(told),
            "properties": {name: {"type": "string", "description": meaning} for name, meaning in told.items()},
        },
        "payload": {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}]},
    }


def _complete(told: dict[str, Any], roles: dict[tuple[str, str], list[str]]) -> None:
    components: dict[str, Any] = told.setdefault("components", {})
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": _BEARER}}
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas |= _components(Problem) | _events()
    for name, shown in SHAPES.items():
        schemas.get(name, {})["examples"] = [shown]
    names = {"/views/{name}": _askable(), "/kinds/{kind}": sorted(KINDS)}
    for path, operations in told["paths"].items():
        if path in names:
            operations["get"]["parameters"][0]["schema"]["enum"] = names[path]
        for method, operation in operations.items():
            _complete_operation(path, operation, roles.get((method.upper(), path), []))


def _complete_operation(path: str, operation: dict[str, Any], roles: list[str]) -> None:
    answers: dict[str, Any] = operation["responses"]
    if answers.get("422", {}).get("description") == "Validation Error":
        del answers["422"]  # it is said as 400, by problem details
    if operation.get("parameters") or "requestBody" in operation:
        answers.setdefault("400", refusal(HTTPStatus.BAD_REQUEST))
    if roles:
        operation["security"] = [{"key": []}]
        operation["description"] += f"\n\nFor: {', '.join(roles)}."
        answers.setdefault("401", refusal(HTTPStatus.UNAUTHORIZED))
        answers.setdefault("403", refusal(HTTPStatus.FORBIDDEN))
        answers.setdefault("429", refusal(HTTPStatus.TOO_MANY_REQUESTS))
    answers.setdefault("503", refusal(HTTPStatus.SERVICE_UNAVAILABLE))
    for status, answer in answers.items():
        answer["headers"] = _REQUEST_ID | answer.get("headers", {})
        for form, stated in answer.get("content", {}).items():
            if form == PROBLEM_TYPE:
                stated |= problems(path, HTTPStatus(int(status)))
            elif (path, form) in BODIES:
                stated["example"] = BODIES[path, form]


def _roles(app: FastAPI) -> dict[tuple[str, str], list[str]]:
    """What each route asks of its caller, by method and path; nothing of those that are open to everybody."""
    found: dict[tuple[str, str], list[str]] = {}
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        waiting += getattr(getattr(route, "original_router", None), "routes", ())
        if isinstance(route, APIRoute):
            asked = {role for each in route.dependant.dependencies for role in getattr(each.call, "roles", ())}
            found |= {(method, route.path_format): sorted(asked) for method in route.methods or ()}
    return found


def _askable() -> list[str]:
    """The names of all views and questions."""
    return sorted(name for view in views().values() for name in (view.name, *(each.name for each in view.questions)))


def _components(shape: Any) -> dict[str, Any]:
    schema = TypeAdapter(shape).json_schema(ref_template=_SCHEMAS + "{model}")
    inner: dict[str, Any] = schema.pop("$defs", {})
    return inner if schema.keys() == {"$ref"} else inner | {shape.__name__: schema}


def _events() -> dict[str, Any]:
    """Each kind's CloudEvent, and the one of which `type` says which it is."""
    made: dict[str, Any] = {}
    for name, kind in sorted(KINDS.items()):
        schema = json_schema(kind)
        made |= {inner: _moved(each) for inner, each in schema.pop("$defs").items()}
        del schema["$schema"], schema["$id"]
        schema["properties"]["custom"] = _CUSTOM
        made[name] = _moved(schema) | {"examples": [example(kind)]}
    made["CloudEvent"] = {
        "description": "A touchpoint as its producer sends it; its type is its kind.",
        "oneOf": [{"$ref": f"{_SCHEMAS}{name}"} for name in sorted(KINDS)],
        "discriminator": {
            "propertyName": "type",
            "mapping": {name: f"{_SCHEMAS}{name}" for name in sorted(KINDS)},
        },
    }
    return made


def _moved(schema: Any) -> Any:
    """A schema whose references lead to the contract's components."""
    if isinstance(schema, dict):
        return {
            name: value.replace("#/$defs/", _SCHEMAS) if name == "$ref" and isinstance(value, str) else _moved(value)
            for name, value in schema.items()
        }
    return [_moved(each) for each in schema] if isinstance(schema, list) else schema
