"""Partners: whom they brought, what was sold with their help, what they earned, and what remained to us."""

from collections.abc import Hashable, Iterable
from typing import Annotated, NamedTuple

from domain.company import Company
from domain.order_value import PURCHASE_STEPS
from domain.touchpoint import Fact
from projections.contacts import NO_CONTACT
from projections.purchases import Accounts
from projections.view import Question, Row, View, bounded


class PartnerRow(NamedTuple):
    """What one partner has to do with one customer. Every figure stands in one row only, so that rows add up."""

    subject: Annotated[str, "the customer, or the partner itself or the company; after a merge the survivor"]
    partner: Annotated[str, "the partner, by subject id"]
    currency: Annotated[str, "the ISO 4217 currency of the amounts; empty in the row of all that has none"]
    role: Annotated[str | None, "agent, reseller or intermediary, as last registered with this subject"]
    registered_day: Annotated[str | None, "day it first was so, in the company's zone"]
    brought: Annotated[int, "1 where the customer's first contact named the partner, else 0; without currency"]
    touches: Annotated[int, "contacts of the customer that name the partner; in the row without currency"]
    first_day: Annotated[str | None, "day of the first of them, in the company's zone; in the row without currency"]
    last_day: Annotated[str | None, "day of the last of them, in the company's zone; in the row without currency"]
    opportunities: Annotated[int, "opportunities of which a step names the partner; in the row without currency"]
    won: Annotated[int, "of these won; in the row without currency"]
    orders: Annotated[int, "orders placed through the partner in this currency, those wholly cancelled not"]
    gross_micros: Annotated[int, "their value, without tax and shipping, in millionths of the currency"]
    net_micros: Annotated[int, "the same less what was cancelled or came back (see purchases), in millionths"]
    commission_micros: Annotated[int, "what the partner earned in this currency, in millionths of it"]


class Help:
    """What one partner did for one subject."""

    __slots__ = ("brought", "commission", "deals", "first", "last", "ledger", "registered", "role", "touches")

    def __init__(self, subject: str, company: Company) -> None:
        self.role: str | None = None
        self.registered: Fact | None = None
        self.brought = False
        self.first: Fact | None = None
        self.last: Fact | None = None
        self.touches = 0
        self.deals: set[str] = set()
        self.commission: dict[str, int] = {}
        self.ledger = Accounts(subject, company)


class Alliance:
    """The partners of one subject; `through` says through whom each order was placed, `won` which deals stand won."""

    __slots__ = ("met", "partners", "subject", "through", "won")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.met = False
        self.partners: dict[str, Help] = {}
        self.through: dict[str, str] = {}
        self.won: set[str] = set()


_DEALS = frozenset({"OpportunityWon", "OpportunityLost", "OpportunityReopened"})
_KINDS = _DEALS | PURCHASE_STEPS.keys() | {"PartnerRegistered", "CommissionBooked"}
"""What concerns a partner though it may not name one."""


class Partners(View[Alliance]):
    """The partners of every customer."""

    name = "partners"
    comment = "Partners: contacts, deals, orders and commissions of each partner with each customer, by currency."
    row_type = PartnerRow
    key = ("subject", "partner", "currency")
    questions = (
        Question(
            name="partners_reach",
            comment="Whom each partner brought us, and how far they came.",
            columns={
                "partner": "the partner",
                "role": "agent, reseller or intermediary; null where it was never registered",
                "registered_day": "day it was first registered, in the company's zone",
                "customers": "number of customers with a contact that names it",
                "brought": "of these, customers whose first contact named it",
                "touches": "contacts that name it",
                "opportunities": "opportunities of which a step names it",
                "won": "of these won",
                "first_day": "day of the first contact",
                "last_day": "day of the last contact",
            },
            sql="""
                SELECT partner, MAX(role) AS role, MIN(registered_day) AS registered_day,
                       COUNT(DISTINCT CASE WHEN touches > 0 THEN subject END) AS customers,
                       CAST(SUM(brought) AS BIGINT) AS brought, CAST(SUM(touches) AS BIGINT) AS touches,
                       CAST(SUM(opportunities) AS BIGINT) AS opportunities, CAST(SUM(won) AS BIGINT) AS won,
                       MIN(first_day) AS first_day, MAX(last_day) AS last_day
                FROM partners
                GROUP BY partner
                ORDER BY touches DESC, partner
            """,
        ),
        Question(
            name="partners_contribution",
            comment="What was sold through each partner, what it earned, and what remained; currencies are kept apart.",
            columns={
                "partner": "the partner",
                "currency": "the ISO 4217 currency of the amounts",
                "customers": "number of customers who ordered through it",
                "orders": "orders placed through it, those wholly cancelled not",
                "gross_micros": "their value, without tax and shipping, in millionths of the currency",
                "net_micros": "the same less what was cancelled or came back, in millionths of the currency",
                "commission_micros": "what it earned, in millionths of the currency",
                "contribution_micros": "net less commission, in millionths of the currency",
                "commission_share": "commission as a share of net; null where nothing was sold",
            },
            sql="""
                SELECT partner, currency, COUNT(DISTINCT CASE WHEN orders > 0 THEN subject END) AS customers,
                       CAST(SUM(orders) AS BIGINT) AS orders, CAST(SUM(gross_micros) AS BIGINT) AS gross_micros,
                       CAST(SUM(net_micros) AS BIGINT) AS net_micros,
                       CAST(SUM(commission_micros) AS BIGINT) AS commission_micros,
                       CAST(SUM(net_micros) - SUM(commission_micros) AS BIGINT) AS contribution_micros,
                       CAST(SUM(commission_micros) AS DOUBLE PRECISION) / NULLIF(SUM(net_micros), 0)
                           AS commission_share
                FROM partners
                WHERE currency <> ''
                GROUP BY partner, currency
                ORDER BY partner, currency
            """,
        ),
    )

    def initial(self, subject: str) -> Alliance:
        """A customer with whom no partner has to do."""
        return Alliance(subject)

    def evolve(self, state: Alliance, fact: Fact) -> tuple[Alliance, Iterable[Hashable]]:
        """Note what a partner had part in; an order goes on concerning the one it was placed through."""
        kind, partner = fact.kind, fact.envelope.get("partner")
        if partner is None and state.met and kind not in _KINDS:
            return state, ()
        data = fact.data
        first, state.met = not state.met, state.met or kind not in NO_CONTACT
        if kind in ("PartnerRegistered", "CommissionBooked"):
            return state, self._told(state, fact)
        changed: list[Hashable] = []
        if partner is not None and kind not in NO_CONTACT:
            changed.append((partner, ""))
            self._touch(self._help(state, partner), fact, first=first)
            if kind == "OrderPlaced":
                state.through.setdefault(data["order"], partner)
        if kind in _DEALS:
            (state.won.add if kind == "OpportunityWon" else state.won.discard)(data["opportunity"])
            changed += ((name, "") for name, help_ in state.partners.items() if data["opportunity"] in help_.deals)
        if state.through and kind in PURCHASE_STEPS and (name := state.through.get(data.get("order", ""))):
            changed += ((name, currency) for currency in state.partners[name].ledger.take(fact))
        return state, changed

    def _help(self, state: Alliance, partner: str) -> Help:
        if partner not in state.partners:
            state.partners[partner] = Help(state.subject, self.company)
        return state.partners[partner]

    def _told(self, state: Alliance, fact: Fact) -> tuple[Hashable, ...]:
        partner = fact.data["partner"]
        told = self._help(state, partner)
        if fact.kind == "PartnerRegistered":
            told.role, told.registered = fact.data["role"], told.registered or fact
            return ((partner, ""), *((partner, currency) for currency in {*told.commission, *told.ledger.sums}))
        amount = fact.data["amount"]
        told.commission[amount["currency"]] = told.commission.get(amount["currency"], 0) + amount["micros"]
        return (partner, ""), (partner, amount["currency"])

    def _touch(self, helped: Help, fact: Fact, *, first: bool) -> None:
        helped.brought = helped.brought or first
        helped.first, helped.last = helped.first or fact, fact
        helped.touches += 1
        if deal := fact.data.get("opportunity"):
            helped.deals.add(deal)

    def row(self, state: Alliance, key: Hashable) -> Row | None:
        """What this (partner, currency) comes to."""
        match key:
            case (str() as partner, str() as currency) if helped := state.partners.get(partner):
                day, since = self.company.day, helped.registered
                known = (state.subject, partner, currency, helped.role, day(since) if since else None)
                if not currency:
                    first, last = helped.first, helped.last
                    days = (day(first) if first else None, day(last) if last else None)
                    deals = (len(helped.deals), len(helped.deals & state.won))
                    return PartnerRow(*known, int(helped.brought), helped.touches, *days, *deals, 0, 0, 0, 0)
                account = helped.ledger.sums.get(currency)
                if account is None and currency not in helped.commission:
                    return None
                total = account.figures if account else None
                money = (total.orders, bounded(total.gross_micros), bounded(total.net_micros)) if total else (0, 0, 0)
                earned = bounded(helped.commission.get(currency, 0))
                return PartnerRow(*known, 0, 0, None, None, 0, 0, *money, earned)
        return None
