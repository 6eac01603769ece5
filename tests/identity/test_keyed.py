"""No table of a view holds a personal value: identifiers are keyed with the log's id key, or not shown at all."""

import os
from collections.abc import Hashable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import pytest

from adapters.idkey import IdKeyUnusable, keyed_id, make_id_key, read_id_key
from adapters.views.projector import Projector, status
from adapters.views.pseudonyms import Pseudonyms
from adapters.views.rebuild import rebuild
from adapters.views.replay import rows_as_of
from adapters.views.tables import ViewNotBuilt, open_tables
from domain.fields import is_sealed
from domain.touchpoint import Fact
from projections.view import Row, View
from tests.identity.story import Customers
from tests.read_side.story import contents

VALUES = ("anna@example.org", "+49 30 555", "+4930555", "late@example.org", "login@example.org")


def everything(known: Customers) -> None:
    """An identifier in every place in which a kind has one; one of them changed by a correction."""
    known.mail("anna", VALUES[0])
    known.told("CustomerRegistered", "anna", party="person", contact_points=[{"type": "phone", "value": VALUES[1]}])
    known.told("CustomerIdentified", "anna", anonymous_id="visitor", identifier=VALUES[4])
    known.mail("bert", "wrong@example.org")
    known.told("TouchpointCorrected", "bert", target="t4", replacement={"value": VALUES[3]}, reason="typing error")
    known.told("IdentifierUnlinked", "anna", 2, type="phone", value=VALUES[2])


def test_live_rebuilt_and_replayed_rows_hold_the_keyed_form_and_no_value(known: Customers) -> None:
    everything(known)
    key = read_id_key(known.engine.url)
    live = known.rows("identifiers")
    assert {row["keyed"] for row in live} == {None, *(keyed_id(key, value) for value in VALUES)}
    assert [row["until_day"] for row in live if row["type"] == "phone"] == ["2026-03-02"]
    before = contents(known.tables)
    rebuild(known.engine.log, known.tables, known.engine.company)
    assert contents(known.tables) == before
    pseudonyms = Pseudonyms.of_log(known.engine.url)
    again = rows_as_of(known.engine.log, known.engine.company, "identifiers", "anna", pseudonyms)[1]
    assert sorted(again) == [row for row in before["identifiers"] if row[0] == "anna"]
    told = repr(before)
    assert not [value for value in (*VALUES, "wrong@example.org") if value in told]


def test_without_an_id_key_identifiers_stay_apart_but_are_not_shown_or_compared(unkeyed: Customers) -> None:
    everything(unkeyed)
    unkeyed.mail("cleo", VALUES[0], verified=True)
    rows = unkeyed.rows("identifiers")
    assert {row["keyed"] for row in rows} == {None}
    assert [row["number"] for row in rows if row["subject"] == "anna"] == [1, 2, 3, 4]
    assert [row["until_day"] for row in rows if row["type"] == "phone"] == ["2026-03-02"]
    assert unkeyed.proposed() == [("anna", "visitor", "exact")]
    live = contents(unkeyed.tables)
    rebuild(unkeyed.engine.log, unkeyed.tables, unkeyed.engine.company)
    assert contents(unkeyed.tables) == live
    assert not [value for value in VALUES if value in repr(live)]


def test_views_that_were_keyed_otherwise_are_rebuilt_first(unkeyed: Customers) -> None:
    everything(unkeyed)
    unkeyed.rows("identifiers")
    make_id_key(unkeyed.engine.url)
    assert stale(unkeyed) == {"identifiers"}
    other = Projector(unkeyed.engine.log, unkeyed.tables, unkeyed.engine.company)
    with pytest.raises(ViewNotBuilt, match="another key"):
        other.run_once()
    rebuild(unkeyed.engine.log, unkeyed.tables, unkeyed.engine.company)
    assert stale(unkeyed) == set()
    assert None in {row["keyed"] for row in unkeyed.rows("identifiers")} != {None}
    # Who has no key can still see that all else is as it should be.
    Path(os.environ["LIFECIRCLE_ID_KEY"]).unlink()
    assert stale(unkeyed) == set()


def stale(known: Customers) -> set[str]:
    return {view.view for view in status(known.engine.log, known.tables) if view.state != "live"}


def test_a_key_that_others_may_read_stops_the_projector(known: Customers) -> None:
    known.mail("anna")
    Path(os.environ["LIFECIRCLE_ID_KEY"]).chmod(0o644)
    with pytest.raises(IdKeyUnusable):
        known.projector.run_once()


def test_facts_without_identifiers_pass_as_they_are(known: Customers) -> None:
    known.told("ContactMade", "anna", mode="call")
    facts = known.engine.history("anna")
    assert Pseudonyms(b"key").put_into(facts) is facts
    known.mail("anna")
    (_, linked) = Pseudonyms(b"key", known.engine.sealing.keyring).put_into(known.engine.history("anna"))
    assert linked.data["value"].keyed == keyed_id(b"key", "family@example.org")
    assert is_sealed(known.engine.history("anna")[1].data["value"])


class Told(NamedTuple):
    """An identifier as the touchpoint has it."""

    subject: Annotated[str, "the customer"]
    value: Annotated[str, "the identifier"]


class Leaking(View[list[Any]]):
    """Writes an identifier as it comes."""

    name = "leaking"
    comment = "Identifiers as they come."
    row_type: ClassVar[type[NamedTuple]] = Told
    key = ("subject",)

    def initial(self, subject: str) -> list[Any]:
        return [subject, None]

    def evolve(self, state: list[Any], fact: Fact) -> tuple[list[Any], Iterable[Hashable]]:
        state[1] = fact.data.get("value")
        return state, ("only",)

    def row(self, state: list[Any], key: Hashable) -> Row | None:
        return Told(*state) if key else None


def test_a_view_that_writes_an_identifier_as_it_comes_is_parked_and_visible(known: Customers) -> None:
    known.mail("anna", VALUES[0])
    with closing(open_tables(known.engine.url, known.engine.company, {"leaking": Leaking})) as tables:
        Projector(known.engine.log, tables, known.engine.company).run_once()
        assert tables.rows("leaking")[1] == []
        assert [view.parked for view in status(known.engine.log, tables)] == [1]
        rebuild(known.engine.log, tables, known.engine.company)
        assert tables.rows("leaking")[1] == []
        assert [view.parked for view in status(known.engine.log, tables)] == [1]
