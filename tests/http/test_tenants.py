"""Several companies in one server: nothing of one is another's, whatever is asked, fails, comes or goes."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from adapters.apikeys import ApiKeys, Role
from adapters.engine import Engine
from adapters.http.hosting import Hosting
from adapters.http.tokens import Tokens, identity
from adapters.tenants import TenantsUnusable, read_tenants
from tests.cli.program import Shell, event
from tests.conftest import fresh_database
from tests.http.calls import Response, send
from tests.http.routes import PUBLIC, RIGHTS, STREAM, Somebody, ask
from tests.http.serving import caller, free_port, serving
from tests.http.test_tokens import PROVIDER, RSA, key_set, token
from tests.http.worlds import populate, somebody

NAMES = ("alpha", "beta")
OWN_PLACES = ("LIFECIRCLE_KEYS", "LIFECIRCLE_KEK_FILE")
"""The variables by which all other tests share a key store."""


@pytest.fixture(autouse=True)
def _folder() -> None:
    """Tests that share a server share its folder: keys of PostgreSQL logs lie where it was started."""


class Served(NamedTuple):
    """A server of two tenants, each with somebody; a caller of it; and a key of each tenant that opens everything."""

    client: TestClient
    file: Path
    urls: dict[str, str]
    keys: dict[str, str]
    about: dict[str, Somebody]

    def asked(self, route: tuple[str, str], about: Somebody, key: str, prefix: str = "") -> Response:
        """Ask with a key, perhaps below a prefix."""
        return ask(self.client, route, about, prefix, Authorization=f"Bearer {key}")


def write(file: Path, urls: dict[str, str]) -> None:
    """Name tenants, all at once, as an operator's tools do."""
    fresh = file.with_suffix(".new")
    fresh.write_text("".join(f'[{name}]\nlog = "{url}"\n' for name, url in urls.items()))
    fresh.replace(file)


@contextmanager
def owned_database() -> Iterator[str]:
    """A database of a PostgreSQL server that has an account of its own, and lets nobody else in."""
    with fresh_database() as url:
        account, database = f"a{uuid4().hex[:12]}", str(conninfo_to_dict(url)["dbname"])
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(account)))
            admin.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(Identifier(database), Identifier(account)))
            admin.execute(SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(Identifier(database)))
        yield url.replace("postgres@", f"{account}@")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(SQL("REASSIGN OWNED BY {} TO postgres").format(Identifier(account)))
            admin.execute(SQL("DROP OWNED BY {}").format(Identifier(account)))
            admin.execute(SQL("DROP ROLE {}").format(Identifier(account)))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("tenants")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(folder)
        for name in OWN_PLACES:
            patch.delenv(name, raising=False)
        urls = {name: f"sqlite:///{folder}/{name}.db" for name in NAMES}
        if request.param == "postgres":
            urls = {name: stack.enter_context(owned_database()) for name in NAMES}
        about = {name: somebody(name) for name in NAMES}
        for name in NAMES:
            populate(urls[name], about[name])
        keys = {name: ApiKeys.of_log(urls[name]).make("all", Role) for name in NAMES}
        write(folder / "tenants.toml", urls)
        client = stack.enter_context(TestClient(Hosting(folder / "tenants.toml")))
        yield Served(client, folder / "tenants.toml", urls, keys, about)


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def counts(url: str) -> dict[str, int]:
    """What a log holds, beside its notes of what was refused."""
    with Engine.open(url) as engine:
        held = engine.log.kinds()
    return {kind: count for kind, count in held.items() if kind not in ("AccessDenied", "TouchpointRefused")}


def masked(answer: Response, about: Somebody) -> tuple[int, str]:
    """An answer without what differs from one request to the next."""
    text = answer.text
    for name in sorted(about, key=len, reverse=True):
        text = text.replace(name, "NAME")
    return answer.status_code, text


def test_a_tenant_reaches_all_of_its_own_by_its_key_with_and_without_its_prefix(served: Served) -> None:
    for name, prefix in (("alpha", ""), ("beta", "/tenants/beta")):
        for route, right in RIGHTS.items():
            if route[0] == "GET" and route != STREAM:
                answer = served.asked(route, served.about[name], served.keys[name], prefix)
                assert answer.status_code == right.status, route
        history = ("GET", "/subjects/{subject:path}/history")
        assert served.about[name].order in served.asked(history, served.about[name], served.keys[name], prefix).text


def test_nothing_of_one_is_reachable_by_the_key_of_another_on_any_route(served: Served) -> None:
    before, key = counts(served.urls["alpha"]), served.keys["beta"]
    theirs, nobodys = served.about["alpha"], somebody("nobody")
    for route in sorted(RIGHTS):  # what asks comes before what writes
        if route == STREAM:
            continue
        own = served.asked(route, theirs, key)
        nothing = served.asked(route, nobodys, key)
        # What beta writes under such a name, or is refused, is beta's own.
        assert own.status_code == nothing.status_code, route
        if route[0] == "GET":
            assert theirs.order not in own.text, route
            if route[1] not in ("/events", "/status", "/views", "/metrics"):  # which name nobody, and go on
                assert masked(own, theirs) == masked(nothing, nobodys), route
        # Below the prefix of a tenant another one's key is as unknown as any, and so is a tenant that there is not.
        answers = {
            (each.status_code, each.text)
            for prefix, sent in (("alpha", key), ("alpha", "lc_0_0"), ("nobody", key), ("nobody", served.keys["alpha"]))
            for each in [served.asked(route, theirs, sent, f"/tenants/{prefix}")]
        }
        assert len(answers) == 1, route
        assert answers.pop()[0] == 401, route
    assert counts(served.urls["alpha"]) == before


def test_what_is_public_is_a_tenants_below_its_prefix_alone(served: Served) -> None:
    until(lambda: served.client.get("/readyz").status_code == 200)
    told: dict[str, dict[str, str]] = {}
    for name in ("", *NAMES, "nobody"):
        prefix = f"/tenants/{name}" if name else ""
        answers = {path: ask(served.client, ("GET", path), served.about["alpha"], prefix) for path in PUBLIC}
        told[name] = {path: answer.text for path, answer in answers.items()}
        for path, answer in answers.items():
            common = path in ("/livez", "/kinds") or (path == "/readyz" and not name)
            assert answer.status_code == (200 if name in NAMES or common else 404), (name, path)
    for path in PUBLIC:
        if path.startswith("/seal"):
            assert told["alpha"][path] != told["beta"][path], path
    assert "/tenants/beta/kinds/OrderPlaced" in told["beta"]["/kinds"]


def test_a_key_of_one_tenant_approves_nothing_for_another(served: Served) -> None:
    with Engine.open(served.urls["beta"]) as engine:
        engine.change_settings({"erasure_by_two": True})
    asked = f"/subjects/{served.about['beta'].subject}/erasure"
    headers = {"Authorization": f"Bearer {served.keys['beta']}", "Approval": f"Bearer {served.keys['alpha']}"}
    answer = served.client.post(asked, json={"basis": "Art. 17"}, headers=headers)
    assert (answer.status_code, answer.json()["where"]) == (403, "Approval")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server of one tenant, alpha, in files; beta's log is there, and not named."""
    for name in OWN_PLACES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    urls = {name: f"sqlite:///{tmp_path}/{name}.db" for name in NAMES}
    for url in urls.values():
        assert Shell(url)("init").code == 0
    keys = {name: ApiKeys.of_log(urls[name]).make("all", Role) for name in NAMES}
    write(tmp_path / "tenants.toml", {"alpha": urls["alpha"]})
    with TestClient(Hosting(tmp_path / "tenants.toml")) as client:
        yield Served(client, tmp_path / "tenants.toml", urls, keys, {name: somebody(name) for name in NAMES})


def status(served: Served, name: str, prefix: str = "") -> int:
    found: int = served.client.get(f"{prefix}/status", headers=bearer(served, name)).status_code
    return found


def bearer(served: Served, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.keys[name]}"}


def test_tenants_come_and_go_while_the_server_runs(alone: Served) -> None:
    assert (status(alone, "alpha"), status(alone, "beta")) == (200, 401)
    write(alone.file, alone.urls)
    assert (status(alone, "alpha"), status(alone, "beta")) == (200, 200)
    alone.file.write_text("[alpha")
    assert (status(alone, "alpha"), status(alone, "beta")) == (200, 200), "a file that cannot be read changes nothing"
    write(alone.file, {"beta": alone.urls["beta"]})
    assert (status(alone, "alpha"), status(alone, "beta")) == (401, 200)
    assert status(alone, "beta", "/tenants/alpha") == 401
    alone.file.unlink()
    assert status(alone, "beta") == 200
    write(alone.file, {"gamma": alone.urls["beta"]})
    assert (status(alone, "beta"), status(alone, "beta", "/tenants/gamma")) == (200, 200)


def test_a_tenant_whose_database_is_broken_takes_no_other_down(alone: Served) -> None:
    database = Path(alone.urls["beta"].removeprefix("sqlite:///"))
    database.rename(database.with_suffix(".away"))
    write(alone.file, alone.urls)
    refused = alone.client.get("/status", headers=bearer(alone, "beta"))
    assert (refused.status_code, refused.json()["rule"], "where" in refused.json()) == (503, "LogNotFound", False)
    assert status(alone, "alpha") == 200
    told = alone.client.get("/readyz")
    assert (told.status_code, told.json()["tenants"]["beta"]) == (
        200,
        {"status": "unavailable", "error": "LogNotFound"},
    )
    assert told.json()["tenants"]["alpha"]["status"] == "ready"
    database.with_suffix(".away").rename(database)
    until(lambda: status(alone, "beta") == 200)
    keys = ApiKeys.of_log(alone.urls["beta"]).path
    unseen = {"Authorization": f"Bearer {ApiKeys(keys).make('unseen', Role)}"}
    keys.chmod(0o644)
    keys.touch()
    assert alone.client.get("/readyz").json()["tenants"]["beta"]["error"] == "ApiKeysUnusable"
    assert (status(alone, "beta"), status(alone, "alpha")) == (503, 200)
    assert alone.client.get("/status", headers=unseen).status_code == 503, "it may be a key that cannot be read"
    write(alone.file, {"beta": alone.urls["beta"]})
    assert alone.client.get("/readyz").status_code == 503, "none is ready"


@pytest.mark.parametrize("served", ["postgres"], indirect=True)
def test_a_tenant_whose_database_hangs_holds_up_itself_alone(served: Served) -> None:
    client, beta = served.client, bearer(served, "beta")
    asked = [f"/subjects/{served.about['beta'].subject}/history", "/events?wait=1", "/readyz"]
    with ThreadPoolExecutor(150) as pool, psycopg.connect(served.urls["beta"]) as held:
        held.execute("LOCK TABLE lifecircle.touchpoints IN ACCESS EXCLUSIVE MODE")
        stuck = [pool.submit(client.get, path, headers=beta) for path in asked for _ in range(45)]
        stuck += [pool.submit(send, client, None, "/events", **beta) for _ in range(4)]
        time.sleep(0.3)
        assert send(client, **bearer(served, "alpha")).status_code in (200, 201)
        assert status(served, "alpha") == 200
        assert not all(each.done() for each in stuck), "they were not held up, so nothing is shown"
        held.rollback()
        assert {each.result().status_code for each in stuck} <= {200, 201, 503}


def test_a_token_is_for_the_tenant_that_it_names(alone: Served, tmp_path: Path) -> None:
    write(alone.file, alone.urls)
    (tmp_path / "jwks.json").write_bytes(key_set(k1=RSA))
    (tmp_path / "oidc.toml").write_text('tenant_claim = "org"\n' + PROVIDER)
    with TestClient(Hosting(alone.file, Tokens(identity(tmp_path / "oidc.toml")))) as client:

        def asked(prefix: str = "", **claims: Any) -> int:
            sent = {"Authorization": f"Bearer {token(**claims)}"}
            found: int = client.get(f"{prefix}/status", headers=sent).status_code
            return found

        assert [asked(org="alpha"), asked(org="beta"), asked("/tenants/beta", org="beta")] == [200, 200, 200]
        nobodys = [asked(org="gamma"), asked(org=None), asked(org=["alpha"]), asked("/tenants/beta", org="alpha")]
        assert nobodys == [401, 401, 401, 401]
        alpha = {"Authorization": f"Bearer {token(org='alpha')}"}
        assert send(client, **alpha).status_code == 201
    assert counts(alone.urls["alpha"]).get("OrderPlaced") == 1
    assert "OrderPlaced" not in counts(alone.urls["beta"])


def test_tenants_that_would_share_anything_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWN_PLACES:
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "tenants.toml"
    flawed = [
        {"a": "sqlite:///one.db", "b": f"sqlite:///{Path.cwd()}/one.db"},
        {"a": "sqlite:///one.db", "b": "sqlite:///one.sqlite"},
        {"a": "postgresql://a@one/crm", "b": "postgresql://b@two/crm"},
        {"A": "sqlite:///one.db"},
        {"a": "mysql://x"},
        {"a": "sqlite://"},
    ]
    for urls in flawed:
        write(file, urls)
        with pytest.raises(TenantsUnusable):
            read_tenants(file)
    write(file, {"a": "sqlite:///one.db", "b": "sqlite:///two.db"})
    assert read_tenants(file).keys() == {"a", "b"}
    monkeypatch.setenv("LIFECIRCLE_API_KEYS", str(tmp_path / "keys"))
    with pytest.raises(TenantsUnusable, match="API keys"):
        read_tenants(file)


def test_an_account_that_may_enter_another_tenants_database_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OWN_PLACES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with owned_database() as alpha, fresh_database() as beta:
        urls = {"alpha": alpha, "beta": beta}  # which is a superuser's
        for url in urls.values():
            Engine.create(url).close()
        keys = {name: ApiKeys.of_log(url).make("all", Role) for name, url in urls.items()}
        write(tmp_path / "tenants.toml", {"alpha": alpha})
        with TestClient(Hosting(tmp_path / "tenants.toml")) as client:
            served = Served(client, tmp_path / "tenants.toml", urls, keys, {})
            assert status(served, "alpha") == 200
            write(served.file, urls)
            assert client.get("/readyz").json()["tenants"]["beta"]["error"] == "TenantsNotSeparate"
            assert (status(served, "alpha"), status(served, "beta")) == (200, 503)


def test_a_server_as_a_process_serves_tenants_to_their_own_callers(alone: Served) -> None:
    write(alone.file, alone.urls)
    shell, port = Shell(alone.urls["alpha"]), free_port()
    analyst = ApiKeys.of_log(alone.urls["alpha"]).make("ann", [Role.ANALYST])
    with serving(shell, port, "--tenants", str(alone.file)):
        for name in NAMES:
            with caller(port, alone.keys[name]) as client:
                sent = event(id=f"of-{name}", subject=name)
                assert client.post("/events", content=json.dumps(sent)).status_code == 201
                with client.stream("GET", "/stream") as stream:
                    told = next(line for line in stream.iter_lines() if "of-" in line)
                assert json.loads(told.removeprefix("data: "))["subject"] == name
        for key, status in ((analyst, 403), ("lc_0_0", 401)):
            with caller(port, key) as client:
                assert client.get("/stream").status_code == status
    alone.file.write_text('[alpha]\nlog = "nowhere"\n')
    refused = shell("serve", "--tenants", str(alone.file))
    assert (refused.code, "TenantsUnusable" in refused.err) == (8, True)
