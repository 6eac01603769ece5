"""What every log keeps of imports: rows in quarantine, and how far each has come."""

from adapters.log import ImportRun, Log, QuarantinedRow


def test_quarantined_rows_are_kept_whole_and_once(log: Log) -> None:
    rows = [
        QuarantinedRow("b1", 2, "till.csv", "InvalidTouchpoint", "no amount", "x;y", 5),
        QuarantinedRow("b1", 1, "till.csv", "UnreadableInput", "é", "NUL \x00 and a lone surrogate \udcff", 5),
        QuarantinedRow("b2", 1, "till.csv", "UnknownKind", "", "", 6),
    ]
    log.quarantine(rows[:2])
    log.quarantine([rows[0]._replace(message="again"), rows[2]])
    log.quarantine([])
    assert log.quarantined() == [rows[1], rows[0], rows[2]]
    assert log.quarantined("b2") == [rows[2]]
    assert log.quarantined("b3") == []


def test_a_released_row_waits_no_longer_and_is_not_forgotten(log: Log) -> None:
    rows = [QuarantinedRow("b1", place, "till", "no amount", "bad", "x;y", 5, "abc/0") for place in (1, 2, 3)]
    log.quarantine(rows)
    released = rows[0]._replace(stem="def/1", released=9, released_by="ada")
    again = rows[1]._replace(rule="no currency", message="still bad")
    log.amend_quarantined([released, again, rows[2]._replace(batch="b2")])
    assert log.quarantined() == [again, rows[2]]
    assert log.quarantined("b1", released=True) == [released, again, rows[2]]
    log.amend_quarantined([])
    log.quarantine([rows[0]])
    assert log.quarantined() == [again, rows[2]]


def test_how_far_an_import_has_come_is_kept_batch_by_batch(log: Log) -> None:
    first = ImportRun(
        "b1", "plan 1", "é.csv", '{"name":"a"}', '["x"]', 2**40, "00ff", whole=False, taken=7, outcomes="{}", recorded=5
    )
    assert log.imports(batch="b1") == []
    log.keep_import(first)
    log.keep_import(first._replace(batch="b2", taken=1))
    log.keep_import(further := first._replace(taken=8, recorded=6))
    assert log.imports(batch="b1") == [further]
    assert sorted(run.batch for run in log.imports(plan="plan 1")) == ["b1", "b2"]
    assert log.imports(plan="plan 2") == log.imports() == []
