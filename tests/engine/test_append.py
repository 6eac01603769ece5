"""What the door admits, refuses and answers, on both databases."""

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from adapters.codec import encode
from adapters.engine import Engine
from adapters.log import Receipt, bucket_of
from domain.errors import (
    CorrectionRefused,
    IdReused,
    InvalidTouchpoint,
    MergeRefused,
    RepeatMixedWithNew,
    RuleBroken,
    UnknownSubject,
    VersionConflict,
)
from domain.touchpoint import KINDS, Envelope, Touchpoint
from tests.engine.conftest import Touch


def _dense(receipts: list[Receipt], buckets: int) -> None:
    """The numbers of each bucket count from 1 in the order of the receipts."""
    for bucket in range(1, buckets + 1):
        numbers = [receipt.number for receipt in receipts if receipt.bucket == bucket]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_receipt_says_where_it_stands_and_what_was_stored(engine: Engine, touch: Touch) -> None:
    placed = touch("OrderPlaced", "anna", "1", order="o1", total="10 EUR")
    (receipt,) = engine.append([placed])
    assert (receipt.stream, receipt.version, receipt.number) == ("anna", 1, 1)
    assert receipt.bucket == bucket_of("anna", engine.log.buckets)
    assert receipt.digest == sha256(encode(placed)).digest()
    assert not receipt.repeat


def test_the_same_again_is_answered_with_its_first_receipt(engine: Engine, touch: Touch) -> None:
    placed = touch("OrderPlaced", "anna", "1", order="o1", total="10 EUR")
    (first,) = engine.append([placed])
    for strict in (False, True):
        (again,) = engine.append([placed], expected=0, strict=strict)
        assert again == first._replace(repeat=True)
    assert len(engine.history("anna")) == 1


def test_an_id_used_again_with_other_content_is_refused(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "anna", "1", order="o1", total="10 EUR")])
    with pytest.raises(IdReused) as refused:
        engine.append([touch("OrderPlaced", "anna", "1", order="o1", total="11 EUR")])
    assert "11" not in str(refused.value)
    assert len(engine.history("anna")) == 1


def _gift_wrapped_by_its_paper() -> None:
    class GiftWrapped(Touchpoint):
        """The order was wrapped as a gift."""

        paper: str

    assert KINDS["GiftWrapped"] is GiftWrapped


def _gift_wrapped_by_its_colour() -> None:
    class GiftWrapped(Touchpoint, schema_version=2):
        """The order was wrapped as a gift."""

        colour: str

        @staticmethod
        def upcast_v1_v2(data: dict[str, str]) -> None:
            data["colour"] = data.pop("paper")

    assert KINDS["GiftWrapped"] is GiftWrapped


def test_a_repeat_of_what_an_older_schema_version_stored_is_still_a_repeat(engine: Engine, touch: Touch) -> None:
    try:
        _gift_wrapped_by_its_paper()
        engine.append([touch("GiftWrapped", "anna", "1", paper="red")])
        _gift_wrapped_by_its_colour()
        assert engine.history("anna")[0].data == {"colour": "red"}
        assert engine.append([touch("GiftWrapped", "anna", "1", colour="red")])[0].repeat
        with pytest.raises(IdReused):
            engine.append([touch("GiftWrapped", "anna", "1", colour="blue")])
    finally:
        KINDS.pop("GiftWrapped", None)


def test_a_subject_is_stored_whole_or_not_at_all(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OrderPlaced", "anna", "1", order="o1", total="10 EUR")])
    new = touch("OrderPlaced", "anna", "2", order="o2", total="10 EUR")
    changed = touch("OrderPlaced", "anna", "1", order="o1", total="99 EUR")
    with pytest.raises(IdReused):
        engine.append([new, changed])
    assert [fact.id for fact in engine.history("anna")] == ["1"]


def test_many_subjects_in_one_call_answer_in_the_order_given(engine: Engine, touch: Touch) -> None:
    sent = [touch("TicketOpened", subject, str(n), ticket=f"t{n}") for n, subject in enumerate("abacb")]
    receipts = engine.append(sent)
    assert [(each.stream, each.version) for each in receipts] == [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("b", 2)]


def test_expected_versions(engine: Engine, touch: Touch) -> None:
    first, second, third = (touch("TicketOpened", "anna", str(n), ticket=f"t{n}") for n in range(3))
    engine.append([first], expected=0)
    with pytest.raises(VersionConflict) as stale:
        engine.append([second], expected=0)
    assert stale.value.current == 1
    with pytest.raises(RepeatMixedWithNew):
        engine.append([first, second], expected=1)
    engine.append([second], expected=1)
    with pytest.raises(InvalidTouchpoint):
        engine.append([third, touch("TicketOpened", "ben", "9", ticket="t9")], expected=2)


def test_strict_refuses_what_is_otherwise_recorded_as_a_breach(engine: Engine, touch: Touch) -> None:
    shipped = touch("ShipmentDispatched", "anna", "1", day=5, shipment="s1", order="o1")
    with pytest.raises(RuleBroken, match="order"):
        engine.append([shipped], strict=True)
    with pytest.raises(UnknownSubject):
        engine.history("anna")
    receipts = engine.append([shipped])
    assert engine.breaches_of(receipts)
    engine.append([touch("OrderPlaced", "anna", "2", day=4, order="o1", total="10 EUR")], strict=True)
    assert not engine.breaches_of(receipts)


def test_strict_sees_what_came_before_it_in_the_same_call(engine: Engine, touch: Touch) -> None:
    placed = touch("OrderPlaced", "anna", "1", day=4, order="o1", total="10 EUR")
    shipped = touch("ShipmentDispatched", "anna", "2", day=5, shipment="s1", order="o1")
    engine.append([placed, shipped], strict=True)
    won_twice = touch("ShipmentDispatched", "anna", "3", day=6, shipment="s1", order="o1")
    with pytest.raises(RuleBroken):
        engine.append([won_twice], strict=True)


def test_strict_on_a_late_touchpoint_judges_the_past_that_it_changes(engine: Engine, touch: Touch) -> None:
    opened = touch("OpportunityOpened", "anna", "1", day=2, opportunity="d")
    lost = touch("OpportunityLost", "anna", "2", day=9, opportunity="d", reason="price")
    engine.append([opened, lost])
    with pytest.raises(RuleBroken):
        engine.append([touch("OpportunityWon", "anna", "3", day=5, opportunity="d")], strict=True)
    engine.append([touch("OpportunityChanged", "anna", "4", day=5, opportunity="d", owner="rosa")], strict=True)


def test_one_of_many_strict_rivals_wins(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OpportunityOpened", "anna", "0", opportunity="d")])

    def win(number: int) -> bool:
        try:
            engine.append([touch("OpportunityWon", "anna", f"w{number}", day=2, opportunity="d")], strict=True)
        except RuleBroken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(win, range(8))) == 1


def test_a_correction_changes_the_past_and_keeps_what_was_said(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OpportunityOpened", "anna", "1", opportunity="d", owner="rosa")])
    before = engine.log.heads()
    fix = touch("TouchpointCorrected", "anna", "2", day=3, target="1", replacement={"owner": "tom"}, reason="typo")
    (receipt,) = engine.append([fix])
    assert engine.append([fix])[0] == receipt._replace(repeat=True)
    assert [fact.data["owner"] for fact in engine.history("anna")] == ["tom"]
    assert [fact.data["owner"] for fact in engine.history("anna", known=before)] == ["rosa"]
    retraction = touch("TouchpointCorrected", "anna", "3", day=4, target="1", retraction=True, reason="never happened")
    engine.append([retraction])
    assert engine.history("anna") == []
    engine.append([touch("TouchpointCorrected", "anna", "4", day=5, target="3", retraction=True, reason="it did")])
    assert [fact.data["owner"] for fact in engine.history("anna")] == ["tom"]
    with pytest.raises(CorrectionRefused):
        engine.append([touch("TouchpointCorrected", "anna", "5", day=6, target="3", retraction=True, reason="twice")])


def test_a_merge_joins_two_lives_and_its_revert_parts_them(engine: Engine, touch: Touch) -> None:
    engine.append([touch("OpportunityOpened", "anna", "1", day=1, opportunity="a")])
    engine.append([touch("OpportunityOpened", "annie", "1", day=2, opportunity="b")])
    merge = touch("CustomersMerged", "anna", "m", day=3, survivor="anna", absorbed="annie", method="manual")
    (receipt,) = engine.append([merge])
    assert receipt.stream == "anna"
    assert engine.append([merge])[0] == receipt._replace(repeat=True)
    joined = engine.history("anna")
    assert [(fact.stream, fact.id) for fact in joined] == [("anna", "1"), ("annie", "1"), ("anna", "m")]
    assert engine.history("annie") == joined
    engine.append([touch("OpportunityWon", "annie", "2", day=4, opportunity="b")])
    assert [fact.id for fact in engine.history("anna")][-1] == "2"
    for refused in (("anna", "anna"), ("annie", "carl"), ("carl", "annie")):
        survivor, absorbed = refused
        with pytest.raises((MergeRefused, InvalidTouchpoint)):
            engine.append(
                [touch("CustomersMerged", survivor, "x", day=5, survivor=survivor, absorbed=absorbed, method="exact")]
            )
    revert = touch("CustomerMergeReverted", "anna", "r", day=6, merge="m", survivor="anna", absorbed="annie")
    engine.append([revert])
    assert [fact.id for fact in engine.history("annie") if fact.kind.startswith("Opp")] == ["1", "2"]
    assert [fact.stream for fact in engine.history("anna") if fact.kind.startswith("Opp")] == ["anna"]


def test_threads_commit_in_groups_and_each_gets_its_own_answer(engine: Engine, touch: Touch) -> None:
    sent = [touch("TicketOpened", f"c{n % 7}", str(n), ticket=f"t{n}") for n in range(200)]
    sent += [touch("TicketOpened", f"c{n % 7}", str(n), ticket="other") for n in range(20)]

    def append(number: int) -> str:
        try:
            (receipt,) = engine.append([sent[number]])
        except IdReused:
            return "refused"
        assert receipt.stream == sent[number].subject
        return "stored"

    with ThreadPoolExecutor(16) as pool:
        first = list(pool.map(append, range(200)))
        assert first == ["stored"] * 200
        assert list(pool.map(append, range(200, 220))) == ["refused"] * 20
    heads = engine.log.heads()
    assert sum(heads.numbers) == 200
    positions = [f"{stored.bucket}/{stored.number}" for stored in engine.log.read(engine.log.start(), 500)]
    dense = [f"{at}/{n}" for at, last in enumerate(heads.numbers, 1) for n in range(1, last + 1)]
    assert sorted(positions) == sorted(dense)


def test_tasks_commit_in_groups_and_each_gets_its_own_answer(engine: Engine, touch: Touch) -> None:
    sent = [touch("TicketOpened", f"c{n % 7}", str(n), ticket=f"t{n}") for n in range(100)]
    again = [touch("TicketOpened", f"c{n % 7}", str(n), ticket="other") for n in range(20)]

    async def append(touchpoint: Envelope) -> Receipt | str:
        try:
            [receipt] = await engine.append_async([touchpoint])
        except IdReused:
            return "refused"
        return receipt

    async def append_all(touchpoints: list[Envelope]) -> list[Receipt | str]:
        return await asyncio.gather(*map(append, touchpoints))

    first = asyncio.run(append_all(sent))
    _dense([each for each in first if isinstance(each, Receipt)], engine.log.buckets)
    assert sum(engine.log.heads().numbers) == len(first)
    assert asyncio.run(append_all(again)) == ["refused"] * 20
    repeats = asyncio.run(append_all(sent[:9]))
    assert repeats == [each._replace(repeat=True) for each in first[:9] if isinstance(each, Receipt)]


def test_a_task_appends_what_must_be_decided_or_expected(engine: Engine, touch: Touch) -> None:
    opened = touch("OpportunityOpened", "anna", "1", opportunity="d", owner="rosa")
    fixed = touch("TouchpointCorrected", "anna", "2", day=2, target="1", replacement={"owner": "tom"}, reason="typo")

    async def append() -> None:
        await engine.append_async([opened, touch("TicketOpened", "ben", "1", ticket="t")])
        await engine.append_async([fixed], expected=1)
        with pytest.raises(VersionConflict):
            await engine.append_async([touch("TicketOpened", "anna", "3", ticket="t")], expected=1)
        with pytest.raises(RuleBroken):
            await engine.append_async([touch("OrderConfirmed", "anna", "4", order="o")], strict=True)

    asyncio.run(append())
    assert engine.history("anna")[0].data["owner"] == "tom"


def test_a_task_that_is_cancelled_hinders_no_other(engine: Engine, touch: Touch) -> None:
    async def append() -> list[Receipt | BaseException]:
        touchpoints = [touch("TicketOpened", "c", str(n), ticket="t") for n in range(20)]
        tasks = [asyncio.create_task(engine.append_async([each])) for each in touchpoints]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        return [each if isinstance(each, BaseException) else each[0] for each in done]

    done = asyncio.run(append())
    assert all(isinstance(each, asyncio.CancelledError) for each in done[::2])
    assert all(isinstance(each, Receipt) for each in done[1::2])
    # What was cancelled is stored or not; sending it again tells.
    assert len(engine.append([touch("TicketOpened", "c", str(n), ticket="t") for n in range(20)])) == 20
    assert sum(engine.log.heads().numbers) == 20


def test_groups_of_an_import_are_judged_alone(engine: Engine, touch: Touch) -> None:
    opened = touch("OpportunityOpened", "anna", "1", opportunity="d", owner="rosa")
    fixed = touch("TouchpointCorrected", "anna", "2", day=2, target="1", replacement={"owner": "tom"}, reason="typo")
    reused = touch("OpportunityOpened", "anna", "1", opportunity="e")
    huge = touch("TicketOpened", "carl", "1", ticket="t").model_copy(update={"custom": {"x": "x" * 2_000_000}})
    ticket = touch("TicketOpened", "ben", "1", ticket="t")
    verdicts = engine.append_each([[opened], [fixed], [reused], [huge], [ticket]])
    assert [isinstance(verdict, list) for verdict in verdicts] == [True, True, False, False, True]
    assert isinstance(verdicts[2], IdReused)
    assert isinstance(verdicts[3], InvalidTouchpoint)
    assert engine.history("anna")[0].data["owner"] == "tom"


def test_a_correction_that_cannot_be_stored_is_refused_alone(engine: Engine, touch: Touch) -> None:
    opened = touch("OpportunityOpened", "anna", "1", opportunity="d", owner="rosa")
    fixed = touch("TouchpointCorrected", "anna", "2", day=2, target="1", replacement={"owner": "tom"}, reason="typo")
    huge = fixed.model_copy(update={"id": "3", "custom": {"x": "x" * 2_000_000}})
    verdicts = engine.append_each([[opened], [huge], [fixed]])
    assert [isinstance(verdict, list) for verdict in verdicts] == [True, False, True]
    assert isinstance(verdicts[1], InvalidTouchpoint)


def test_batches_are_stored_in_turn_and_answered_in_order(engine: Engine, touch: Touch) -> None:
    opened = touch("OpportunityOpened", "anna", "1", opportunity="d", owner="rosa")
    fixed = touch("TouchpointCorrected", "anna", "2", day=2, target="1", replacement={"owner": "tom"}, reason="typo")
    tickets = [touch("TicketOpened", f"c{at % 3}", str(at), ticket=f"t{at}") for at in range(30)]
    huge = touch("TicketOpened", "carl", "1", ticket="t").model_copy(update={"custom": {"x": "x" * 2_000_000}})

    def batches() -> Iterator[list[list[Envelope]]]:
        for at in range(0, 30, 10):
            yield [[ticket] for ticket in tickets[at : at + 10]]
        yield [[opened], [fixed], [huge], [opened]]
        yield []
        yield [[tickets[0]], [tickets[29], tickets[0]]]

    answers = list(engine.append_batches(batches()))
    assert [len(verdicts) for verdicts in answers] == [10, 10, 10, 4, 0, 2]
    receipts = [verdict[0] for verdicts in answers[:3] for verdict in verdicts if isinstance(verdict, list)]
    _dense(receipts, engine.log.buckets)
    assert [receipt.version for receipt in receipts] == [1 + at // 3 for at in range(30)]
    assert isinstance(answers[3][2], InvalidTouchpoint)
    assert answers[3][3] == [receipt._replace(repeat=True) for receipt in answers[3][0]]  # type: ignore[union-attr]
    assert answers[5][0] == [receipts[0]._replace(repeat=True)]
    assert engine.history("anna")[0].data["owner"] == "tom"


def test_leaving_in_the_midst_of_batches_keeps_what_was_sent(engine: Engine, touch: Touch) -> None:
    batches = ([[touch("TicketOpened", "c", f"{batch}-{at}", ticket="t")] for at in range(5)] for batch in range(4))
    thresholds = gc.get_threshold()
    appending, others = engine.append_batches(batches), engine.append_batches(iter([[]]))
    next(appending)
    next(others)
    appending.close()  # type: ignore[attr-defined]
    assert list(others) == []
    assert gc.get_threshold() == thresholds, "the collector looks as often as before"
    sent = sum(engine.log.heads().numbers)
    assert sent in (5, 10)
    assert engine.append([touch("TicketOpened", "c", "last", ticket="t")])[0].number == sent + 1
