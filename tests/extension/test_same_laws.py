"""The laws of kinds, lifecycles, views and decisions, run again in a process where a company's package is installed."""

import subprocess
import sys
from pathlib import Path

from tests.extension.packages import ROOT, on_path

LAWS = (
    "tests/domain/test_kinds.py",
    "tests/domain/test_lifecycle_tables.py",
    "tests/projections/test_decisions.py",
    "tests/projections/test_view_laws.py",
    "tests/read_side/test_laws.py",
)
CONCERNED = "Trial or trial or test_view_laws or any_batches or lists_every or is_found"
"""Of the tests of kinds and lifecycles those of the package's own; of views all laws, a rebuild as a replay too."""
WITNESSES = (
    "test_what_is_stored_is_read_back_as_it_was[TrialStarted]",
    "test_a_step_breaks_the_rule_of_a_state_exactly_where_the_table_forbids_it[trial-over-TrialEnded]",
    "test_a_step_of_what_was_never_opened_is_a_breach_until_the_opening_arrives[trial-TrialEnded]",
    "test_a_view_and_its_questions_say_what_they_and_each_column_mean[trials]",
    "test_every_decision_obeys_the_laws_reads_columns_that_there_are_and_says_its_rule[sqlite-long-trial]",
    "test_live_in_any_batches_is_a_rebuild_is_a_replay",
)


def test_a_companys_own_kinds_lifecycles_and_views_obey_the_laws_of_ours(gym: Path) -> None:
    pytest = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:xdist", *LAWS, "-k", CONCERNED]
    done = subprocess.run(pytest, cwd=ROOT, env=on_path(gym), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout
    passed = {line.partition("::")[2].partition(" PASSED")[0] for line in done.stdout.splitlines() if " PASSED" in line}
    assert passed >= set(WITNESSES)
