"""Merges that are proposed, and the commands that accept them, typed as they are printed."""

import csv
import io
import shlex
from pathlib import Path

from tests.cli.program import Done, Shell


def _mail(shop: Shell, subject: str, value: str) -> Done:
    return shop("record", "IdentifierLinked", "--subject", subject, "type=email", f"value={value}", "verified=true")


def test_a_proposal_is_accepted_by_the_command_it_comes_with(shop: Shell) -> None:
    for subject, value in (("anna", "a@example.org"), ("it's [b]", "A@example.org"), ("cleo", "c@example.org")):
        assert _mail(shop, subject, value).code == 0
    shop("run", "--once")
    (proposal,) = shop("proposals", "--format", "json").json
    assert (proposal["survivor"], proposal["absorbed"], proposal["method"]) == ("anna", "it's [b]", "exact")
    table = shop("proposals")
    assert (table.code, table.err) == (0, "")
    assert proposal["accept"] in table.out.splitlines()
    assert "a@example.org" not in table.out.lower()
    (row,) = csv.DictReader(io.StringIO(shop("proposals", "--format", "csv").out))
    assert row["accept"] == proposal["accept"]

    program, *typed = shlex.split(proposal["accept"])
    assert program == "lifecircle"
    assert shop(*typed).code == 0
    shop("run", "--once")
    assert shop("proposals", "--format", "json").json == []
    (merged,) = shop("view", "merges", "--format", "json").json
    assert (merged["absorbed"], merged["method"], merged["reverted_at"]) == ("it's [b]", "exact", None)


def test_without_the_id_key_it_says_that_nothing_is_compared(shop: Shell) -> None:
    key = Path(shop("status", "--format", "json").json["id_key"])
    key.unlink()
    for subject in ("anna", "bert"):
        assert _mail(shop, subject, "a@example.org").code == 0
    shop("run", "--once")
    told = shop("proposals", "--format", "json")
    assert (told.code, told.json) == (0, [])
    assert "2 identifiers are not compared" in told.err
    assert "not compared" in shop("status").out
