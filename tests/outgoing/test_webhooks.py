"""Touchpoints as a receiver of webhooks gets them: which, in which order, signed how, and what becomes of failures."""

import base64
import hashlib
import hmac
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep, time

import pytest

from tests.cli.program import Shell
from tests.faults.skew import skewed
from tests.outgoing.conftest import INSIDE, Received, Receiver, done, ordered, standing

PAUSES_S = (0.0, 0.04, 0.1)
"""How long relays live on after they delivered something."""
PATIENCE_S = 30


def relayed(shell: Shell, *options: str) -> None:
    done(shell, "relay", "--once", *INSIDE, *options)


def subscribed(shell: Shell, to: str, *options: str) -> str:
    """Subscribe; the secret."""
    return done(shell, "subscription", "add", "hook", to, *options).out.strip()


def verified(received: Received, secret: str) -> bool:
    """Whether one of the signatures is right, reckoned as the Standard Webhooks specification says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = received.headers
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), received.body])
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return wanted in headers["webhook-signature"].split(" ")


def test_every_touchpoint_arrives_once_in_its_subjects_order_signed(shop: Shell, receiver: Receiver) -> None:
    secret = subscribed(shop, f"{receiver.address}/204")
    ordered(shop, "c1", "c2", "c3", each=5)

    relayed(shop)
    relayed(shop)

    came = receiver.received()
    assert len({each.headers["webhook-id"] for each in came}) == len(came) == 15
    for subject in ("c1", "c2", "c3"):
        ids = [event["id"] for each in came for event in each.events if event["subject"] == subject]
        assert ids == [f"{subject}-{number}" for number in range(5)]
    assert all(verified(each, secret) for each in came)
    first = came[0]
    assert first.headers["content-type"].startswith("application/cloudevents+json")
    assert abs(int(first.headers["webhook-timestamp"]) - time()) < PATIENCE_S
    assert first.events[0].keys() >= {"specversion", "id", "source", "type", "subject", "time", "data", "position"}
    assert standing(shop)["delivered"] == 15


def test_a_changed_body_or_another_secret_is_found_out(file_shop: Shell, receiver: Receiver) -> None:
    secret = subscribed(file_shop, f"{receiver.address}/204")
    ordered(file_shop, "c1")
    relayed(file_shop)
    (came,) = receiver.received()

    forged = Received(came.path, came.headers, came.body.replace(b"c1", b"c2"), came.status)
    assert verified(came, secret)
    assert not verified(forged, secret)
    assert not verified(came, "whsec_" + base64.b64encode(bytes(32)).decode())


def test_while_a_secret_is_rotated_both_verify(file_shop: Shell, receiver: Receiver) -> None:
    old = subscribed(file_shop, f"{receiver.address}/204")
    new = done(file_shop, "subscription", "rotate", "hook").out.strip()
    ordered(file_shop, "c1")
    relayed(file_shop)
    assert file_shop("subscription", "rotate", "hook").code == 8  # one is under way
    done(file_shop, "subscription", "rotate", "hook", "--finish")
    ordered(file_shop, "c2")
    relayed(file_shop)

    both, alone = receiver.received()
    assert verified(both, old)
    assert verified(both, new)
    assert verified(alone, new)
    assert not verified(alone, old)


def test_only_what_is_wanted_is_delivered(file_shop: Shell, receiver: Receiver) -> None:
    for name, options in {
        "kind": ["--kind", "TicketOpened"],
        "phase": ["--phase", "order", "--subject", "b2"],
        "prefix": ["--subjects", "a", "--subject", "b1"],
    }.items():
        done(file_shop, "subscription", "add", name, f"{receiver.address}/204/{name}", *options)
    ordered(file_shop, "a1", "a2", "b1", "b2")
    done(file_shop, "record", "TicketOpened", "--subject", "b2", "--id", "t", "ticket=t1")

    relayed(file_shop)

    told = {
        name: sorted(e["id"] for r in receiver.received() for e in r.events if r.path.endswith(name))
        for name in ("kind", "phase", "prefix")
    }
    assert told == {"kind": ["t"], "phase": ["b2-0"], "prefix": ["a1-0", "a2-0", "b1-0"]}


def test_a_batch_holds_one_subjects_touchpoints_in_order(file_shop: Shell, receiver: Receiver) -> None:
    secret = subscribed(file_shop, f"{receiver.address}/204", "--batch", "4")
    ordered(file_shop, "c1", "c2", each=6)

    relayed(file_shop)

    came = receiver.received()
    assert sorted(len(each.events) for each in came) == [2, 2, 4, 4]
    assert all(len({event["subject"] for event in each.events}) == 1 for each in came)
    assert [e["id"] for each in came for e in each.events if e["subject"] == "c1"] == [f"c1-{n}" for n in range(6)]
    assert all(verified(each, secret) for each in came)
    assert all(each.headers["content-type"].startswith("application/cloudevents-batch+json") for each in came)


def test_a_poisoned_touchpoint_parks_its_subject_visibly_and_others_go_on(shop: Shell, receiver: Receiver) -> None:
    subscribed(shop, f"{receiver.address}/poison/422", "--attempts", "1")
    ordered(shop, "c1", "poison", "c2", each=3)

    relayed(shop)
    ordered(shop, "c1", "poison", start=3)
    relayed(shop)

    assert sorted(receiver.subjects(status=204)) == ["c1"] * 4 + ["c2"] * 3
    (parked,) = done(shop, "subscription", "parked", "hook", "--format", "json").json
    assert (parked["subject"], parked["state"], parked["touchpoint"], parked["answer"]) == (
        "poison",
        "parked",
        "poison-0",
        "422",
    )
    assert receiver.subjects(status=422) == ["poison"]  # nothing behind it was tried

    done(shop, "subscription", "release", "hook", "poison", "--skip")
    relayed(shop)
    (parked,) = done(shop, "subscription", "parked", "hook", "--format", "json").json
    assert parked["touchpoint"] == "poison-1"


def test_what_is_released_is_delivered_from_where_it_stopped(shop: Shell, receiver: Receiver, tmp_path: Path) -> None:
    subscribed(shop, f"{receiver.address}/poison/500", "--attempts", "1")
    ordered(shop, "c1", "poison", each=3)
    relayed(shop)

    # The receiver is mended: it takes what it did not.
    done(shop, "subscription", "remove", "hook")
    subscribed(shop, f"{receiver.address}/poison/204", "--attempts", "1", "--tail")
    assert done(shop, "subscription", "parked", "hook", "--format", "json").json == []
    done(shop, "subscription", "replay", "hook")
    relayed(shop)

    ids = [e["id"] for each in receiver.received(status=204) for e in each.events if e["subject"] == "poison"]
    assert ids == ["poison-0", "poison-1", "poison-2"]


def test_a_receiver_that_takes_nothing_is_waited_for_and_nobody_is_parked(shop: Shell, receiver: Receiver) -> None:
    subscribed(shop, f"{receiver.address}/503")
    ordered(shop, *(f"c{number}" for number in range(20)))

    relayed(shop)

    stands = standing(shop)
    assert (stands["state"], stands["failures"], stands["parked"], stands["last_answer"]) == ("waiting", 1, 0, "503")
    assert stands["next_attempt"] is not None
    assert len(receiver.received()) <= 16  # not everybody was tried in vain
    assert done(shop, "subscription", "parked", "hook", "--format", "json").json == []


def test_a_receiver_that_is_gone_pauses_its_subscription(file_shop: Shell, receiver: Receiver) -> None:
    subscribed(file_shop, f"{receiver.address}/410")
    ordered(file_shop, "c1")

    relayed(file_shop)

    assert (standing(file_shop)["state"], standing(file_shop)["last_answer"]) == ("paused", "410")


def test_no_redirect_is_followed(file_shop: Shell, receiver: Receiver) -> None:
    subscribed(file_shop, f"{receiver.address}/moved", "--attempts", "1")
    ordered(file_shop, "c1")

    relayed(file_shop)

    assert [each.path for each in receiver.received()] == ["/moved"]
    assert standing(file_shop)["parked"] == 1


def test_a_replay_delivers_again_under_the_same_ids(shop: Shell, receiver: Receiver) -> None:
    subscribed(shop, f"{receiver.address}/204")
    ordered(shop, "c1", each=4)
    relayed(shop)
    done(shop, "subscription", "replay", "hook", "--from", "1/3")
    relayed(shop)

    ids = [each.headers["webhook-id"] for each in receiver.received()]
    assert len(ids) == 6
    assert ids[4:] == ids[2:4]
    assert shop("subscription", "replay", "hook", "--from", "1/9").code != 0  # ahead: it would leave something out


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_a_webhook_never_reaches_an_internal_host_unless_that_is_allowed(
    file_shop: Shell, receiver: Receiver, host: str
) -> None:
    port = receiver.address.rpartition(":")[2]
    subscribed(file_shop, f"http://{host}:{port}/204", "--attempts", "1")
    ordered(file_shop, "c1")

    done(file_shop, "relay", "--once", "--allow-http", "--allow-internal", "intranet")

    (parked,) = done(file_shop, "subscription", "parked", "hook", "--format", "json").json
    assert parked["answer"] == "not sent: the host is internal"
    assert receiver.received() == []


def test_plain_http_is_refused_unless_it_is_allowed(file_shop: Shell, receiver: Receiver) -> None:
    subscribed(file_shop, f"{receiver.address}/204", "--attempts", "1")
    ordered(file_shop, "c1")

    done(file_shop, "relay", "--once", "--allow-internal", "127.0.0.1")

    assert standing(file_shop)["last_answer"] == "not sent: plain http is not allowed"
    assert receiver.received() == []


def test_a_receiver_that_never_answers_is_given_up_in_time(file_shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.settings import LIMITS

    monkeypatch.setitem(LIMITS.__dict__, "outgoing_answer_s", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        subscribed(file_shop, f"http://127.0.0.1:{silent.getsockname()[1]}/", "--attempts", "1")
        ordered(file_shop, "c1")
        relayed(file_shop)

    assert standing(file_shop)["last_answer"] == "no answer in time"


def test_personal_data_is_sent_in_its_sealed_form(file_shop: Shell, receiver: Receiver) -> None:
    subscribed(file_shop, f"{receiver.address}/204")
    done(file_shop, "record", "CustomerRegistered", "--subject", "c1", "party=person", "name=Ada Lovelace")

    relayed(file_shop)

    (came,) = receiver.received()
    assert b"Ada" not in came.body
    assert b"Lovelace" not in came.body
    assert came.events[0]["data"]["name"]


def test_a_relay_that_is_killed_again_and_again_loses_nothing(shop: Shell, receiver: Receiver) -> None:
    subscribed(shop, f"{receiver.address}/slow")
    subjects, each = [f"c{number}" for number in range(8)], 30
    ordered(shop, *subjects, each=each)
    before = 0
    for pause_s in PAUSES_S:
        with shop.start("relay", *INSIDE) as relay:
            _until(lambda: len(receiver.received()) > before)  # noqa: B023 - asked before it changes
            sleep(pause_s)
            relay.kill()
            relay.wait()
        before = len(receiver.received())
    assert standing(shop)["delivered"] < len(subjects) * each  # it was killed before it had done everything
    relayed(shop)

    by_id: dict[str, str] = {}
    for came in receiver.received():
        by_id.setdefault(came.headers["webhook-id"], came.events[0]["id"])
    assert len(by_id) == len(subjects) * each
    for subject in subjects:
        told = [name for name in by_id.values() if name.startswith(f"{subject}-")]
        assert told == [f"{subject}-{number}" for number in range(each)]


def test_of_two_relays_one_delivers_and_the_other_takes_over(shop: Shell, receiver: Receiver) -> None:
    subscribed(shop, f"{receiver.address}/204")
    with shop.start("relay", *INSIDE) as first:
        ordered(shop, "c1")
        _until(lambda: len(receiver.received()) == 1)
        with shop.start("relay", *INSIDE) as second:
            ordered(shop, "c2")
            _until(lambda: standing(shop)["delivered"] == 2)
            first.kill()
            first.wait()
            ordered(shop, "c3")
            _until(lambda: len(receiver.received()) == 3)
            second.terminate()
            assert second.wait(PATIENCE_S) == 0
    assert receiver.subjects() == ["c1", "c2", "c3"]


def _until(true: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE_S
    while not true():
        assert monotonic() < deadline
        sleep(0.02)


def test_a_clock_that_was_set_back_holds_nobody_up(file_shop: Shell, receiver: Receiver) -> None:
    subscribed(file_shop, f"{receiver.address}/poison/500")
    ordered(file_shop, "poisoned", "sound")
    with skewed(file_shop.url) as turn:
        turn(5 * 3_600)
        relayed(file_shop)
        turn(0)
        relayed(file_shop)
    assert receiver.subjects(status=500) == ["poisoned"] * 2
