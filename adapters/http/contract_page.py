"""The contract as a page for people: it runs no script, and takes nothing from elsewhere."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import orjson

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""What a browser may do for the page (Content-Security-Policy): show it, as it is."""

_STYLE = (
    "body{font:1rem/1.5 sans-serif;max-width:60rem;margin:auto;padding:1rem}"
    "pre{background:#f4f4f4;padding:.5rem;overflow:auto}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}section{margin-top:2.5rem}"
)


def contract_page(told: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document: every route with what it takes, who may ask it, and what it answers."""
    info = told["info"]
    routes = [
        (method.upper(), path, operation) for path, ways in told["paths"].items() for method, operation in ways.items()
    ]
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>",
            "<p>For tools the same is <a href='openapi.json'>openapi.json</a>; ",
            "every kind of touchpoint is at <a href='kinds'>kinds</a>.</p>",
            "<table><tr><th>ask</th><th>for</th></tr>",
            *(
                f"<tr><td><a href='#{place}'><code>{method} {escape(path)}</code></a></td>"
                f"<td>{escape(operation['summary'])}</td></tr>"
                for place, (method, path, operation) in enumerate(routes)
            ),
            "</table>",
            *(part for place, route in enumerate(routes) for part in _section(place, *route, told)),
            "</body></html>",
        )
    )


def _section(
    place: int, method: str, path: str, operation: Mapping[str, Any], told: Mapping[str, Any]
) -> Iterator[str]:
    yield f"<section id='{place}'><h2><code>{method} {escape(path)}</code></h2>"
    yield from (f"<p>{escape(each)}</p>" for each in operation.get("description", "").split("\n\n"))
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>parameter</th><th>in</th><th>meaning</th></tr>"
        for each in parameters:
            name = escape(each["name"]) + (", required" if each.get("required") else "")
            yield f"<tr><td>{name}</td><td>{each['in']}</td><td>{escape(each.get('description', ''))}</td></tr>"
        yield "</table>"
    if sent := operation.get("requestBody"):
        yield "<h3>sent</h3>"
        yield from _shown(sent["content"], told)
    for status, answer in operation["responses"].items():
        yield f"<h3>{status}: {escape(answer['description'])}</h3>"
        yield from _shown(answer.get("content", {}), told)
    yield "</section>"


def _shown(content: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    for form, stated in content.items():
        yield f"<p><code>{escape(form)}</code></p>"
        for example in examples_of(stated, told):
            text = example if isinstance(example, str) else orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
            yield f"<pre>{escape(text)}</pre>"


def examples_of(stated: Mapping[str, Any], told: Mapping[str, Any]) -> list[Any]:
    """The examples of a body: its own, or those of each shape that it may have."""
    if "example" in stated:
        return [stated["example"]]
    if "examples" in stated:
        return [each["value"] for each in stated["examples"].values()]
    schemas, shapes = told["components"]["schemas"], stated["schema"].get("anyOf", [stated["schema"]])
    named = (schemas[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in shapes)
    return [example for shape in named for example in shape.get("examples", ())]
