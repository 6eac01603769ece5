"""The breaches view: its rows, how they heal, and that they are the judge's breaches in any split."""

from collections.abc import Hashable, Sequence

from domain.company import Company
from domain.judging import breaches_in
from domain.touchpoint import Fact
from projections import view_named
from projections.breaches import Breaches, BreachRow
from projections.view import Row, fold
from tests.scenario import (
    amended,
    corrected,
    delivered,
    given,
    merged,
    opportunity,
    order,
    returned,
    shipment,
)

COMPANY = Company(zone="Europe/Berlin")
VIEW = Breaches(COMPANY)


def rows(history: Sequence[Fact]) -> list[BreachRow]:
    return [BreachRow(*row) for row in fold(VIEW, "anna", history).values()]


MESSY = given(
    shipment("s", "1", A=1).on("2026-03-01"),
    delivered("s"),
    delivered("s9"),
    order("1", A=1).on("2026-03-01T12:00"),
    order("1", A=1).of("ben"),
    amended("2", A=1),
    returned(A=7),
    merged("anna", "ben"),
    opportunity("Won").on("2026-02-01T10:00"),
    opportunity("Opened").on("2026-02-02T10:00"),
    corrected("nobody", probability=0.5),
    company=COMPANY,
).history()


def test_a_row_says_which_touchpoint_broke_which_rule_and_when() -> None:
    orphan = given(shipment("s", "1", A=1).on("2026-03-10T23:30").named("x", "depot")).history()
    (row,) = rows(orphan)
    assert row == BreachRow(
        subject="anna",
        stream="anna",
        version=1,
        rule="order/never placed",
        entity="order/1",
        touchpoint="x",
        source="depot",
        kind="ShipmentDispatched",
        day="2026-03-11",
        at=orphan[0].at,
        detail="no opening of this order is known",
    )


def test_a_breach_heals_when_what_was_missing_arrives_in_time() -> None:
    early = given(shipment("s", "1", A=1).on("2026-03-10"), order("1", A=1).on("2026-03-10T12:00")).history()
    state = VIEW.initial("anna")
    state, changed = VIEW.evolve(state, early[0])
    (key,) = changed
    assert VIEW.row(state, key) is not None
    state, changed = VIEW.evolve(state, early[1])
    assert list(changed) == [key]
    assert VIEW.row(state, key) is None


def test_a_breach_changes_its_rule_when_what_was_missing_comes_too_late() -> None:
    late = given(shipment("s", "1", A=1).on("2026-03-10T10:00"), order("1", A=1).on("2026-03-12T12:00")).history()
    state, never = VIEW.evolve(VIEW.initial("anna"), late[0])
    state, changed = VIEW.evolve(state, late[1])
    assert set(never) < set(changed)
    standing = [VIEW.row(state, key) for key in changed]
    assert [row[3] for row in standing if row] == ["order/before its opening"]
    assert [row.version for row in rows(late)] == [1]


def test_the_rows_are_the_judges_breaches_one_a_rule() -> None:
    found = rows(MESSY)
    expected = breaches_in(MESSY, COMPANY)
    assert sorted(row[1:] for row in found) == sorted(tuple(breach) for breach in expected)
    assert {row.rule for row in found} == {
        "shipment/never dispatched",
        "order/in both halves of a merge",
        "order/never placed",
        "goods/more than was bought",
        "opportunity/before its opening",
        "correction/target not there",
    }
    columns = [column.name for column in Breaches.columns()]
    keys = [tuple(row[columns.index(name)] for name in Breaches.key) for row in found]
    assert len(keys) == len(set(keys))


def test_folding_in_any_split_gives_the_rows_of_folding_at_once() -> None:
    whole = fold(VIEW, "anna", MESSY)
    for split in range(len(MESSY) + 1):
        table: dict[Hashable, Row | None] = {}
        state = VIEW.initial("anna")
        for batch in (MESSY[:split], MESSY[split:]):
            changed = set[Hashable]()
            for fact in batch:
                state, keys = VIEW.evolve(state, fact)
                changed.update(keys)
            table.update((key, VIEW.row(state, key)) for key in changed)
        assert {key: row for key, row in table.items() if row} == whole


def test_it_is_found_among_the_views() -> None:
    assert view_named("breaches") is Breaches
    assert [question.name for question in Breaches.questions] == ["breaches_by_rule"]
    assert all(column.comment for column in Breaches.columns())
