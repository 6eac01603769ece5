"""The one judge, which reads the tables of all lifecycles: what a touchpoint breaks, and what it heals."""

from collections.abc import Iterable, Sequence
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

from domain.company import Company
from domain.corrections import CORRECTED
from domain.lifecycle import Breach, Lifecycle, RuleState, World, breach_of
from domain.touchpoint import Fact

TARGET_MISSING = "correction/target not there"


def judged(world: World, fact: Fact, tables: Iterable[Lifecycle] | None = None) -> tuple[list[Breach], list[Breach]]:
    """Let a touchpoint happen in a world, by some lifecycles or all: the breaches that came, and those that healed."""
    found: list[Breach] = []
    healed: list[Breach] = []
    if tables is None:
        tables = _lifecycles_by_kind().get(fact.kind, ())
        if fact.kind == CORRECTED:
            detail = "what it corrects is not known, or cannot be corrected so"
            found.append(breach_of(fact, TARGET_MISSING, "", detail, world.day(fact)))
    for table in tables:
        if table.entities:
            for entity in table.entities(fact, world):
                table.take(fact, entity, world, found, healed)
        elif named := fact.data.get(table.key):
            table.take(fact, named, world, found, healed)
    return found, healed


class Verdict(NamedTuple):
    """What one touchpoint did to the rules: breaches that came, its own or earlier ones', and those that healed."""

    state: RuleState
    breaches: tuple[Breach, ...]
    healed: tuple[Breach, ...]


def weigh(state: RuleState, fact: Fact, company: Company) -> Verdict:
    """Judge the next touchpoint of an effective history; `state` stays as it was, so that it may be asked again."""
    world = World(state, company)
    breaches, healed = judged(world, fact)
    return Verdict(state.updated(world.changes), tuple(breaches), tuple(healed))


def lived(state: RuleState, fact: Fact, company: Company, tables: Sequence[Lifecycle]) -> RuleState:
    """What these lifecycles alone remember after the next touchpoint, for whoever shows it and asks for no breaches.

    Args:
        state: what they remembered before; it stays as it was.
        fact: the next touchpoint of an effective history.
        company: whose tolerances hold.
        tables: each after those that it reads.
    """
    world = World(state, company)
    judged(world, fact, [table for table in tables if fact.kind in table.kinds])
    return state.updated(world.changes)


def judge(state: RuleState, fact: Fact, company: Company) -> tuple[RuleState, tuple[Breach, ...]]:
    """Judge the next touchpoint of an effective history: the state after it, and the breaches it commits itself."""
    after, breaches, _ = weigh(state, fact, company)
    return after, tuple(breach for breach in breaches if (breach.stream, breach.version) == (fact.stream, fact.version))


def breaches_in(history: Iterable[Fact], company: Company) -> list[Breach]:
    """All breaches that stand at the end of an effective history, those that healed on the way left out."""
    state, standing = RuleState(), dict[tuple[str, int, str, str], Breach]()
    for fact in history:
        state, breaches, healed = weigh(state, fact, company)
        for breach in healed:
            standing.pop(breach.key, None)
        standing.update((breach.key, breach) for breach in breaches)
    return list(standing.values())


_COMPANYS_OWN: list[Lifecycle] = []


def add_lifecycles(added: Iterable[Lifecycle]) -> None:
    """Take in lifecycles of a company's own; their keys must be no other's."""
    _COMPANYS_OWN.extend(added)
    lifecycles.cache_clear()
    _lifecycles_by_kind.cache_clear()


def ordered(tables: Iterable[Lifecycle]) -> tuple[Lifecycle, ...]:
    """Each lifecycle after those that it reads.

    Raises:
        KeyError: one reads a lifecycle that there is not.
        graphlib.CycleError: some read each other.
    """
    by_key = {table.key: table for table in sorted(tables, key=lambda table: table.key)}
    return tuple(by_key[key] for key in TopologicalSorter({key: by_key[key].after for key in by_key}).static_order())


@cache
def lifecycles() -> tuple[Lifecycle, ...]:
    """Every lifecycle, ours found by its being there; each comes after those that it reads."""
    path = import_module("domain.lifecycles").__path__
    rooms = [import_module(f"domain.lifecycles.{room.name}") for room in iter_modules(path)]
    tables = [table for room in rooms for table in vars(room).values() if isinstance(table, Lifecycle)]
    return ordered([*tables, *_COMPANYS_OWN])


@cache
def _lifecycles_by_kind() -> dict[str, tuple[Lifecycle, ...]]:
    kinds = frozenset[str]().union(*(lifecycle.kinds for lifecycle in lifecycles()))
    return {kind: tuple(each for each in lifecycles() if kind in each.kinds) for kind in kinds}


def judged_kinds() -> frozenset[str]:
    """The kinds that any rule is about."""
    return frozenset({CORRECTED, *_lifecycles_by_kind()})
