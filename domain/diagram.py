"""Lifecycles as pictures and tables, drawn from the tables that the rules are judged by."""

from domain.lifecycle import BOTH_HALVES, Lifecycle


def diagram(lifecycle: Lifecycle) -> str:
    """Draw a lifecycle as Markdown: its states as a Mermaid diagram, and its rules as a table."""
    return f"```mermaid\n{states(lifecycle)}\n```\n\n{rules(lifecycle)}"


def states(lifecycle: Lifecycle) -> str:
    """A Mermaid state diagram of what may happen: one arrow from state to state, with the kinds that lead there.

    Source of the notation: https://mermaid.js.org/syntax/stateDiagram.html
    """
    arrows: dict[tuple[str, str], list[str]] = {}
    for kind, after in lifecycle.opens.items():
        arrows.setdefault(("[*]", after), []).append(kind)
    for before, row in lifecycle.steps.items():
        for kind, after in row.items():
            arrows.setdefault((before, after), []).append(kind)
    drawn = [f"    {before} --> {after} : {'<br>'.join(kinds)}" for (before, after), kinds in arrows.items()]
    return "\n".join(["stateDiagram-v2", *drawn])


def rules(lifecycle: Lifecycle) -> str:
    """A Markdown table of every rule of a lifecycle: its name, the kinds that can break it, and when they do."""
    steps = sorted(lifecycle.kinds - lifecycle.opens.keys())
    opens = sorted(lifecycle.opens)
    found: list[tuple[str, list[str], str]] = [(lifecycle.never, steps, "nothing opened it before")]
    if lifecycle.early != lifecycle.never:
        found.append((lifecycle.early, steps, "it was opened only later"))
    found += [(lifecycle.twice, kinds, f"it is {state}") for state, kinds in _refused(lifecycle, opens)]
    found += [(lifecycle.refuses[state], kinds, f"it is {state}") for state, kinds in _refused(lifecycle, steps)]
    guarded: dict[tuple[str, str], list[str]] = {}
    for kind, guards in lifecycle.guards.items():
        for guard in guards:
            guarded.setdefault((guard.rule, guard.detail), []).append(kind)
    found += [(rule, kinds, detail) for (rule, detail), kinds in guarded.items()]
    if lifecycle.balance:
        found.append((lifecycle.balance.rule, sorted(lifecycle.kinds), lifecycle.balance.detail))
    if lifecycle.exclusive:
        found.append((BOTH_HALVES, opens, "it was opened under two customers who are one"))
    rows = [f"| `{lifecycle.key}/{rule}` | {', '.join(kinds)} | {when} |" for rule, kinds, when in found if kinds]
    return "\n".join(["| rule | broken by | when |", "|---|---|---|", *rows])


def _refused(lifecycle: Lifecycle, kinds: list[str]) -> list[tuple[str, list[str]]]:
    refused = ((state, [kind for kind in kinds if kind not in row]) for state, row in lifecycle.steps.items())
    return [(state, those) for state, those in refused if those]
