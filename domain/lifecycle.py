"""Lifecycles: which touchpoint may follow which, as tables, and how each takes a step.

A touchpoint that breaks a rule is a fact all the same: the breach is noted and the step is then taken, so that later
touchpoints are judged by what really happened. A step of something that was never opened waits; when the opening
arrives in the order of history, what waited is judged anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from domain.company import Company
from domain.shards import Shards
from domain.touchpoint import Fact, Touchpoint

EARLY = "before its opening"
BOTH_HALVES = "in both halves of a merge"


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

    stream, day and dated: where and when it was opened, and whether only the date of that counts; unbalanced: the step
    after which the balance of its lifecycle did not hold, if it still does not.
    """

    state: str = ""
    memo: Any = None
    stream: str = ""
    day: str = ""
    dated: bool = False
    waiting: "tuple[Fact, Any] | None" = None
    unbalanced: Fact | None = None


_UNOPENED = Life()

RuleState = Shards[tuple[str, str], Life]
"""The lives of one subject's entities, each under its lifecycle's key and its name, such as `("order", "123")`."""


class Lives(Protocol):
    """The lives of one subject's entities, to be looked up."""

    def get(self, key: tuple[str, str], /) -> Life | None:
        """What stands under a lifecycle's key and the entity's name."""


class World:
    """What a rule may look at beside the entity itself: its subject's other lives, and the company's settings.

    `before` are the lives before the touchpoint, `changes` those that it has touched so far.
    """

    __slots__ = ("_day", "_of", "before", "changes", "company")

    def __init__(self, before: Lives, company: Company) -> None:
        self.before = before
        self.changes: dict[tuple[str, str], Life] = {}
        self.company = company
        self._of: Fact | None = None
        self._day = ""

    def day(self, fact: Fact) -> str:
        """The calendar day of a fact, remembered: several rules ask for it."""
        if fact is not self._of:
            self._of, self._day = fact, self.company.day(fact)
        return self._day

    def life(self, key: str, entity: str) -> Life | None:
        """Another life, as the lifecycles that were judged earlier have left it."""
        place = (key, entity)
        return self.changes.get(place) or self.before.get(place)

    def life_before(self, key: str, entity: str) -> Life | None:
        """Another life, as it was before the touchpoint."""
        return self.before.get((key, entity))


class Step(NamedTuple):
    """One touchpoint as it reaches one entity, for the small functions beside a table.

    `memo` is what the life remembers, None before its opening; `waited`: it came before the opening, which is now.
    """

    fact: Fact
    entity: str
    memo: Any
    world: World
    waited: bool = False


# They are made for every step, and so without going through Python.
_breach, _life, _step = partial(tuple.__new__, Breach), partial(tuple.__new__, Life), partial(tuple.__new__, Step)


class Guard(NamedTuple):
    """A rule that needs the data: `broken` says whether the step breaks it, before the step is taken.

    As the balance of a lifecycle, it is asked after the step, and what it says stands until a later step mends it.
    """

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
        guards: rules on the data of an opening, or of a step that the table allows.
        keeps: what a life remembers after a step, for its guards; by kind, from the step to the new memory.
        stays: steps that leave the state as it is when this is true of them.
        balance: a rule on what a life remembers; broken, it stands on the latest step that changed the memory.
        early: the rule that a step breaks when the opening comes after it.
        entities: which entities a step concerns, where that is no single field.
        after: keys of lifecycles that are judged before, because this one reads what they made of the touchpoint.
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
        balance: Guard | None = None,
        early: str = EARLY,
        entities: Callable[[Fact, World], Iterable[str]] | None = None,
        after: Sequence[str] = (),
    ) -> None:
        self.key = key
        self.opens: dict[str, str] = _by_name(opens)
        self.steps: dict[str, dict[str, str]] = {state: _by_name(row) for state, row in steps.items()}
        self.refuses, self.never, self.twice, self.early = refuses, never, twice, early
        self._unopened = f"no opening of this {key} is known"
        self.guards: dict[str, Sequence[Guard]] = _by_name(guards)
        self.balance = balance
        self.after = tuple(after)
        self.exclusive = any(key in kind.model_fields for kind in opens)
        """Whether an entity belongs to one customer, because the opening itself names it."""
        self.keeps: dict[str, Callable[[Step], Any]] = _by_name(keeps)
        self._stays = _by_name(stays)
        self.entities = entities
        self.kinds = frozenset(self.opens).union(*self.steps.values())
        # Where a step goes that the table forbids: where it leads when allowed, or nowhere if it never moves anything.
        self._lands = {
            kind: state
            for before, row in reversed(self.steps.items())
            for kind, state in row.items()
            if state != before
        }

    def take(self, fact: Fact, entity: str, world: World, found: list[Breach], healed: list[Breach]) -> None:
        """Take one touchpoint into one life; add the breaches that came and those that healed."""
        place = (self.key, entity)
        life = world.changes.get(place) or world.before.get(place) or _UNOPENED
        if life.state:
            after, rules = self._step(life, fact, entity, world)
            if rules:
                found += [self._breach(*rule, fact, entity, world) for rule in rules]
        elif fact.kind in self.opens:
            after = self._open(fact, entity, life, world, found, healed)
        else:
            after = _life(("", life.memo, "", "", False, (fact, life.waiting), life.unbalanced))
            found.append(self._breach(self.never, self._unopened, fact, entity, world))
        if self.balance and after.memo is not life.memo:
            after = self._balanced(self.balance, after, fact, entity, world, found, healed)
        world.changes[place] = after

    def _open(
        self, fact: Fact, entity: str, life: Life, world: World, found: list[Breach], healed: list[Breach]
    ) -> Life:
        kind, day, memo = fact.kind, world.day(fact), None
        keeps = self.keeps.get(kind)
        if (guarded := kind in self.guards) or keeps:
            step = _step((fact, entity, None, world, False))
            if guarded:
                found += [self._breach(*rule, fact, entity, world) for rule in self._guarded(step)]
            memo = keeps(step) if keeps else None
        after = _life((self.opens[kind], memo, fact.stream, day, fact.is_date, None, None))
        for early in _oldest_first(life.waiting) if life.waiting else ():
            healed.append(self._breach(self.never, self._unopened, early, entity, world))
            # Everything that waited sorts before the opening; only calendar dates can say that it was not earlier.
            same_day = (early.is_date or fact.is_date) and world.day(early) >= day
            after, rules = self._step(after, early, entity, world, waited=True)
            if not same_day:
                rules = [(self.early, f"the opening of this {self.key} came later")]
            found += [self._breach(*rule, early, entity, world) for rule in rules]
        return after

    def _step(
        self, life: Life, fact: Fact, entity: str, world: World, *, waited: bool = False
    ) -> tuple[Life, list[tuple[str, str]]]:
        kind = fact.kind
        rules: list[tuple[str, str]] = []
        step = _step((fact, entity, life.memo, world, waited))
        state = self.steps.get(life.state, {}).get(kind)
        if self.exclusive and kind in self.opens and fact.stream != life.stream:
            rules.append((BOTH_HALVES, f"this {self.key} was opened under two customers who are one"))
        elif state is None:
            reopened = kind in self.opens
            rules.append((self.twice if reopened else self.refuses[life.state], f"{kind} while {life.state}"))
        elif kind in self.guards:
            rules += self._guarded(step)
        if (life.dated or fact.is_date) and kind not in self.opens and world.day(fact) < life.day:
            rules.append((self.early, f"the opening of this {self.key} came on a later day"))
        if state is None:
            state = self._lands.get(kind, life.state)
        if (stays := self._stays.get(kind)) and stays(step):
            state = life.state
        memo = keeps(step) if (keeps := self.keeps.get(kind)) else life.memo
        return _life((state, memo, life.stream, life.day, life.dated, life.waiting, life.unbalanced)), rules

    def _guarded(self, step: Step) -> list[tuple[str, str]]:
        return [(guard.rule, guard.detail) for guard in self.guards.get(step.fact.kind, ()) if guard.broken(step)]

    def _balanced(
        self,
        balance: Guard,
        life: Life,
        fact: Fact,
        entity: str,
        world: World,
        found: list[Breach],
        healed: list[Breach],
    ) -> Life:
        if life.unbalanced:
            healed.append(self._breach(balance.rule, balance.detail, life.unbalanced, entity, world))
        if not balance.broken(Step(fact, entity, life.memo, world)):
            return life._replace(unbalanced=None)
        found.append(self._breach(balance.rule, balance.detail, fact, entity, world))
        return life._replace(unbalanced=fact)

    def _breach(self, rule: str, detail: str, fact: Fact, entity: str, world: World) -> Breach:
        key = self.key
        return breach_of(fact, f"{key}/{rule}", f"{key}/{entity}", detail, world.day(fact))


def _by_name(by_kind: Mapping[type[Touchpoint], Any] | None) -> dict[str, Any]:
    return {kind.kind: value for kind, value in (by_kind or {}).items()}


def _oldest_first(waiting: "tuple[Fact, Any] | None") -> list[Fact]:
    facts = []
    while waiting:
        fact, waiting = waiting
        facts.append(fact)
    return facts[::-1]


def breach_of(fact: Fact, rule: str, entity: str, detail: str, day: str) -> Breach:
    """A breach of a fact, of which the judge knows the rest."""
    at, _, stream, version, kind, ident, source, _, _, _, _, _ = fact
    return _breach((stream, version, rule, entity, ident, source, kind, day, at, detail))
