"""Attribution from data: the removal effect in a Markov chain of touches.

Anderl, Becker, von Wangenheim, Schumann (2016), Mapping the customer journey, International Journal of Research in
Marketing 33(3). Paths are walks from a start over touches to a conversion or to nothing. The removal effect of a
channel is the share of conversions that would be lost if every walk that comes to it ended in nothing; credit is shared
in proportion to these effects.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby, pairwise
from typing import Annotated, Any, Final, NamedTuple

import numpy as np

from projections.credit import ATTRIBUTION_COLUMNS
from projections.report import Model, Shown, Table
from projections.view import Row

DIMENSIONS: Final = ("channel", "source", "campaign", "partner", "intermediary")
"""What credit can be given to, in the order in which `TRAILS` has them."""

TRAILS: Final = """
    WITH kinds AS (
        SELECT DISTINCT kind FROM conversions
    ),
    roles AS (
        SELECT DISTINCT partner FROM partners WHERE role = 'intermediary'
    )
    SELECT kinds.kind, touches.subject, conversions.conversion, conversions.currency,
           touches.channel, touches.source, touches.campaign, touches.partner, roles.partner AS intermediary
    FROM touches
    CROSS JOIN kinds
    LEFT JOIN conversions ON conversions.subject = touches.subject AND conversions.kind = kinds.kind
                          AND touches.place BETWEEN conversions.first_place AND conversions.last_place
    LEFT JOIN roles ON roles.partner = touches.partner
    ORDER BY kinds.kind, touches.subject, touches.place
"""
"""Every touch with each kind of conversion and the one it led to, if any, by kind, customer and place."""

ATTRIBUTION: Final = "SELECT * FROM attribution"

MOSTLY: Final = ("channel", "source")
"""What most touches name: of these the reports show those too that name none."""

Name = str | None
Path = tuple[tuple[Name, ...], bool]
"""The names that a walk came by, None for a touch that names none, and whether it ended in a conversion."""

_WEIGHT_SCALE = 1 << 53
_NOWHERE = ""


def paths_by_kind(trails: Iterable[Row], dimension: str) -> dict[str, Counter[Path]]:
    """The paths of each kind of conversion, each with how often it was walked; `trails` are the rows of `TRAILS`."""
    found: dict[str, Counter[Path]] = {}
    for (kind, _), paths in _paths(trails, dimension).items():
        found.setdefault(kind, Counter()).update(paths)
    return found


def _paths(trails: Iterable[Row], dimension: str) -> dict[tuple[str, Name], Counter[Path]]:
    """The same by the currency of the conversion; paths to nothing stand under an empty one."""
    at = 4 + DIMENSIONS.index(dimension)
    found: dict[tuple[str, Name], Counter[Path]] = {}
    for (kind, _, conversion, currency), touches in groupby(trails, key=lambda row: row[:4]):
        path = tuple(touch[at] for touch in touches)
        converted = conversion is not None
        found.setdefault((kind, currency if converted else _NOWHERE), Counter())[path, converted] += 1
    return found


def removal_effects(paths: Mapping[Path, int]) -> dict[Name, float]:
    """Which share of conversions would be lost without each name, 0 to 1; nothing where nothing converted.

    A walk that meets a name first reaches a conversion from there with that name's own chance, so what is lost without
    it is the chance of ever meeting it times that chance. Of the matrix N of expected visits, the chance of meeting is
    N[start, name] / N[name, name].
    """
    names = sorted({name for path, _ in paths for name in path}, key=lambda name: (name is not None, name or ""))
    if not any(count for (_, converted), count in paths.items() if converted):
        return {}
    places = {name: place for place, name in enumerate(names)}
    count = len(names)
    moves, wins, starts = np.zeros((count, count)), np.zeros(count), np.zeros(count)
    left = np.zeros(count)
    for (path, converted), times in paths.items():
        starts[places[path[0]]] += times
        for one, other in pairwise(path):
            moves[places[one], places[other]] += times
            left[places[one]] += times
        left[places[path[-1]]] += times
        wins[places[path[-1]]] += times * converted
    visits = np.linalg.inv(np.eye(count) - moves / left[:, None])
    chance = visits @ (wins / left)
    starts /= starts.sum()
    met = starts @ visits / np.diag(visits)
    lost = met * chance / (starts @ chance)
    return {name: float(lost[place]) for name, place in places.items()}


def apportioned(total: int, effects: Mapping[Name, float]) -> dict[Name, int]:
    """Share a whole number in proportion to effects, so that the parts add up to it exactly."""
    weights = {name: round(effect * _WEIGHT_SCALE) for name, effect in effects.items()}
    whole, given, done = sum(weights.values()), {}, 0
    if not whole:
        return {}
    for name, weight in weights.items():
        given[name] = total * (done + weight) // whole - total * done // whole
        done += weight
    return given


def with_markov(
    columns: Sequence[str], rows: Iterable[Row], trails: Iterable[Row], dimension: str
) -> list[dict[str, Any]]:
    """The answer to the question `attribution` for one dimension, with the removal effect as its sixth rule.

    One chain is made for each kind of conversion and currency, of the paths to it and of those to nothing. A name that
    no conversion came by may be given some of it: a chain remembers a single step.
    """
    table = [dict(zip(columns, row, strict=True)) for row in rows]
    table = [row for row in table if row.pop("dimension") == dimension]
    paths = _paths(trails, dimension)
    groups: dict[tuple[str, Name], list[dict[str, Any]]] = {}
    for row in table:
        groups.setdefault((row["conversion_kind"], row["currency"]), []).append(row)
    answer = []
    for (kind, currency), group in groups.items():
        known = {row["name"]: row for row in group}
        led = paths.get((kind, currency))
        lost = removal_effects(led + paths.get((kind, _NOWHERE), Counter())) if led else {}  # costs alone make no chain
        shares = {
            f"markov_{what}_micros": apportioned(sum(row[f"linear_{what}_micros"] or 0 for row in group), lost)
            for what in ("credit", "value")
        }
        for name in lost:
            if name not in known and any(share.get(name) for share in shares.values()):
                known[name] = {
                    each: 0 if each.endswith("_micros") or each == "customers" else None for each in group[0]
                } | {"name": name, "conversion_kind": kind, "currency": currency}
        for name, row in known.items():
            row |= {column: share.get(name, 0) for column, share in shares.items()}
            cost = row["cost_micros"]
            row["markov_return"] = (row["markov_value_micros"] - cost) / cost if cost else None
            answer.append(row)
    return sorted(
        answer, key=lambda row: (row["conversion_kind"], row["currency"] or "~", -row["markov_credit_micros"])
    )


class CreditRow(NamedTuple):
    """What is credited to a name, alike to every touch and by removal effect."""

    name: Annotated[str | None, "what credit is given to; null for touches that name none"]
    conversion_kind: Annotated[str, "what was achieved"]
    currency: Annotated[str, "the ISO 4217 currency of the value"]
    customers: Annotated[int, "customers who converted after such a touch"]
    linear_value_micros: Annotated[int, "value credited alike to every touch, in millionths of the currency"]
    markov_value_micros: Annotated[int, "value credited by removal effect, in millionths of the currency"]
    cost_micros: Annotated[int | None, "what the touches cost, in millionths of the currency"]
    markov_return: Annotated[float | None, "(value by removal effect less cost) / cost; null without a cost"]


def credited(dimension: str, answers: Sequence[Sequence[Row]]) -> Shown:
    """Value by removal effect beside the linear rule, the most first."""
    told = with_markov(ATTRIBUTION_COLUMNS, answers[0], answers[1], dimension)
    named = [row for row in told if row["currency"] is not None and (row["name"] is not None or dimension in MOSTLY)]
    rows = [CreditRow(*(row[name] for name in CreditRow._fields)) for row in named]
    rows.sort(key=lambda row: (-row.markov_value_micros, row.name is None, row.name or "", row[1:3]))
    return Shown(rows)


class EffectRow(NamedTuple):
    """What would be lost without a channel."""

    channel: Annotated[str | None, "the channel; null for touches that name none"]
    conversion_kind: Annotated[str, "what was achieved"]
    lost_share: Annotated[float, "the removal effect: the share of such conversions that would be lost without it"]


def effects(answers: Sequence[Sequence[Row]]) -> Shown:
    """The removal effect of every channel, the greatest first."""
    by_kind = paths_by_kind(answers[1], "channel")
    rows = [EffectRow(name, kind, lost) for kind in by_kind for name, lost in removal_effects(by_kind[kind]).items()]
    rows.sort(key=lambda row: (-row.lost_share, row.conversion_kind, row.channel or ""))
    return Shown(rows)


MODEL: Final = Model(
    asks=(ATTRIBUTION, TRAILS),
    solve=lambda answers: answers,
    tables={
        **{dimension: Table(CreditRow, partial(credited, dimension)) for dimension in DIMENSIONS},
        "effects": Table(EffectRow, effects),
    },
)
