"""What is personal is sealed before it is stored, opens for whoever has the keys, and is the same content again."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.clock import clock_us
from adapters.codec import encode, read_envelope, read_touchpoint
from adapters.engine import Engine
from adapters.log import Receipt
from domain.compiled import Encoded
from domain.errors import (
    IdReused,
    InvalidTouchpoint,
    KeysUnusable,
    LifecircleError,
    SettingsInvalid,
    SpecialNotEnabled,
    SubjectErased,
)
from domain.fields import SEALED, is_sealed
from tests.privacy.people import MAIL, NAME, WORDS, registered, told


def test_what_is_personal_is_sealed_and_the_rest_is_not(engine: Engine) -> None:
    engine.append([registered(engine)])
    (stored,) = engine.log.stream("anna")
    data = orjson.loads(stored.state)["data"]
    assert is_sealed(data["name"])
    assert data["party"] == "person"
    assert [(point["type"], is_sealed(point["value"])) for point in data["contact_points"]] == [
        ("email", True),
        ("phone", True),
    ]
    assert data["contact_points"][0]["use"] == "home"
    assert all(map(is_sealed, data["attributes"].values()))
    for value in (NAME, MAIL, "1234567", "bees", "Berlin"):
        assert value.encode() not in stored.state
    opened = engine.sealing.opened(stored.state)
    assert opened
    assert orjson.loads(opened)["data"] == registered(engine).data.model_dump(mode="json", exclude_none=True)


def test_texts_are_sealed_whatever_they_hold_and_wherever_else_they_stand(engine: Engine) -> None:
    for at, words in enumerate((WORDS, 'say "need":"x" \\ \n\u0007\u2028\U0001f41d', '"', "5")):
        sent = told(engine, "NeedRecorded", "anna", f"n{at}", need=words, preference=words)
        engine.append([sent])
        stored = engine.log.stream("anna")[at]
        data = orjson.loads(stored.state)["data"]
        assert is_sealed(data["need"])
        assert is_sealed(data["preference"])
        assert data["need"] != data["preference"]
        opened = engine.sealing.opened(stored.state)
        assert opened
        assert orjson.loads(opened)["data"] == sent.data.model_dump(mode="json", exclude_none=True)
        assert engine.append([sent])[0].repeat


@pytest.mark.parametrize("words", [WORDS, 'say "need":"x" \\ \n\u0007\u2028\U0001f41d', '"', "5", '"content":"5"'])
def test_what_is_compiled_is_sealed_as_what_is_not(engine: Engine, words: str) -> None:
    payloads: dict[str, dict[str, Any]] = {
        "NeedRecorded": {"need": words, "preference": words},
        "ContactMade": {"mode": "call", "content": words},
        "FeedbackGiven": {"opinion": words},
        "CustomerRegistered": {"party": "person", "name": words},
    }
    for kind, data in payloads.items():
        typed = told(engine, kind, "anna", kind, **data)
        given = {**typed.model_dump(mode="json", exclude_none=True, exclude={"dataschema"}), "data": data}
        compiled = read_touchpoint(given, clock_us(), engine.company)
        assert isinstance(compiled, Encoded)
        asyncio.run(engine.append_async([compiled]))
        stored = engine.log.stream("anna")[-1]
        assert engine.sealing.opened(stored.state) == encode(typed)
        assert words not in orjson.loads(stored.state)["data"].values()
        assert [receipt.repeat for receipt in engine.append([typed]) + engine.append([compiled])] == [True, True]


def test_a_repeat_is_known_by_its_content(engine: Engine) -> None:
    first = engine.append([registered(engine)])
    assert engine.append([registered(engine)]) == [first[0]._replace(repeat=True)]
    assert engine.append([registered(engine), registered(engine)]) == [first[0]._replace(repeat=True)] * 2
    with pytest.raises(IdReused):
        engine.append([registered(engine, name="Somebody Else")])
    both: list[list[Receipt] | LifecircleError] = engine.append_each(
        [[registered(engine, "bert")], [registered(engine, "bert")]]
    )
    assert both[1] == [both[0][0]._replace(repeat=True)]  # type: ignore[index]
    assert len(engine.log.stream("bert")) == 1


def test_a_repeat_is_known_after_the_key_is_gone_and_nothing_new_is_let_in(engine: Engine) -> None:
    first = engine.append([registered(engine)])
    engine.sealing.keyring.destroy(engine.sealing.realm, ["anna"])
    assert engine.append([registered(engine)]) == [first[0]._replace(repeat=True)]
    with pytest.raises(IdReused):
        engine.append([registered(engine, name="Somebody Else")])
    with pytest.raises(SubjectErased):
        engine.append([told(engine, "ContactMade", "anna", "c1", mode="call", content=WORDS)])
    engine.append([told(engine, "ContactMade", "anna", "c1", mode="call")])
    assert engine.sealing.opened(engine.log.stream("anna")[0].state) is None


def test_no_sealed_value_is_let_in(engine: Engine) -> None:
    engine.append([registered(engine)])
    (stored,) = engine.log.stream("anna")
    name = orjson.loads(stored.state)["data"]["name"]
    with pytest.raises(InvalidTouchpoint):
        engine.append([told(engine, "CustomerRegistered", "bert", "r1", party="person", name=name)])
    with pytest.raises(InvalidTouchpoint):
        engine.append([told(engine, "OrderPlaced", "bert", "o1", order="o1", payment_method=name)])


def test_special_traits_are_refused_unless_enabled(engine: Engine) -> None:
    trait: dict[str, Any] = {"field": "health", "new_special": "asthma"}
    with pytest.raises(SpecialNotEnabled):
        engine.append([told(engine, "ProfileFieldChanged", "anna", "p1", **trait)])
    engine.change_settings({"special_data": True})
    engine.append([told(engine, "ProfileFieldChanged", "anna", "p1", **trait)])
    assert b"asthma" not in engine.log.stream("anna")[0].state


def test_a_correction_seals_what_it_puts_in_place(engine: Engine) -> None:
    engine.append([registered(engine)])
    engine.append(
        [
            told(
                engine,
                "TouchpointCorrected",
                "anna",
                "k1",
                target="r1",
                replacement={"name": "Zuzana Nová"},
                reason="typo",
            )
        ]
    )
    engine.append(
        [
            told(
                engine,
                "TouchpointCorrected",
                "anna",
                "k2",
                target="later",
                replacement={"content": WORDS, "mode": "call"},
                reason="typo",
            )
        ]
    )
    assert not any(
        "Nová".encode() in stored.state or WORDS.encode() in stored.state for stored in engine.log.stream("anna")
    )
    (fact,) = [fact for fact in engine.history("anna") if fact.kind == "CustomerRegistered"]
    assert is_sealed(fact.data["name"])
    assert fact.data["contact_points"][0]["type"] == "email"
    opened = engine.sealing.opened(orjson.dumps(fact.data))
    assert opened
    assert orjson.loads(opened)["name"] == "Zuzana Nová"
    engine.append([told(engine, "ContactMade", "anna", "later", mode="visit", content="?")])
    (fact,) = [fact for fact in engine.history("anna") if fact.kind == "ContactMade"]
    assert fact.data["mode"] == "call"


def test_a_sealed_value_opens_as_nothing_else_and_nowhere_else(engine: Engine, tmp_path: Path) -> None:
    engine.append([registered(engine), registered(engine, "bert", "Bert")])
    (ours,), (theirs,) = ([fact.data for fact in engine.history(subject)] for subject in ("anna", "bert"))
    about, value = theirs["name"].removeprefix(SEALED).split(".")
    moved = f"{ours['name'].partition('.')[0]}.{value}"
    for sealed in (moved, f"{SEALED}{about}.{value[:-8]}AAAAAAA=", f"{SEALED}{about}", f"{SEALED}?.?"):
        with pytest.raises(KeysUnusable):
            engine.sealing.opened(orjson.dumps({"name": sealed}))
    with Engine.create(f"sqlite:///{tmp_path}/other.db") as other, pytest.raises(KeysUnusable, match="another log"):
        other.sealing.opened(orjson.dumps(ours))


def test_custom_fields_are_sealed_where_the_companys_schema_says_so(engine: Engine) -> None:
    personal = {"type": "string", "x-personal": True}
    person = {"properties": {"nickname": personal, "size": {"type": "integer"}}}
    schema = {"properties": {"friends": {"type": "array", "items": person}, "note": personal}}
    engine.change_settings({"custom": {"OrderPlaced": schema}})
    given = {
        "id": "o1",
        "source": "shop",
        "type": "OrderPlaced",
        "subject": "anna",
        "time": "2026-03-01T10:00:00Z",
        "data": {"order": "o1", "total": "1 EUR"},
        "custom": {"friends": [{"nickname": "Zuzka", "size": 4}, {"size": 5}], "note": "for her birthday"},
    }
    first = engine.append([read_envelope(given, clock_us(), engine.company)])
    (stored,) = engine.log.stream("anna")
    assert b"Zuzka" not in stored.state
    custom = orjson.loads(stored.state)["custom"]
    assert is_sealed(custom["note"])
    assert [(is_sealed(each.get("nickname")), each["size"]) for each in custom["friends"]] == [(True, 4), (False, 5)]
    assert engine.append([read_envelope(given, clock_us(), engine.company)]) == [first[0]._replace(repeat=True)]
    for hidden in ({"$defs": {"a": personal}}, {"properties": {"a": {"anyOf": [personal]}}}, personal):
        with pytest.raises(SettingsInvalid):
            engine.change_settings({"custom": {"*": hidden}})


def test_tasks_that_meet_new_people_get_their_keys_together(engine: Engine) -> None:
    persons = [f"p{number % 10}" for number in range(40)]
    touchpoints = [
        told(engine, "ContactMade", person, f"c{at}", mode="call", content=f"{WORDS} {at}")
        for at, person in enumerate(persons)
    ]

    async def send() -> list[list[Receipt]]:
        return await asyncio.gather(*(engine.append_async([touchpoint]) for touchpoint in touchpoints))

    receipts = asyncio.run(send())
    assert all(receipt.stream == person for (receipt,), person in zip(receipts, persons, strict=True))
    words = set()
    for person in set(persons):
        for stored in engine.log.stream(person):
            opened = engine.sealing.opened(stored.state)
            assert opened
            words.add(orjson.loads(opened)["data"]["content"])
    assert len(words) == len(touchpoints)
    assert asyncio.run(send()) == [[receipt._replace(repeat=True)] for (receipt,) in receipts]


def test_two_programs_that_meet_the_same_people_at_once_seal_under_the_same_keys(engine: Engine) -> None:
    persons = [f"p{number}" for number in range(12)]

    async def send(through: Engine, mark: str) -> None:
        calls = [
            told(through, "ContactMade", person, f"{mark}{person}", mode="call", content=WORDS) for person in persons
        ]
        await asyncio.gather(*(through.append_async([call]) for call in calls))

    with Engine.open(engine.url) as other, ThreadPoolExecutor(2) as both:
        sent = [both.submit(asyncio.run, send(each, mark)) for each, mark in ((engine, "a"), (other, "b"))]
        assert [each.result() for each in sent] == [None, None]
        asyncio.run(send(other, "c"))
    with Engine.open(engine.url) as fresh:
        asyncio.run(send(fresh, "d"))  # these keys are there, and not in memory
        for person in persons:
            assert all(fresh.sealing.opened(stored.state) for stored in fresh.log.stream(person))
            assert len(fresh.log.stream(person)) == 4


def test_a_round_goes_on_without_those_whose_keys_are_not_to_be_had(sqlite_url: str, tmp_path: Path) -> None:
    async def send(through: Engine) -> list[object]:
        groups = [
            [told(through, "ContactMade", "gone", "c1", mode="call", content=WORDS)],
            [told(through, "ContactMade", "new", "c2", mode="call", content=WORDS)],
            [told(through, "OrderPlaced", "bert", "o1", order="o1", total="1 EUR")],
        ]
        return await asyncio.gather(*map(through.append_async, groups), return_exceptions=True)

    with Engine.create(sqlite_url) as engine:
        engine.append([registered(engine, "gone")])
        engine.sealing.keyring.destroy(engine.sealing.realm, ["gone"])
    with Engine.open(sqlite_url) as engine:
        refused, *stored = asyncio.run(send(engine))
        assert isinstance(refused, SubjectErased)
        assert not any(isinstance(each, BaseException) for each in stored)
    (tmp_path / "log.keys.db").rename(tmp_path / "away.db")
    with Engine.open(sqlite_url) as engine:
        assert [type(each) for each in asyncio.run(send(engine))] == [KeysUnusable, KeysUnusable, list]
