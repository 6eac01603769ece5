"""Traces, as a receiver of OTLP gets them: from the caller's span through the request and its round to the database."""

from concurrent.futures import ThreadPoolExecutor

from adapters.apikeys import ApiKeys
from tests.cli.program import event
from tests.http.calls import orders, send
from tests.http.conftest import served
from tests.watching.receiver import Collected, named

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_trace_goes_from_the_caller_to_the_database(collected: Collected, url: str, keyring: ApiKeys) -> None:
    with served(url, keyring) as client:
        send(client, event(), traceparent=f"00-{TRACE}-{CALLER}-01", tracestate="who=anna-karenina")
        client.get("/livez")
    (request,) = collected.named("POST /events")
    (round_,) = collected.named("append round")
    database = [span for span in collected.named("sqlite", "postgresql") if span.parent_span_id == round_.span_id]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    assert round_.parent_span_id == request.span_id
    assert database
    assert {span.trace_id for span in (round_, *database)} == {request.trace_id}
    assert named(request.attributes)["http.route"] == "/events"
    assert named(request.attributes)["http.response.status_code"] == 201
    assert named(round_.attributes) == {"lifecircle.groups": 1, "lifecircle.touchpoints": 1}
    assert named(database[0].attributes)["db.system.name"] == url.partition(":")[0]
    assert {each["service.name"] for each in collected.resources} == {"lifecircle"}
    assert len({each["service.instance.id"] for each in collected.resources}) == 1, "as that of its figures"
    assert not collected.named("GET /livez")


def test_a_round_for_many_is_linked_with_each_and_no_span_names_anybody(
    collected: Collected, sqlite_url: str, keyring: ApiKeys
) -> None:
    with served(sqlite_url, keyring) as client, ThreadPoolExecutor(8) as pool:
        sent = orders(24, "anna-karenina")
        assert {each.status_code for each in pool.map(lambda one: send(client, one), sent)} == {201}
        client.get("/subjects/anna-karenina/history", params={"as_of": "anna-karenina"})
        send(client, event(subject="anna-karenina", data={"order": "anna-karenina"}), traceparent="anna-karenina")
    rounds = collected.named("append round")
    reached = {span.parent_span_id for span in rounds} | {link.span_id for span in rounds for link in span.links}
    appended = [
        span for span in collected.named("POST /events") if named(span.attributes)["http.response.status_code"] == 201
    ]
    assert len(appended) == 24
    assert {span.span_id for span in appended} == reached
    others = {link.span_id for span in appended for link in span.links}
    assert others <= {span.span_id for span in rounds}
    assert b"anna" not in collected.raw
