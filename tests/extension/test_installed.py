"""A company's package as its people meet it: through the commands, each a process of its own, on both databases."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.settings import LIMITS
from tests.cli.program import Done, Shell
from tests.extension.packages import laid_out, on_path

Command = Callable[..., Done]


def typed(url: str, *sites: Path) -> Command:
    """Commands typed where these folders of packages are installed."""
    path = on_path(*sites)["PYTHONPATH"]

    def run(*arguments: str, stdin: bytes | None = None) -> Done:
        return Shell(url).fork(*arguments, stdin=stdin, env={"PYTHONPATH": path})

    return run


def done(ended: Done) -> Any:
    """What a command answered, as JSON."""
    assert ended.code == 0, ended.err
    return ended.json if ended.out.startswith(("[", "{")) else ended.out


def trial(id: str, kind: str, subject: str, day: int, **data: Any) -> dict[str, Any]:  # noqa: A002 - the envelope's word
    time = f"2026-03-{day:02}T10:00:00+00:00"
    return {"id": id, "source": "desk", "type": kind, "subject": subject, "time": time, "data": data}


STORY = [
    trial("1", "TrialStarted", "anna", 1, trial="a", club="North"),
    trial("2", "TrialStarted", "bert", 2, trial="b", studio="South") | {"dataschema": "urn:lifecircle:TrialStarted:1"},
    trial("3", "TrialEnded", "anna", 9, trial="a", outcome="joined"),
    trial("4", "TrialEnded", "cleo", 9, trial="c", outcome="left"),
]
BY_CLUB = [
    {"club": None, "trials": 1, "ended": 1, "joined": 0},
    {"club": "North", "trials": 1, "ended": 1, "joined": 1},
    {"club": "South", "trials": 1, "ended": 0, "joined": 0},
]
ASK = ("query", "select * from trials_by_club order by club is not null, club", "--format", "json")

IN_ORDER = ("query", "select * from trials_by_club order by trials desc, club", "--format", "json")


@pytest.fixture
def at_gym(url: str, gym: Path) -> Command:
    """A log with the story, where the package is installed."""
    command = typed(url, gym)
    done(command("init", "--name", "Evergreen"))
    done(command("record", "--json", "-", stdin=json.dumps(STORY).encode()))
    return command


def test_own_kinds_views_questions_and_rules_serve_like_ours(at_gym: Command) -> None:
    kinds = {row["kind"]: row for row in done(at_gym("kinds", "--format", "json"))}
    assert (kinds["TrialEnded"]["phase"], kinds["TrialEnded"]["package"]) == ("sale", "evergreen-gym")
    assert kinds["OrderPlaced"]["package"] == "lifecircle"
    assert any(row["view"] == "trials" for row in done(at_gym("view", "--format", "json")))
    assert "4 touchpoints folded" in done(at_gym("run", "--once"))
    assert done(at_gym(*ASK)) == BY_CLUB
    meant = done(at_gym("columns", "trials_by_club", "--format", "json"))
    assert [row["column"] for row in meant] == ["club", "trials", "ended", "joined"]
    live = done(at_gym("view", "trials", "--format", "json"))
    phases = done(at_gym("query", "select distinct phase from contacts order by phase", "--format", "json"))
    assert [row["phase"] for row in phases] == ["presentation", "sale"]
    breaches = done(at_gym("view", "breaches", "--format", "json"))
    assert [(row["subject"], row["rule"]) for row in breaches] == [("cleo", "trial/never started")]
    listed, page = done(at_gym("report", "--format", "json")), at_gym("report", "trials", "--format", "json").json
    assert "trials" in listed
    assert [section["rows"] for section in page["reports"][0]["sections"]] == [
        [{name: row[name] for name in ("club", "trials", "ended", "joined")} for row in done(at_gym(*IN_ORDER))]
    ]
    done(at_gym("rebuild", "trials"))
    assert done(at_gym("view", "trials", "--format", "json")) == live
    as_of = at_gym("view", "trials", "--subject", "anna", "--as-of", "2026-03-05", "--format", "json")
    assert [(row["club"], row["outcome"]) for row in done(as_of)] == [("North", None)]
    again = at_gym(
        "record", "--strict", "--json", json.dumps(trial("5", "TrialEnded", "anna", 10, trial="a", outcome="left"))
    )
    assert (again.code, "trial/already over" in again.err) == (5, True)


def test_a_log_is_read_and_folded_without_the_package_and_says_so(at_gym: Command, url: str) -> None:
    done(at_gym("run", "--once"))
    bare = typed(url)
    held = {row["kind"]: row for row in done(bare("kinds", "--log", url, "--format", "json")) if row["touchpoints"]}
    assert {name: row["touchpoints"] for name, row in held.items()} == {"TrialStarted": 2, "TrialEnded": 2}
    assert all("no package that is installed" in row["what happened"] for row in held.values())
    history = done(bare("history", "bert", "--format", "json"))
    assert [each["type"] for each in history] == ["TrialStarted"]
    stale = {each["view"]: each["state"] for each in done(bare("status", "--format", "json"))["views"]}
    assert stale["contacts"] == "stale: rebuild"
    assert "rebuilding what other settings or definitions made" in bare("run", "--once").err
    contacts = "select subject, kind, phase from contacts order by subject, kind"
    assert len(done(bare("query", contacts, "--format", "json"))) == 4
    gone = bare("query", "select * from trials")
    assert gone.code == 3
    missing = bare("record", "TrialEnded", "--subject", "anna", "trial=a", "outcome=left")
    assert (missing.code, "no such kind" in missing.err) == (3, True)


def test_what_came_while_the_package_was_away_is_in_its_view_once_it_is_back(at_gym: Command, url: str) -> None:
    done(at_gym("run", "--once"))
    bare = typed(url)
    done(bare("rebuild"))
    assert bare("query", "select * from trials").code == 3
    late = trial("6", "TrialEnded", "bert", 12, trial="b", outcome="joined")
    done(at_gym("record", "--json", json.dumps(late)))
    assert "1 touchpoints folded" in done(bare("run", "--once"))
    back = at_gym("run", "--once")
    assert (back.code, "trials" in back.err) == (0, True), "its rows would lack what came meanwhile"
    assert {row["club"]: row["joined"] for row in done(at_gym(*ASK))} == {None: 0, "North": 1, "South": 1}


WORKERS = """
import sys
from adapters.views.tables import open_tables
from adapters.codec import read_envelope
from adapters.engine import Engine
from adapters.views.rebuild import rebuild

def started(at):
    data = {"trial": f"t{at}", "studio": "South"}
    given = {"id": f"s{at}", "source": "desk", "type": "TrialStarted", "subject": f"c{at % 700}", "data": data}
    given |= {"time": "2026-03-01T10:00:00Z", "dataschema": "urn:lifecircle:TrialStarted:1"}
    return read_envelope(given, 2**60, engine.company)

if __name__ == "__main__":  # the workers are spawned, and import this file
    with Engine.create(sys.argv[1]) as engine:
        engine.append([started(at) for at in range(21_000)])
        rebuild(engine.log, open_tables(engine.url, engine.company), engine.company, ["trials"], workers=2)
"""


def test_workers_of_a_rebuild_know_the_package(sqlite_url: str, gym: Path, tmp_path: Path) -> None:
    assert LIMITS.rebuild_part_touchpoints < 21_000, "fewer are folded without workers"
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    subprocess.run([sys.executable, script, sqlite_url], env=on_path(gym), check=True, timeout=120)
    assert done(typed(sqlite_url, gym)(*ASK)) == [{"club": "South", "trials": 21_000, "ended": 0, "joined": 0}]


VIEW = '''
    from typing import Annotated, NamedTuple
    from projections.view import View

    class Counted(NamedTuple):
        """A customer."""
        subject: Annotated[str, "the customer"]
        seen: Annotated[int, "how many touchpoints"]

    class Counts(View):
        """Counts."""
        name, comment, row_type, key = "counts", "Counts.", Counted, ("subject",)

        def initial(self, subject):
            return [subject, 0]

        def evolve(self, state, fact):
            if fact.data.get("club") == "South":
                raise RuntimeError("not the South")
            state[1] += 1
            return state, ("all",)

        def row(self, state, key):
            return Counted(*state)
'''


def test_a_fold_that_fails_parks_its_subject_visibly_and_no_other(sqlite_url: str, gym: Path, tmp_path: Path) -> None:
    site = laid_out(tmp_path / "site", "acme-counts", {"views": "acme_counts"}, {"acme_counts": VIEW})
    command = typed(sqlite_url, gym, site)
    done(command("init"))
    done(command("record", "--json", "-", stdin=json.dumps(STORY).encode()))
    for folded in (("run", "--once"), ("rebuild",)):
        done(command(*folded))
        counts = done(command("view", "counts", "--format", "json"))
        assert [(row["subject"], row["seen"]) for row in counts] == [("anna", 2), ("cleo", 1)]
        parked = {each["view"]: each["parked"] for each in done(command("status", "--format", "json"))["views"]}
        assert {name for name, count in parked.items() if count} == {"counts"}
    assert done(command(*ASK)) == BY_CLUB


KIND = '''
    from typing import Annotated
    from pydantic import AfterValidator, field_serializer
    from domain.touchpoint import Touchpoint

    SECRETS = {"tea": 1, "water": 2}

    def looked_up(value):
        SECRETS[value]
        return value

    class DrinkServed(Touchpoint, schema_version=2):
        """Somebody drank something."""
        drink: Annotated[str, AfterValidator(looked_up)]

        @staticmethod
        def upcast_v1_v2(data):
            data["drink"] = data["beverage"]

        @field_serializer("drink")
        def shortened(self, drink):
            return {"tea": "t"}[drink.lower()] if drink != "water" else 1 / 0
'''


def test_a_validator_that_fails_is_a_named_error_and_stores_nothing(sqlite_url: str, tmp_path: Path) -> None:
    site = laid_out(tmp_path / "site", "acme-drinks", {"kinds": "acme_drinks"}, {"acme_drinks": KIND})
    command = typed(sqlite_url, site)
    done(command("init"))
    served = trial("1", "DrinkServed", "anna", 1, drink="gin-of-anna")
    order = trial("2", "OrderPlaced", "anna", 1, order="o", total="3 EUR")
    for sent in (served, [order, served], served | {"dataschema": "urn:lifecircle:DrinkServed:1"}):
        refused = command("record", "--format", "json", "--json", json.dumps(sent))
        assert (refused.code, refused.error["error"]) == (3, "KindBroken")
        assert "KeyError in line" in refused.error["what"]
        assert "acme_drinks" in refused.error["way_out"]
        assert "gin-of-anna" not in refused.err
    water = command("record", "DrinkServed", "--subject", "anna", "drink=water", "--format", "json")
    assert (water.code, water.error["error"]) == (3, "KindBroken")
    assert command("history", "anna").code == 6
    done(command("record", "DrinkServed", "--subject", "anna", "drink=tea"))
    done(command("record", "--json", json.dumps(order)))
    assert len(done(command("history", "anna", "--format", "json"))) == 2


def test_own_kinds_are_guessed_and_imported_from_files(sqlite_url: str, gym: Path, tmp_path: Path) -> None:
    file, mapping = tmp_path / "started.csv", tmp_path / "started.toml"
    file.write_text("member id,trial,club,started at\nanna,t1,North,2026-03-02T10:00:00Z\n")
    command = typed(sqlite_url, gym)
    done(command("init"))
    done(command("map", str(file), "--kind", "TrialStarted", "-o", str(mapping)))
    assert done(command("import", str(file), "--map", str(mapping), "--format", "json"))["stored"] == 1
    assert done(command("history", "anna", "--format", "json"))[0]["data"] == {"trial": "t1", "club": "North"}
