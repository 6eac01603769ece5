"""Every limit of the engine, by name, with its unit and default. Rules of the company stand in `domain.company`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on what one call, batch, queue or wait may take. Units stand last in the names."""

    touchpoint_size_max_bytes: int = 1_000_000
    """The largest touchpoint, as JSON."""

    json_depth_max: int = 32
    """How deep objects and lists may be nested in a touchpoint."""

    commit_group_max: int = 1_000
    """How many waiting appends one committer takes into one transaction."""

    decide_rounds_max: int = 8
    """How often a strict append, a merge or a correction is decided anew because its subject moved meanwhile."""

    rule_state_cache_subjects: int = 10_000
    """For how many subjects the rule state is kept in memory."""


LIMITS = Limits()
