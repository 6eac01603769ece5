"""What a guess is in doubt of, and what somebody who knows the file has answered beforehand."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"


class Answers(NamedTuple):
    """What is known of a file; what is None is guessed.

    kind: what its rows are; subject, time: the columns that say whom they concern and when; currency: that of amounts
    which name none; dates: whether days or months come first; encoding: how its text is stored.
    """

    kind: str | None = None
    subject: str | None = None
    time: str | None = None
    currency: str | None = None
    dates: str | None = None
    encoding: str | None = None

    def options(self) -> dict[str, str]:
        """The options of the command line that say the same."""
        return {f"--{name}": said for name, said in self._asdict().items() if said is not None}


class Doubt(NamedTuple):
    """What a guess is not sure of. `option` settles it: with the first of `values` as it was taken, or with another."""

    text: str
    option: str = ""
    values: tuple[str, ...] = ()


def way_out_of(doubts: Sequence[Doubt], file: Path, answers: Answers) -> str:
    """The command that imports a file as it was taken, to copy or to change; some doubt must have an option."""
    asked = [doubt for doubt in doubts if doubt.option]
    options = answers.options() | {doubt.option: doubt.values[0] for doubt in asked}
    said = " ".join(f"{option} {shlex.quote(value)}" for option, value in options.items())
    others = [f"{doubt.option} {shlex.quote(value)}" for doubt in asked for value in doubt.values[1:]]
    instead = f"say it there (such as {', '.join(others)})" if others else "say there what is"
    return f"if that is right: lifecircle import {shlex.quote(str(file))} --guess {said}; if not, {instead}"
