"""Lifecycles: what may follow what, and which rules a touchpoint can break, drawn from the tables that judge them."""

from docs.generate.markdown import page
from domain.diagram import diagram
from domain.judging import lifecycles

_OPENING = """
A touchpoint that breaks a rule is recorded all the same, and shows in the view [breaches](views.md#breaches) under the
name of the rule; a caller that says `strict` is refused instead. [Facts
are not requests](../explanation/facts.md) says why.
"""


def pages() -> dict[str, str]:
    """One page of all lifecycles, by the names of what they are about."""
    drawn = [f"## {each.key}\n\n{diagram(each)}" for each in sorted(lifecycles(), key=lambda each: each.key)]
    return {"lifecycles.md": page("Lifecycles and their rules", _OPENING, *drawn)}
