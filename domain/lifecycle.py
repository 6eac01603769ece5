"""Lifecycles: which touchpoint may follow which, as tables, and the one judge that reads them.

A touchpoint that breaks a rule is a fact all the same: the breach is noted and the step is then taken, so that later
touchpoints are judged by what really happened. A step of something that was never opened waits; when the opening
arrives in the order of history, what waited is judged anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

from domain.company import Company
from domain.corrections import CORRECTED
from domain.touchpoint import Fact, Touchpoint

EARLY = "before its opening"
BOTH_HALVES = "in both halves of a merge"
TARGET_MISSING = "correction/target not there"


class Breach(NamedTuple):
    """One touchpoint that should not have happened as it did, or lacks what should have come before.

    stream, version, id and source name the touchpoint; `rule` is a stable name such as `order/never placed`; `entity`
    is what it concerns, such as `order/123`; day: its calendar day; at: microseconds since 1970 UTC; detail: the rule
    in a sentence, without values of the touchpoint.
    """

    stream: str
    version: int
    rule: str
    entity: str
    id: str
    source: str
    kind: str
    day: str
    at: int
    detail: str

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What tells it from other breaches of one subject: stream, version, rule and entity."""
        return self[:4]


class Life(NamedTuple):
    """Where one entity stands. `state` is empty until it is opened; until then `waiting` holds its steps, latest first.

    stream, day and dated: where and when it was opened, and whether only the date of that counts.
    """

    state: str = ""
    memo: Any = None
    stream: str = ""
    day: str = ""
    dated: bool = False
    waiting: "tuple[Fact, Any] | None" = None


_UNOPENED = Life()
_SHARD_MIN = 16
"""How many lives lie in one shard before there are more shards."""


class RuleState:
    """The lives of one subject's entities, never changed in place: `with_lives` answers a new one.

    The lives lie in shards, about as many as each holds, so that a new state copies about the square root of them.
    """

    __slots__ = ("_count", "_shards")

    def __init__(self) -> None:
        self._count = 0
        self._shards: tuple[dict[tuple[str, str], Life], ...] = ({},)

    def life(self, key: str, entity: str) -> Life | None:
        """The life of an entity, such as `("order", "123")`."""
        name = (key, entity)
        return self._shards[hash(name) % len(self._shards)].get(name)

    def with_lives(self, changes: Mapping[tuple[str, str], Life]) -> "RuleState":
        """This state with some lives replaced."""
        after = RuleState()
        if len(self._shards) == 1 and self._count < _SHARD_MIN:
            only = {**self._shards[0], **changes}
            after._count, after._shards = len(only), (only,)
            return after
        shards = list(self._shards)
        copied: set[int] = set()
        after._count = self._count
        for name, life in changes.items():
            place = hash(name) % len(shards)
            if place not in copied:
                copied.add(place)
                shards[place] = shards[place].copy()
            after._count += name not in shards[place]
            shards[place][name] = life
        if after._count > _SHARD_MIN * len(shards) and after._count > len(shards) ** 2:
            shards = _resharded(shards)
        after._shards = tuple(shards)
        return after


def _resharded(shards: Sequence[dict[tuple[str, str], Life]]) -> list[dict[tuple[str, str], Life]]:
    wider: list[dict[tuple[str, str], Life]] = [{} for _ in range(4 * len(shards))]
    for shard in shards:
        for name, life in shard.items():
            wider[hash(name) % len(wider)][name] = life
    return wider


class World:
    """What a rule may look at beside the entity itself: its subject's other lives, and the company's settings.

    `before` are the lives before the touchpoint, `changes` those that it has touched so far.
    """

    __slots__ = ("before", "changes", "company")

    def __init__(self, before: RuleState, company: Company) -> None:
        self.before = before
        self.changes: dict[tuple[str, str], Life] = {}
        self.company = company

    def life(self, key: str, entity: str) -> Life | None:
        """Another life, as the lifecycles that were judged earlier have left it."""
        return self.changes.get((key, entity)) or self.before.life(key, entity)


class Step(NamedTuple):
    """One touchpoint as it reaches one entity, for the small functions beside a table."""

    fact: Fact
    entity: str
    memo: Any
    world: World


class Guard(NamedTuple):
    """A rule that needs the data: `broken` says whether the step breaks it, before the step is taken."""

    rule: str
    detail: str
    broken: Callable[[Step], bool]


class Lifecycle:
    """The life of one type of entity.

    Args:
        key: the entity's type, which is also the stored field that names it.
        opens: the kinds that begin a life, each with the state it begins in.
        steps: for each state the kinds that may happen in it, each with the state that follows.
        refuses: the rule that any other kind breaks in a state.
        never: the rule that a step breaks when nothing opened the entity.
        twice: the rule that a second opening breaks.
        guards: rules on the data of a step that the table allows.
        keeps: what a life remembers after a step, for its guards; by kind, from the step to the new memory.
        stays: steps that leave the state as it is when this is true of them.
        early: the rule that a step breaks when the opening comes after it.
        entities: which entities a step concerns, where that is no single field; such a lifecycle is judged last.
    """

    def __init__(
        self,
        key: str,
        *,
        opens: Mapping[type[Touchpoint], str],
        steps: Mapping[str, Mapping[type[Touchpoint], str]],
        refuses: Mapping[str, str],
        never: str,
        twice: str,
        guards: Mapping[type[Touchpoint], Sequence[Guard]] | None = None,
        keeps: Mapping[type[Touchpoint], Callable[[Step], Any]] | None = None,
        stays: Mapping[type[Touchpoint], Callable[[Step], bool]] | None = None,
        early: str = EARLY,
        entities: Callable[[Fact, World], Iterable[str]] | None = None,
    ) -> None:
        self.key = key
        self.opens = _by_name(opens)
        self.steps = {state: _by_name(row) for state, row in steps.items()}
        self.refuses, self.never, self.twice, self.early = refuses, never, twice, early
        self._guards, self._keeps, self._stays = _by_name(guards), _by_name(keeps), _by_name(stays)
        self._entities = entities
        self.kinds = frozenset(self.opens).union(*self.steps.values())
        # Where a step goes that the table forbids: where it leads when allowed, or nowhere if it never moves anything.
        self._lands = {
            kind: state
            for before, row in reversed(self.steps.items())
            for kind, state in row.items()
            if state != before
        }

    @property
    def judged_last(self) -> bool:
        """Whether it reads what the other lifecycles made of the touchpoint."""
        return self._entities is not None

    def judge(self, fact: Fact, world: World, found: list[Breach], healed: list[Breach]) -> None:
        """Take one touchpoint into the lives it concerns; add the breaches that came and those that healed."""
        if self._entities:
            for entity in self._entities(fact, world):
                self._take(fact, entity, world, found, healed)
        elif named := fact.data.get(self.key):
            self._take(fact, named, world, found, healed)

    def _take(self, fact: Fact, entity: str, world: World, found: list[Breach], healed: list[Breach]) -> None:
        life = world.life(self.key, entity) or _UNOPENED
        if life.state:
            after, rules = self._step(life, fact, entity, world)
            for rule, detail in rules:
                found.append(self._breach(rule, detail, fact, entity, world))
        elif fact.kind in self.opens:
            after = self._open(fact, entity, life, world, found, healed)
        else:
            after = life._replace(waiting=(fact, life.waiting))
            found.append(self._unopened(fact, entity, world))
        world.changes[self.key, entity] = after

    def _unopened(self, fact: Fact, entity: str, world: World) -> Breach:
        return self._breach(self.never, f"no opening of this {self.key} is known", fact, entity, world)

    def _open(
        self, fact: Fact, entity: str, life: Life, world: World, found: list[Breach], healed: list[Breach]
    ) -> Life:
        day = world.company.day(fact)
        keeps = self._keeps.get(fact.kind)
        memo = keeps(Step(fact, entity, None, world)) if keeps else None
        after = Life(self.opens[fact.kind], memo, fact.stream, day, fact.is_date)
        for early in _oldest_first(life.waiting):
            healed.append(self._unopened(early, entity, world))
            # Everything that waited sorts before the opening; only calendar dates can say that it was not earlier.
            same_day = (early.is_date or fact.is_date) and world.company.day(early) >= day
            after, rules = self._step(after, early, entity, world)
            if not same_day:
                rules = [(self.early, f"the opening of this {self.key} came later")]
            found += [self._breach(*rule, early, entity, world) for rule in rules]
        return after

    def _step(self, life: Life, fact: Fact, entity: str, world: World) -> tuple[Life, list[tuple[str, str]]]:
        kind, rules = fact.kind, list[tuple[str, str]]()
        step = Step(fact, entity, life.memo, world)
        state = self.steps.get(life.state, {}).get(kind)
        if kind in self.opens and not self._entities and fact.stream != life.stream:
            rules.append((BOTH_HALVES, f"this {self.key} was opened under two customers who are one"))
        elif state is None:
            reopened = kind in self.opens
            rules.append((self.twice if reopened else self.refuses[life.state], f"{kind} while {life.state}"))
        else:
            rules += [(guard.rule, guard.detail) for guard in self._guards.get(kind, ()) if guard.broken(step)]
        if (life.dated or fact.is_date) and kind not in self.opens and world.company.day(fact) < life.day:
            rules.append((self.early, f"the opening of this {self.key} came on a later day"))
        if state is None:
            state = self._lands.get(kind, life.state)
        if (stays := self._stays.get(kind)) and stays(step):
            state = life.state
        memo = keeps(step) if (keeps := self._keeps.get(kind)) else life.memo
        return Life(state, memo, life.stream, life.day, life.dated), rules

    def _breach(self, rule: str, detail: str, fact: Fact, entity: str, world: World) -> Breach:
        return _breach_of(fact, f"{self.key}/{rule}", f"{self.key}/{entity}", detail, world.company)


class Verdict(NamedTuple):
    """What one touchpoint did to the rules: breaches that came, its own or earlier ones', and those that healed."""

    state: RuleState
    breaches: tuple[Breach, ...]
    healed: tuple[Breach, ...]


def weigh(state: RuleState, fact: Fact, company: Company) -> Verdict:
    """Judge the next touchpoint of an effective history; `state` stays as it was, so that it may be asked again."""
    if fact.kind == CORRECTED:
        detail = "what it corrects is not known, or cannot be corrected so"
        return Verdict(state, (_breach_of(fact, TARGET_MISSING, "", detail, company),), ())
    concerned = _lifecycles_by_kind().get(fact.kind)
    if not concerned:
        return Verdict(state, (), ())
    world = World(state, company)
    found, healed = list[Breach](), list[Breach]()
    for lifecycle in concerned:
        lifecycle.judge(fact, world, found, healed)
    after = state.with_lives(world.changes) if world.changes else state
    return Verdict(after, tuple(found), tuple(healed))


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


@cache
def lifecycles() -> tuple[Lifecycle, ...]:
    """Every lifecycle, found by its being there; those that read the others' come last."""
    path = import_module("domain.lifecycles").__path__
    rooms = [import_module(f"domain.lifecycles.{room.name}") for room in iter_modules(path)]
    found = [table for room in rooms for table in vars(room).values() if isinstance(table, Lifecycle)]
    return tuple(sorted(found, key=lambda table: (table.judged_last, table.key)))


@cache
def _lifecycles_by_kind() -> dict[str, tuple[Lifecycle, ...]]:
    kinds = frozenset[str]().union(*(lifecycle.kinds for lifecycle in lifecycles()))
    return {kind: tuple(each for each in lifecycles() if kind in each.kinds) for kind in kinds}


def _by_name(by_kind: Mapping[type[Touchpoint], Any] | None) -> dict[str, Any]:
    return {kind.kind: value for kind, value in (by_kind or {}).items()}


def _oldest_first(waiting: "tuple[Fact, Any] | None") -> list[Fact]:
    facts = []
    while waiting:
        fact, waiting = waiting
        facts.append(fact)
    return facts[::-1]


def _breach_of(fact: Fact, rule: str, entity: str, detail: str, company: Company) -> Breach:
    stream, version, kind, ident, source = fact.stream, fact.version, fact.kind, fact.id, fact.source
    return Breach(stream, version, rule, entity, ident, source, kind, company.day(fact), fact.at, detail)
