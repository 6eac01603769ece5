"""The contract: that it says all there is, that what it refers to is there, and that its examples are taken."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema_rs import validator_for

from adapters.http.app import application
from adapters.http.contract_page import examples_of
from domain.touchpoint import KINDS
from tests.http.calls import send
from tests.http.routes import PUBLIC, RIGHTS
from tests.http.test_reading import project


@pytest.fixture(scope="module")
def unserved() -> TestClient:
    """The service over no log: what it says of itself depends on none."""
    return TestClient(application(None))


@pytest.fixture(scope="module")
def told(unserved: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = unserved.get("/openapi.json").json()
    return document


def inside(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from inside(each)


def test_every_route_has_its_answers_and_says_who_may(told: dict[str, Any]) -> None:
    asked = {(method, path.replace(":path", "")) for method, path in RIGHTS}
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            where, answers = f"{method} {path}", operation["responses"]
            assert (path in {each.replace(":path", "") for each in PUBLIC}) == ("security" not in operation), where
            assert ((method.upper(), path) in asked) == ({"401", "403"} <= answers.keys()), where
            done = [answer for status, answer in answers.items() if status < "300"]
            assert done, where
            assert all(form.get("schema") for answer in done for form in answer["content"].values()), where
            refused = [answer for status, answer in answers.items() if status >= "400"]
            assert all("application/problem+json" in answer["content"] for answer in refused), where
            assert all("X-Request-Id" in answer["headers"] for answer in answers.values()), where
    references = {each["$ref"] for each in inside(told) if isinstance(each.get("$ref"), str)}
    assert {each.rpartition("/")[2] for each in references} <= told["components"]["schemas"].keys()


def test_the_example_of_every_kind_fits_the_one_schema_of_events(told: dict[str, Any]) -> None:
    event = {"$ref": "#/components/schemas/CloudEvent", "components": told["components"]}
    fits = validator_for(event)
    schemas = told["components"]["schemas"]
    assert schemas["CloudEvent"]["discriminator"]["mapping"].keys() == KINDS.keys()
    assert [name for name in KINDS if not fits.is_valid(schemas[name]["examples"][0])] == []
    assert not fits.is_valid(schemas["OrderPlaced"]["examples"][0] | {"data": {}})


def test_every_body_that_is_sent_or_answered_as_json_has_examples_that_fit(told: dict[str, Any]) -> None:
    without, shown = [], dict[str, list[Any]]()
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            bodies = operation["responses"] | {"sent": operation.get("requestBody", {})}
            for status, body in bodies.items():
                for form, stated in body.get("content", {}).items():
                    examples = examples_of(stated, told)
                    shown.setdefault(json.dumps(stated["schema"]), []).extend(examples)
                    if "json" in form and not examples:
                        without.append((method, path, status, form))
    assert without == []
    for schema, examples in shown.items():  # a validator for each body would take half a minute
        fits = validator_for(json.loads(schema) | {"components": told["components"]})
        for example in examples:
            fits.validate(example)


def test_the_page_of_the_contract_tells_every_route_and_loads_nothing(
    unserved: TestClient, told: dict[str, Any]
) -> None:
    page = unserved.get("/docs")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Content-Type"].startswith("text/html")
    for loads in ("<script", "src=", "<link", "@import", "url("):
        assert loads not in page.text, loads
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            assert f"<code>{method.upper()} {path}</code>" in page.text
            assert escape(operation["summary"]) in page.text
    assert "an id names one touchpoint for ever" in page.text, "examples, too"
    assert [unserved.get(path).status_code for path in ("/redoc", "/docs/oauth2-redirect")] == [404, 404]


def test_what_is_answered_has_the_shape_that_the_contract_states(file_client: TestClient, told: dict[str, Any]) -> None:
    sent = told["paths"]["/events"]["post"]["requestBody"]["content"]
    first, again = (sent[f"application/cloudevents{form}+json"]["example"] for form in ("", "-batch"))
    answers = [send(file_client, each, Prefer="wait") for each in (first, again, [first, first | {"data": {}}])]
    project(file_client)
    id_ = {"subject": first["subject"], "source": first["source"], "id": first["id"]}
    answers += [file_client.get(path, params=id_ if path == "/receipts" else {}) for path in READ]
    answers.append(file_client.get("/views/nowhere"))
    for answer in answers:
        path = answer.request.url.path
        template = next(each for each in told["paths"] if each == path or ("{" in each and each.split("{")[0] in path))
        stated = told["paths"][template][answer.request.method.lower()]["responses"][str(answer.status_code)]
        form = answer.headers["Content-Type"].partition(";")[0]
        schema = stated["content"][form]["schema"] | {"components": told["components"]}
        validator_for(schema).validate(json.loads(answer.text))


READ = [
    "/events",
    "/receipts",
    "/subjects/customer-17/history",
    "/views",
    "/views/orders",
    "/kinds",
    "/kinds/OrderPlaced",
    "/livez",
    "/readyz",
    "/status",
]


def test_each_version_of_a_kind_can_be_had(file_client: TestClient) -> None:
    listed = {each["kind"]: each for each in file_client.get("/kinds").json()["kinds"]}
    assert (listed["OrderPlaced"]["version"], listed["OrderPlaced"]["versions"]) == (1, [1])
    schema = file_client.get("/kinds/OrderPlaced", params={"version": 1}).json()
    assert schema["required"] == ["order", "total"]
    assert file_client.get("/kinds/OrderPlaced", params={"version": 2}).status_code == 404
