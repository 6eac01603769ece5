"""A hostile caller of the whole contract: requests that fit it and requests that do not, each answer held against it.

Run as a program for so many minutes: `make fuzz MINUTES=60`, to build/fuzz.json.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.engine import Engine
from projections import views
from tests.cli.program import ROOT, Shell
from tests.http.producers import FEW, SUBJECTS, one, several
from tests.http.serving import free_port, serving
from tests.keys import keys_in

CHECKS: list[Callable[..., bool | None]] = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
ENDLESS = {"/stream"}
"""It does not end by itself; tests of following open and break it."""
COLUMNS = sorted({column.name for view in views().values() for column in view.columns()})
FILTERS = st.dictionaries(
    st.builds(str.__add__, st.sampled_from(COLUMNS), st.sampled_from(["", ".ge", ".gt", ".le", ".lt", ".ne", ".x"])),
    st.text(max_size=30)
    | st.integers().map(str)
    | st.sampled_from(["'", "' OR 1=1 --", "1; DROP TABLE orders", "NaN"]),
    max_size=2,
)
"""Any other parameter of a view is a filter, so the contract cannot name them all."""
CONDITIONS = st.sampled_from(
    [{}, {}, {}, {"strict": "true"}, {"expected": "order/1=1"}, {"expected": "ticket/2=0", "strict": "true"}]
)
"""Under which touchpoints are sent."""
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]
TIMEOUT_S = 60
SHOWN_MAX = 20


@dataclass
class Found:
    """What came of the requests: how many, by status, and what an answer broke of the contract."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    routes: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    failures: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)

    @property
    def five_xx(self) -> int:
        """How many answers told of a failure of the service."""
        return sum(times for status, times in self.statuses.items() if status >= 500)

    def note(self, name: str, told: str) -> None:
        """Count what is wrong, and keep the first of it to look at."""
        self.failures[name] += 1
        if len(self.shown) < SHOWN_MAX:
            self.shown.append(told)


@dataclass
class Caller:
    """Who calls: with a key that opens everything, and nothing said of it by the contract in its place.

    sent: how many touchpoints it gave an id of their own.
    """

    session: requests.Session
    headers: dict[str, str]
    found: Found
    sent: int = 0

    def ask(self, case: Any) -> requests.Response:
        """Send a request, and hold its answer against the contract."""
        found = self.found
        answer: requests.Response = case.call(session=self.session, headers=self.headers, timeout=TIMEOUT_S)
        found.requests += 1
        found.statuses[answer.status_code] += 1
        found.routes[f"{case.method} {case.operation.path}"][answer.status_code] += 1
        if answer.status_code >= 500:
            found.note("not_a_server_error", f"{case.as_curl_command()}\n{answer.status_code} {answer.text}")
        if answer.status_code == 401:
            found.note("refused_as_unknown", f"{case.as_curl_command()}\n{answer.status_code} {answer.text}")
        try:
            case.validate_response(answer, checks=CHECKS, headers=self.headers)
        except FailureGroup as failed:
            for each in failed.exceptions:
                found.note(_name(each), f"{case.as_curl_command()}\n{answer.status_code} {each}")
        return answer


def fuzz(url: str, key: str, rounds: Iterator[int], examples: int, between: Callable[[], None] | None = None) -> Found:
    """Call every operation with so many requests of either sort, round after round with other ones.

    Each round begins with ten times as many touchpoints, most of them right, for there must be something to ask for;
    `between` is done after each.
    """
    contract, found = schemathesis.openapi.from_url(f"{url}/openapi.json", timeout=TIMEOUT_S), Found()
    # Else half of the requests would carry a key that was made up, and get no further than to be told so.
    contract.config.generation.update(with_security_parameters=False)
    operations = [each.ok() for each in contract.get_all_operations() if isinstance(each, Ok)]
    appending = next(each for each in operations if (each.method, each.path) == ("post", "/events"))
    with requests.Session() as session:
        caller = Caller(session, {"Authorization": f"Bearer {key}"}, found)
        for turn in rounds:
            _append(appending, caller, turn, 10 * examples)
            for operation in operations:
                if operation.path not in ENDLESS:
                    for mode in GenerationMode:
                        _call(operation, mode, caller, turn, examples)
            if between:
                between()
    return found


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=SLOW,
    )


def _append(operation: Any, caller: Caller, turn: int, examples: int) -> None:
    @seed(turn)
    @_settings(examples)
    @given(sent=one | several, asked=CONDITIONS, prefer=st.sampled_from(["", "wait"]))
    def append(sent: Any, asked: dict[str, Any], prefer: str) -> None:
        form = "application/cloudevents-batch+json" if isinstance(sent, list) else "application/cloudevents+json"
        headers = {"Prefer": prefer} if prefer else {}
        for event in sent if isinstance(sent, list) else [sent]:
            if isinstance(name := event.get("id"), str) and name and name not in FEW:
                # What is drawn has few ids, and the same ones in later rounds: nearly all would be repeats.
                caller.sent += 1
                event["id"] = f"sent-{caller.sent}"
        caller.ask(operation.Case(body=sent, media_type=form, query=asked, headers=headers))

    append()


def _call(operation: Any, mode: GenerationMode, caller: Caller, turn: int, examples: int) -> None:
    @seed(turn)
    @_settings(examples)
    @given(
        case=operation.as_strategy(generation_mode=mode), filters=FILTERS, subject=st.none() | st.sampled_from(SUBJECTS)
    )
    def call(case: Any, filters: dict[str, str], subject: str | None) -> None:
        if operation.path == "/views/{name}" and isinstance(case.query, dict):
            case.query |= filters
        if isinstance(case.query, dict) and "wait" in case.query and mode is GenerationMode.POSITIVE:
            case.query["wait"] = 0  # or most of the time is spent waiting
        if subject and mode is GenerationMode.POSITIVE:  # or nothing is found
            for given_ in (case.path_parameters, case.query):
                if isinstance(given_, dict) and "subject" in given_:
                    given_["subject"] = subject
        caller.ask(case)

    # A route that takes nothing cannot be asked wrongly.
    with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
        call()


def _name(failure: BaseException) -> str:
    return failure.title if isinstance(failure, Failure) else type(failure).__name__


def keep_up(shop: Shell) -> None:
    """Bring the views up to date, and seal."""
    for command in (["run", "--once"], ["seal"]):
        assert shop(*command).code == 0


@contextmanager
def hostile(shop: Shell) -> Iterator[tuple[str, str]]:
    """A service over a log with something in it, its views built; the address, and a key that opens everything."""
    roles = [word for role in ("appender", "auditor", "analyst", "operator") for word in ("--role", role)]
    key = shop("apikey", "make", "fuzz", *roles).out.strip()
    assert shop("record", "OrderPlaced", "--subject", "c1", "order=o1", "total=12.34 EUR").code == 0
    keep_up(shop)
    port = free_port()
    with serving(shop, port):
        yield f"http://127.0.0.1:{port}", key


def main(minutes: float) -> None:
    """Fuzz for so long, and write what came of it."""
    with TemporaryDirectory() as folder, keys_in(Path(folder)):
        shop = Shell(f"sqlite:///{folder}/log.db")
        assert shop("init").code == 0
        with hostile(shop) as (url, key):
            end = monotonic() + minutes * 60
            rounds = takewhile(lambda _: monotonic() < end, count())
            found = fuzz(url, key, rounds, examples=20, between=lambda: keep_up(shop))
        with Engine.open(shop.url) as engine:
            held = engine.log.kinds()
    told = {
        "minutes": minutes,
        "requests": found.requests,
        "five_xx": found.five_xx,
        "failures": dict(found.failures),
        "touchpoints": sum(held.values()),
        "kinds": len(held),
        "statuses": {str(status): times for status, times in sorted(found.statuses.items())},
        "routes": {
            route: {str(status): times for status, times in sorted(statuses.items())}
            for route, statuses in sorted(found.routes.items())
        },
        "shown": found.shown,
    }
    target = ROOT / "build" / "fuzz.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(
        f"{found.requests} requests, {found.five_xx} of them 5xx, {sum(found.failures.values())} against the contract"
    )
    sys.exit(bool(found.five_xx or found.failures))


if __name__ == "__main__":
    main(float(sys.argv[1]))
