"""What every log promises, on every database."""

import time
from collections import Counter
from hashlib import sha256
from itertools import pairwise
from threading import Event, Thread

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking

from adapters.addresses import create_log, open_log
from adapters.cursor import Cursor
from adapters.log import Log, Receipt, bucket_of
from domain.company import Company
from domain.errors import (
    CursorInvalid,
    IdReused,
    LogExists,
    LogNotFound,
    RepeatMixedWithNew,
    VersionConflict,
)
from tests.contracts.drafts import append, draft, group, paged, pages, stored


def _now_us() -> int:
    return time.time_ns() // 1_000


def test_a_receipt_says_where_a_touchpoint_stands(log: Log) -> None:
    before = _now_us()
    first, second = append(log, draft(state=b"one"), draft(state=b"two"))
    after = _now_us()
    bucket = bucket_of("C-1", log.buckets)
    assert (first.bucket, first.number, first.stream, first.version) == (bucket, 1, "C-1", 1)
    assert (second.bucket, second.number, second.stream, second.version) == (bucket, 2, "C-1", 2)
    assert (first.digest, second.digest) == (sha256(b"one").digest(), sha256(b"two").digest())
    # A database may have a clock of its own, but not another day.
    assert before - 60_000_000 < first.recorded <= after + 60_000_000
    assert first.recorded == second.recorded
    assert not first.repeat
    assert not second.repeat


def test_what_is_stored_is_what_was_given(log: Log) -> None:
    given = draft("C-é/1", "id 1", source="a:b", kind="FormSubmitted", occurred=-5, state=b"\x00\xff{}")
    (receipt,) = append(log, given)
    (row,) = log.stream("C-é/1")
    assert (row.stream, row.kind, row.id, row.source, row.occurred, row.recordedby, row.state) == given[:7]
    bucket = bucket_of("C-é/1", log.buckets)
    assert (row.bucket, row.number, row.version, row.recorded) == (bucket, 1, 1, receipt.recorded)
    assert type(row.state) is bytes
    assert log.read(log.start(), 10) == [row]


def test_nothing_appended_is_nothing_answered(log: Log) -> None:
    assert log.append([]) == []
    assert log.heads() == log.start()


def test_versions_count_within_a_stream_and_numbers_across_all(log: Log) -> None:
    verdicts = log.append([group(draft(f"C-{n % 3}"), draft(f"C-{n % 2}")) for n in range(50)])
    receipts = [receipt for verdict in verdicts for receipt in stored(verdict)]
    for bucket in range(1, log.buckets + 1):
        numbers = [receipt.number for receipt in receipts if receipt.bucket == bucket]
        assert numbers == list(range(1, len(numbers) + 1))
    assert list(pages(log)) == list(range(1, 101))
    for stream in ("C-0", "C-1", "C-2"):
        versions = [receipt.version for receipt in receipts if receipt.stream == stream]
        assert versions == list(range(1, len(versions) + 1))
        assert [row.version for row in log.stream(stream)] == versions
        assert log.version(stream) == len(versions)


def test_recorded_times_never_fall(log: Log) -> None:
    times = [append(log, draft())[0].recorded for _ in range(20)]
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_the_same_again_gives_the_same_receipt(log: Log) -> None:
    sent = [draft(), draft("C-2")]
    first = append(log, *sent)
    append(log, draft())
    again = append(log, *sent)
    assert again == [receipt._replace(repeat=True) for receipt in first]
    assert sum(log.heads().numbers) == 3


def test_the_same_twice_in_one_call_is_stored_once(log: Log) -> None:
    one = draft()
    verdicts = log.append([group(one), group(draft(), one), group(one, C_1=0)])
    (first,), (_, second), (third,) = map(stored, verdicts)
    assert second == third == first._replace(repeat=True)
    assert list(pages(log)) == [1, 2]


def test_the_same_twice_in_one_group_is_stored_once(log: Log) -> None:
    one = draft()
    first, second = append(log, one, one)
    assert second == first._replace(repeat=True)
    assert list(pages(log)) == [1]


def test_an_id_is_unique_within_subject_and_source_only(log: Log) -> None:
    receipts = append(log, draft("C-1", "a"), draft("C-2", "a"), draft("C-1", "a", source="till"))
    assert [receipt.repeat for receipt in receipts] == [False] * 3
    assert list(pages(log)) == [1, 2, 3]


def test_an_id_used_again_with_other_content_is_refused(log: Log) -> None:
    append(log, draft("C-1", "a", state=b"secret-one"))
    with pytest.raises(IdReused) as refusal:
        append(log, draft("C-1", "a", state=b"secret-two"))
    assert refusal.value.stored == log.find("C-1", "shop", "a")
    assert "secret" not in str(refusal.value)
    assert list(pages(log)) == [1]


def test_an_id_used_twice_in_one_group_with_other_content_is_refused(log: Log) -> None:
    with pytest.raises(IdReused):
        append(log, draft("C-1", "a", state=b"1"), draft("C-1", "a", state=b"2"))
    assert list(pages(log)) == []


def test_an_expected_version_holds_for_every_stream_it_names(log: Log) -> None:
    append(log, draft("C-1"), draft("C-1"))
    append(log, draft("C-1"), C_1=2, C_2=0)
    with pytest.raises(VersionConflict) as conflict:
        append(log, draft("C-1"), C_1=3, C_2=4)
    assert "C-2" in conflict.value.where
    assert conflict.value.current == 0
    with pytest.raises(VersionConflict) as conflict:
        append(log, draft("C-1"), C_1=2)
    assert conflict.value.current == 3
    assert list(pages(log)) == [1, 2, 3]


def test_of_two_that_expect_the_same_version_in_one_call_one_wins(log: Log) -> None:
    first, second = log.append([group(draft(), C_1=0), group(draft(), C_1=0)])
    assert stored(first)[0].version == 1
    assert isinstance(second, VersionConflict)
    assert second.current == 1


def test_a_known_id_is_judged_before_the_expected_version(log: Log) -> None:
    one = draft()
    first = append(log, one, C_1=0)
    append(log, draft())
    assert append(log, one, C_1=0) == [first[0]._replace(repeat=True)]
    with pytest.raises(IdReused):
        append(log, one._replace(state=b"other"), C_1=0)


def test_known_and_new_ids_under_an_expected_version_are_refused(log: Log) -> None:
    one = draft()
    append(log, one)
    for expected in (0, 1):
        with pytest.raises(RepeatMixedWithNew):
            append(log, one, draft(), C_1=expected)
    assert list(pages(log)) == [1]


def test_known_and_new_ids_without_an_expected_version_are_stored(log: Log) -> None:
    one = draft()
    append(log, one)
    assert [receipt.repeat for receipt in append(log, draft(), one, draft())] == [False, True, False]
    assert list(pages(log)) == [1, 2, 3]


def test_a_refused_group_leaves_nothing_and_the_others_stand(log: Log) -> None:
    append(log, draft("C-1", "a", state=b"1"))
    verdicts = log.append(
        [
            group(draft("C-2")),
            group(draft("C-2"), draft("C-1", "a", state=b"2"), draft("C-3")),
            group(draft("C-2"), draft("C-3"), C_3=7),
            group(draft("C-2")),
        ]
    )
    assert [type(verdict) for verdict in verdicts] == [list, IdReused, VersionConflict, list]
    assert list(pages(log)) == [1, 2, 3]
    assert log.version("C-2") == 2
    assert log.version("C-3") == 0


def test_a_merge_stands_in_both_streams_under_one_id(log: Log) -> None:
    append(log, draft("C-1"), draft("C-2"))
    halves = [draft("C-1", "m", kind="CustomersMerged"), draft("C-2", "m", kind="CustomersMerged")]
    receipts = append(log, *halves, C_1=1, C_2=1)
    assert [(receipt.stream, receipt.version) for receipt in receipts] == [("C-1", 2), ("C-2", 2)]
    assert append(log, *halves, C_1=1, C_2=1) == [receipt._replace(repeat=True) for receipt in receipts]
    assert sorted(row.stream for row in log.links()) == ["C-1", "C-2"]
    with pytest.raises(VersionConflict):
        append(log, draft("C-1", kind="CustomersMerged"), draft("C-2", kind="CustomersMerged"), C_1=2, C_2=1)
    assert list(pages(log)) == [1, 2, 3, 4]


def test_links_are_merges_and_reverts_within_a_cut(log: Log) -> None:
    append(log, draft("C-1", "m", kind="CustomersMerged"), draft("C-2", "m", kind="CustomersMerged"))
    append(log, draft("C-1"))
    cut = log.heads()
    append(log, draft("C-1", "r", kind="CustomerMergeReverted"), draft("C-2", "r", kind="CustomerMergeReverted"))
    assert sorted((row.stream, row.id) for row in log.links(cut)) == [("C-1", "m"), ("C-2", "m")]
    assert sorted((row.stream, row.id) for row in log.links()) == [
        (each, name) for each in ("C-1", "C-2") for name in "mr"
    ]
    assert log.links(log.start()) == []


def test_one_touchpoint_is_found_by_its_id(log: Log) -> None:
    append(log, draft("C-1", "a"), draft("C-1", "b"))
    found = log.find("C-1", "shop", "b")
    assert found == log.stream("C-1")[1]
    assert log.find("C-1", "till", "b") is None
    assert log.find("C-2", "shop", "b") is None
    assert log.find("C-1", "shop", "c") is None


def test_a_stream_within_a_cut(log: Log) -> None:
    append(log, draft("C-1"), draft("C-2"), draft("C-1"))
    cut = log.heads()
    append(log, draft("C-1"))
    assert [row.version for row in log.stream("C-1", cut)] == [1, 2]
    assert [row.version for row in log.stream("C-1")] == [1, 2, 3]
    assert log.stream("C-1", log.start()) == log.stream("C-9") == []
    assert log.streams(["C-2", "C-1", "C-9"], cut) == {name: log.stream(name, cut) for name in ("C-1", "C-2")}
    assert log.streams(["C-1"], log.start()) == log.streams([], cut) == {}
    assert log.version("C-9") == 0


def test_reading_goes_on_from_any_cursor(log: Log) -> None:
    log.append([group(draft(f"C-{n}")) for n in range(1, 21)])
    assert list(pages(log, 7)) == list(range(1, 21))
    for bucket in range(1, log.buckets + 1):
        whole = [row for row in log.read(log.start(), 100) if row.bucket == bucket]
        assert [row.number for row in whole] == list(range(1, len(whole) + 1))
        for seen in range(len(whole) + 1):
            after = log.heads().advanced(bucket, seen)
            assert log.read(after, 5) == whole[seen : seen + 5]
            assert log.read(after, 5, log.heads().advanced(bucket, 12)) == whole[seen : min(seen + 5, 12)]
            assert paged(log, after, log.heads(), 5) == whole[seen:]
            assert paged(log, after, log.heads().advanced(bucket, 12), 100) == whole[seen:12]
    assert paged(log, log.start(), log.heads(), 7) == sorted(log.read(log.start(), 100))
    assert log.read(log.heads(), 5) == paged(log, log.heads(), log.start(), 5) == []


def test_a_page_ends_when_it_is_large_however_few_it_holds(log: Log) -> None:
    large = b'{"x":"' + b"x" * 1_000_000 + b'"}'
    log.append([group(draft(f"C-{n % 3}")._replace(state=large)) for n in range(10)])
    page = log.read(log.start(), 100)
    # With the one that reaches it, in each bucket.
    assert len(page) == sum(min(last, -(-4 // log.buckets)) for last in log.heads().numbers)
    assert list(pages(log, 100)) == list(range(1, 11))


def test_a_cut_by_recorded_time_holds_exactly_what_was_recorded_by_then(log: Log) -> None:
    assert log.cut_at(_now_us()) == log.start()
    for _ in range(7):
        log.append([group(draft(), draft("C-2"))])
        time.sleep(0.002)
    rows = log.read(log.start(), 100)
    moments = {row.recorded + shift for row in rows for shift in (-1, 0, 1)}
    for moment in [*moments, 0, 2**62]:
        by_then = Counter(row.bucket for row in rows if row.recorded <= moment)
        assert log.cut_at(moment).numbers == tuple(by_then[bucket] for bucket in range(1, log.buckets + 1))


def test_a_cursor_reads_back_and_others_do_not(log: Log, tmp_path_factory: pytest.TempPathFactory) -> None:
    append(log, draft())
    text = str(log.heads())
    assert Cursor.read(text, log.log_id, log.buckets) == log.heads()
    other = create_log(f"sqlite:///{tmp_path_factory.mktemp('other')}/log.db", Company())
    for wrong in (str(other.heads()), text[:-1], text[1:], text.swapcase(), "", "x", text + "AAAA", "é"):
        with pytest.raises(CursorInvalid):
            Cursor.read(wrong, log.log_id, log.buckets)
    other.close()


def test_a_follower_is_woken_by_appends_and_heard_while_nothing_comes(log: Log) -> None:
    append(log, draft())
    stop = Event()
    batches = log.follow(log.start(), stop)
    assert [row.number for row in next(batches)] == [1]
    started = time.monotonic()
    assert next(batches) == []
    assert next(batches) == []
    assert time.monotonic() - started < 5  # twice a second at most, with room for a busy machine
    append(log, draft(), draft())
    arrived = next(batch for batch in batches if batch)
    assert [row.number for row in arrived] == [2, 3]
    stop.set()
    assert list(batches) in ([], [[]])


def test_a_log_serves_many_threads(log: Log) -> None:
    receipts: list[Receipt] = []

    def work(name: str) -> None:
        for _ in range(15):
            receipts.extend(append(log, draft(name), draft("C-shared")))
            assert len(log.stream(name)) == log.version(name)

    threads = [Thread(target=work, args=(f"C-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(pages(log)) == list(range(1, 241))
    assert sorted(receipt[:2] for receipt in receipts) == sorted(row[:2] for row in log.read(log.start(), 1_000))
    assert [row.version for row in log.stream("C-shared")] == list(range(1, 121))


def test_the_library_reads_the_log_as_its_own(log: Log) -> None:
    placed, confirmed = draft(kind="OrderPlaced", state=b"1"), draft(kind="OrderConfirmed", state=b"2")
    append(log, placed, draft("C-2"), confirmed)
    bucket = bucket_of("C-1", log.buckets)
    factory = log.factory(bucket)
    events = factory.application_recorder()
    assert events.select_events("C-1") == [
        StoredEvent("C-1", 1, "OrderPlaced", b"1"),
        StoredEvent("C-1", 2, "OrderConfirmed", b"2"),
    ]
    last = 2 if bucket_of("C-2", log.buckets) != bucket else 3
    assert [event.id for event in events.select_notifications(2, 10)] == list(range(2, last + 1))
    assert events.max_notification_id() == last
    with events.subscribe(gt=last - 1) as subscription:
        assert next(subscription).topic == "OrderConfirmed"
    snapshot = StoredEvent("C-1", 2, "RuleState", b"state")
    factory.aggregate_recorder("snapshots").insert_events([snapshot])
    assert factory.aggregate_recorder("snapshots").select_events("C-1", desc=True, limit=1) == [snapshot]
    factory.tracking_recorder().insert_tracking(Tracking("views", 3))
    assert factory.tracking_recorder().max_tracking_id("views") == 3


def test_what_the_library_writes_is_numbered_with_the_rest(log: Log) -> None:
    append(log, draft("C-1"))
    event = StoredEvent("C-1", 2, "OrderPlaced", b"bare")
    bucket = bucket_of("C-1", log.buckets)
    assert log.factory(bucket).application_recorder().insert_events([event]) == [2]
    with pytest.raises(IntegrityError):
        log.factory(bucket).application_recorder().insert_events([event])
    assert append(log, draft("C-1"), C_1=2)[0][:4] == (bucket, 3, "C-1", 3)
    assert [(row.number, row.version) for row in log.stream("C-1")] == [(1, 1), (2, 2), (3, 3)]
    assert log.cut_at(2**62) == log.heads()


def test_a_log_is_there_when_it_is_opened_again(url: str, log: Log) -> None:
    receipts = append(log, draft("C-1", "a"), draft("C-2"))
    log.close()
    again = open_log(url)
    assert (again.log_id, again.company, again.buckets) == (log.log_id, log.company, log.buckets)
    assert len(again.log_id) == 16
    assert again.company.name == "Ada's"
    assert list(pages(again)) == [1, 2]
    assert append(again, draft("C-1", "a"))[0] == receipts[0]._replace(repeat=True)
    again.close()


def test_a_log_is_made_once(url: str, log: Log) -> None:
    append(log, draft())
    with pytest.raises(LogExists):
        create_log(url, Company())
    assert open_log(url).log_id == log.log_id


def test_where_there_is_no_log_none_is_opened(url: str) -> None:
    with pytest.raises(LogNotFound) as missing:
        open_log(url)
    assert missing.value.way_out
