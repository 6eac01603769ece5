"""Acting: put decisions to the views, and append what they propose, each of them once and by the rules.

A row may lag behind the log. So each proposal is looked at again on its customer's history: what was recorded after the
rows were read, or takes its cause away, leaves it to the next time, and it is appended at the version that was seen.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event
from typing import Any, Literal, NamedTuple

from adapters.clock import clock_us
from adapters.codec import draft_of, fact_from
from adapters.cursor import Cursor
from adapters.engine import Engine
from adapters.extras import need
from adapters.log import Log
from adapters.views.moments import beneath, named_in, settled
from adapters.views.projector import position_cursor
from adapters.views.replay import family_facts
from adapters.views.selecting import Turn, column, compared, select
from adapters.views.tables import Tables, Views, not_built, open_tables
from domain.company import Company
from domain.decision import SOURCE_PREFIX, Decision, Estimate, Now, Proposal
from domain.errors import ExtraMissing, IdReused, LifecircleError, Refused, VersionConflict
from domain.history import effective_histories
from domain.judging import weigh
from domain.lifecycle import RuleState
from domain.touchpoint import Envelope, Fact
from projections import views
from projections.models import Estimation, estimation_named
from projections.view import View

Result = Literal["recorded", "proposed", "done before", "refused", "moved on", "cause gone"]


class Outcome(NamedTuple):
    """What became of one proposal.

    result: recorded; proposed, where nothing is recorded; done before; refused by a rule; moved on: something was
    recorded of the customer since the rows were read, so that it is decided anew next time; cause gone: what it rests
    on does not stand in the history. `ids` are those of its touchpoints, `rests_on` is the id of the one that it rests
    on, `refused_by` the rule with its detail.
    """

    decision: str
    subject: str
    about: str
    kinds: str
    result: Result
    ids: str
    rests_on: str | None
    refused_by: str | None


def act(
    engine: Engine, tables: Tables, chosen: Iterable[Decision[Any]], *, recordedby: str, dry_run: bool = False
) -> Iterator[Outcome]:
    """Decide on how things stand now, and append what follows; a dry run only says what would be.

    Raises:
        ViewNotBuilt: a view that is read has no table yet.
        LogUnavailable: a database was lost; whatever was recorded is not recorded again.
    """
    _advance_clock(tables)
    for decision in chosen:
        before = position_cursor(engine.log, tables.state()[1])
        now, proposals = _proposals(engine, tables, decision)
        for proposal in proposals:
            yield _Case(engine, decision, proposal, now).settle(before, None if dry_run else recordedby)


def look(engine: Engine, tables: Tables, chosen: Iterable[Decision[Any]]) -> Iterator[Outcome]:
    """What would have been decided at the moment that some tables are of."""
    cut = engine.cursor(tables.state()[0][0].cut)
    for decision in chosen:
        now, proposals = _proposals(engine, tables, decision)
        for proposal in proposals:
            yield _Case(engine, decision, proposal, now, cut).settle(cut, None)


def keep_acting(url: str, chosen: Sequence[Decision[Any]], every_s: float, stop: Event, recordedby: str) -> None:
    """Act again and again until stopped; what cannot be done now is told, and done the next time."""
    import structlog  # acting once must not wait for what logs

    log = structlog.get_logger()
    while not stop.wait(every_s):
        try:
            with Engine.open(url) as engine:
                tables = open_tables(url, engine.company)
                try:
                    results = Counter[str]()
                    for outcome in act(engine, tables, chosen, recordedby=recordedby):
                        results[outcome.result] += 1
                        if outcome.result == "recorded":
                            log.info("decided", **outcome._asdict())
                    log.info("decisions taken", **results)
                finally:
                    tables.close()
        except LifecircleError as error:
            log.warning("deciding waits", error=error.what, where=error.where)


def question_of(decision: Decision[Any], company: Company, now: Now) -> str:
    """The statement that reads what a decision is about."""
    limits = [
        compared(name, sign, bound)
        for name, bounds in decision.bounds(company, now).items()
        for sign, bound in zip((">=", "<="), bounds, strict=True)
        if bound is not None
    ]
    return select(decision.reads, map(column, decision.columns), limits, map(Turn, decision.columns))


def read_by(chosen: Iterable[Decision[Any]]) -> Views:
    """The views that decisions rest on, themselves and by what models tell them."""
    known, needed = views(), dict[str, type[View[Any]]]()
    for decision in chosen:
        needed |= beneath([decision.reads], known)
        for estimation in _estimations(decision).values():
            if isinstance(estimation, Estimation):
                needed |= {name: view for sql in estimation.asks for name, view in named_in(sql, known).items()}
    return needed


def rows_of(log: Log, tables: Tables, decision: Decision[Any], company: Company, now: Now) -> Iterator[Any]:
    """The rows that a decision is given, with what models tell of each customer at the same cursor."""
    asked, models = question_of(decision, company, now), _estimations(decision)
    if not models:
        yield from (decision.row(*row) for row in tables.query(asked)[1])
        return
    statements = [sql for model in models.values() if isinstance(model, Estimation) for sql in model.asks]
    cursor, ((_, rows), *found) = settled(log, tables, asked, *statements)
    answers = iter(answer for _, answer in found)
    told = {
        name: model.solve([next(answers) for _ in model.asks]) if isinstance(model, Estimation) else _untold(model)
        for name, model in models.items()
    }
    for row in rows:
        named = dict(zip(decision.columns, row, strict=True))
        for name, tell in told.items():
            value, basis = tell(named["subject"])
            named[name] = Estimate(value, f"{basis}, cursor {cursor}")
        yield decision.row(**named)


def _estimations(decision: Decision[Any]) -> dict[str, Estimation | ExtraMissing]:
    """What models tell a decision by their names, or why they cannot be asked here."""
    found: dict[str, Estimation | ExtraMissing] = {}
    for name in decision.estimates:
        try:
            need("loyalty", "models of purchases")
            found[name] = estimation_named(name)
        except ExtraMissing as missing:
            found[name] = missing
    return found


def _untold(missing: ExtraMissing) -> Callable[[str], Estimate]:
    return lambda _: Estimate(None, f"{missing.what}; {missing.way_out}")


def _proposals(engine: Engine, tables: Tables, decision: Decision[Any]) -> tuple[Now, Iterator[Proposal]]:
    now = Now(*tables.query("SELECT at, day FROM moment")[1][0])
    rows = rows_of(engine.log, tables, decision, engine.company, now)
    return now, decision.decide(rows, engine.company, now)


def _advance_clock(tables: Tables) -> None:
    """Let questions call this moment today, unless another one is pinned: the projector sets it as touchpoints come."""
    if not any(known.state == "live" for known in tables.state()[0]):
        raise not_built("what decisions read")
    with tables.transaction() as transaction:
        transaction.set_clock(clock_us())


class _Case:
    """One proposal, with the history that it is judged on."""

    def __init__(
        self, engine: Engine, decision: Decision[Any], proposal: Proposal, now: Now, cut: Cursor | None = None
    ) -> None:
        self._engine, self._decision, self._proposal, self._now = engine, decision, proposal, now
        self._ids = decision.ids(proposal)
        self._version = engine.log.version(proposal.subject)  # before the facts: who comes in between moves it
        facts = family_facts(engine.log, proposal.subject, upto=cut)
        self._facts = [fact for fact in facts if fact.at <= now.at] if cut else facts
        histories = effective_histories(facts, now.at if cut else None)
        self._history = histories.get(proposal.subject, [])
        self._cause = proposal.cause.latest(self._history)

    def settle(self, seen: Cursor, recordedby: str | None) -> Outcome:
        """Record what is proposed in somebody's name, or only say what would become of it; rows show what is `seen`."""
        if any((fact.source, fact.id) == (self._decision.source, self._ids[0]) for fact in self._facts):
            return self._outcome("done before")
        if any(fact.number > seen.numbers[fact.bucket - 1] and not _by_decision(fact) for fact in self._facts):
            return self._outcome("moved on")
        if self._cause is None:
            return self._outcome("cause gone")
        envelopes = self._decision.envelopes(self._proposal, self._cause, self._now)
        # Asked of the history first: what stays forbidden would else be noted as refused at every turn.
        if broken := self._broken(envelopes):
            return self._outcome("refused", broken)
        if recordedby is None:
            return self._outcome("proposed")
        try:
            receipts = self._engine.append(envelopes, expected=self._version, strict=True, recordedby=recordedby)
        except IdReused:  # another process decided the same, at another moment
            return self._outcome("done before")
        except VersionConflict:
            return self._outcome("moved on")
        except Refused as refusal:
            return self._outcome("refused", refusal.rule)
        return self._outcome("done before" if receipts[0].repeat else "recorded")

    def _broken(self, envelopes: Sequence[Envelope]) -> str | None:
        """The rule that this would break, as far as the history tells."""
        company, state = self._engine.company, RuleState()
        for fact in self._history:
            state = weigh(state, fact, company).state
        for place, envelope in enumerate(envelopes, 1):
            fact = fact_from(envelope.subject, self._version + place, draft_of(envelope, "").state)
            state, breaches, _ = weigh(state, fact, company)
            for breach in breaches:
                if (breach.stream, breach.version) == (fact.stream, fact.version):
                    return f"{breach.rule}: {breach.detail}"
        return None

    def _outcome(self, result: Result, refused_by: str | None = None) -> Outcome:
        proposal = self._proposal
        return Outcome(
            self._decision.name,
            proposal.subject,
            " ".join(filter(None, proposal.key)),
            ", ".join(each.kind for each in proposal.touchpoints),
            result,
            ", ".join(self._ids),
            self._cause.id if self._cause else None,
            refused_by,
        )


def _by_decision(fact: Fact) -> bool:
    """What decisions record changes no cause: each answers for itself by its ids and the rules."""
    return fact.source.startswith(SOURCE_PREFIX)
