"""The format of a log, and the steps by which its schema goes on while programs of the version before append to it.

The first schema is `schema.sql` of each database. What comes after is a step, `steps/1.sql` and so on, which a new log
takes at once, and an older one by `lifecircle upgrade`. A step adds, and never takes away what programs of before use:
a changed function gets another name, a new column may be null. Where that cannot be, `oldest` says which step programs
must know at least, and those of before are refused. A program needs all steps that it knows.
"""

from collections.abc import Mapping

from domain.errors import NewerLog, OlderLog, OlderSchema

FORMAT_VERSION = 2
"""The version of the stored format; a log of another one is refused. From 2 on personal data is sealed."""

STEPS: Mapping[int, int] = {1: 0, 2: 0}
"""Each step of the schema, and which step a program must know at least to go on after it."""

KNOWN = max(STEPS)


def checked_format(version: int, where: str) -> None:
    """Let a log pass that has the format of this program.

    Raises:
        NewerLog: its format is a later one. OlderLog: its personal data is not sealed.
    """
    if version > FORMAT_VERSION:
        raise NewerLog(
            f"the log has format {version}, and this program knows formats up to {FORMAT_VERSION}",
            where=where,
            way_out="use the version of lifecircle that wrote it, or a newer one",
        )
    if version < FORMAT_VERSION:
        raise OlderLog(
            f"the log has format {version}, from before personal data was sealed",
            where=where,
            rule=f"this program keeps logs of format {FORMAT_VERSION}, in which nothing personal stands unsealed",
            way_out="follow the old log with the version that wrote it, and record its touchpoints in a new one",
        )


def checked_steps(taken: int, oldest: int, where: str) -> None:
    """Let a log pass whose schema this program can work with.

    Args:
        taken: the last step that the schema has taken, 0 for the first schema.
        oldest: the step that programs must know at least.
        where: the log, for people.

    Raises:
        NewerLog: it has taken a step that this program cannot follow. OlderSchema: it lacks one that is needed.
    """
    if oldest > KNOWN:
        raise NewerLog(
            f"the schema of the log needs programs that know its step {oldest}, and this one knows steps up to {KNOWN}",
            where=where,
            way_out="use the version of lifecircle that upgraded it, or a newer one",
        )
    if taken < KNOWN:
        raise OlderSchema(
            f"the schema of the log is at step {taken}, and this program needs step {KNOWN}",
            where=where,
            rule="a log is upgraded before the programs that use it are; those of before go on meanwhile",
            way_out="lifecircle upgrade, by whoever owns the tables of the log",
        )
