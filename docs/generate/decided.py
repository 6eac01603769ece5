"""Decisions: what the program may decide by itself, by which rule, from which question."""

from docs.generate.markdown import code, page, table
from domain.decision import decisions

_OPENING = """
What `lifecircle act` takes, and `lifecircle run --act` again and again. [Let it decide](../how-to/decide.md) tells how;
the names in the rules are [settings](settings.md) of the company; what they read is told under [views](views.md).
"""


def pages() -> dict[str, str]:
    """One page of all decisions."""
    rows = [(code(each.name), code(each.reads), each.rule) for each in decisions().values()]
    return {"decided.md": page("Decisions", _OPENING, table(("decision", "reads", "rule"), rows))}
