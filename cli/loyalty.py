"""Foresee who will buy again: fit models of purchases, and show each customer's chances and lifetime value."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import orjson

from cli.options import format_option, log_option, moment_of, moment_options
from cli.output import folding, show, warn_of_gaps

if TYPE_CHECKING:  # help must not wait for scipy
    from projections.models.buyers import Buyers
    from projections.models.gammagamma import GammaGamma
    from projections.models.lifetime import Buying

HORIZON_YEARS = 1
MODELS = ("bgnbd", "paretonbd")


class _Day(click.ParamType["date"]):
    """A day of the company's calendar."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read `2026-03-01`."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-03-01", param, ctx)


class _Asked(NamedTuple):
    """What a command was asked to fit, and from where."""

    url: str
    model: str
    unit: str
    calibration_end: date | None
    currency: str | None
    as_of: "int | date | None"
    known_at: str | None


class _Read(NamedTuple):
    """Customers up to the end of the calibration, with what must be said to have them again."""

    known: "Buyers"
    cursor: str
    calibration_end: str
    unit: str
    currency: str
    holdout_days: int


def _fit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        log_option,
        format_option,
        click.option(
            "--model", type=click.Choice(MODELS), default=MODELS[0], show_default=True, help="When customers buy."
        ),
        click.option(
            "--unit", type=click.Choice(["weeks", "days"]), default="weeks", show_default=True, help="Unit of time."
        ),
        click.option(
            "--calibration-end",
            type=_Day(),
            metavar="DAY",
            help="Fit to purchases up to this day; the moment's day when not given.",
        ),
        click.option("--currency", help="Take purchases in this currency; needed where there are several."),
        moment_options,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def command() -> None:
    """Fit models of when customers buy and how much, and show what is to be expected of each.

    Everything rests on the view purchases, live or as of a moment; the cursor that is printed gives the same figures
    again: --known-at CURSOR with the same --calibration-end.
    """


@command.command()
@_fit_options
def fit(style: str, **asked: Any) -> None:
    """Show the parameters of the models, fitted by maximum likelihood, with the cursor that they rest on."""
    read = _read(_asked(asked))
    buying, (worth, note) = _buying(asked["model"], read.known), _worth(read.known)
    from projections.models.lifetime import correlation

    found: dict[str, Any] = {
        "cursor": read.cursor,
        "calibration_end": read.calibration_end,
        "unit": read.unit,
        "currency": read.currency,
        "customers": len(read.known.subjects),
        "repeat_customers": read.known.repeat_customers,
        "repeat_purchases": int(read.known.frequency.sum()),
        "model": asked["model"],
        **dict(zip(buying.parameters, buying.fit.parameters, strict=True)),
        "log_likelihood": buying.fit.log_likelihood,
        "value_model": "gammagamma" if worth else note,
    }
    if worth:
        found |= zip(worth.parameters, worth.fit.parameters, strict=True)
        found["value_log_likelihood"] = worth.fit.log_likelihood
        found["value_correlation"] = correlation(read.known)
    if style == "json":
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    rows = [(name, f"{value:.6f}" if isinstance(value, float) else value) for name, value in found.items()]
    show(("figure", "value"), rows, style)


@command.command()
@_fit_options
def holdout(style: str, **asked: Any) -> None:
    """Set what a model expects after the calibration against what came until the moment, by repeat purchases."""
    read = _read(_asked(asked))
    if read.holdout_days <= 0:
        raise click.UsageError("nothing came after the calibration: give an earlier --calibration-end")
    buying = _buying(asked["model"], read.known)
    from projections.models.buyers import DAYS_OF_UNIT
    from projections.models.lifetime import HoldOut
    from projections.models.lifetime import holdout as compared

    show(HoldOut._fields, compared(buying, read.known, read.holdout_days / DAYS_OF_UNIT[read.unit]), style)


@command.command("show")
@_fit_options
@click.option("--horizon", type=click.FloatRange(min=0, min_open=True), help="How far to look, in units; a year.")
@click.option(
    "--discount", type=click.FloatRange(min=0), default=0.1, show_default=True, help="The yearly rate of discount."
)
@click.option("--limit", type=click.IntRange(min=1), help="At most this many customers.")
def show_(style: str, horizon: float | None, discount: float, limit: int | None, **asked: Any) -> None:
    """Show each customer's chance to be alive, expected purchases, mean value and lifetime value; the best first.

    Times are in units of the fit. Values are net of what came back, without tax and shipping, and no profit.
    """
    read = _read(_asked(asked))
    buying, (worth, note) = _buying(asked["model"], read.known), _worth(read.known)
    from projections.models.buyers import DAYS_OF_UNIT, DAYS_OF_YEAR
    from projections.models.lifetime import Prospect, prospects

    click.echo(f"cursor {read.cursor}, calibration to {read.calibration_end}", err=True)
    if not worth:
        click.echo(note, err=True)
    ahead = horizon or HORIZON_YEARS * DAYS_OF_YEAR / DAYS_OF_UNIT[read.unit]
    found = prospects(buying, worth, read.known, ahead, discount, read.unit)[:limit]
    columns = ("subject", "currency", *Prospect._fields[1:])
    show(columns, [(each.subject, read.currency, *each[1:]) for each in found], style)


def _asked(options: dict[str, Any]) -> _Asked:
    return _Asked(**{name: options[name] for name in _Asked._fields})


def _read(asked: _Asked) -> _Read:
    from adapters.engine import Engine
    from adapters.extras import need
    from adapters.views.moments import settled, views_standing

    need("loyalty", "models of purchases")
    from projections import view_named
    from projections.models.buyers import DAY, PURCHASES, buyers

    with Engine.open(asked.url) as engine:
        moment, chosen = moment_of(engine, asked.as_of, asked.known_at), {"purchases": view_named("purchases")}
        with (
            folding() as on_progress,
            views_standing(engine.log, asked.url, engine.company, chosen, moment, on_progress) as tables,
        ):
            warn_of_gaps(tables)
            cursor, ((_, rows), (_, today)) = settled(engine.log, tables, PURCHASES, DAY)
    currency = _currency({row[1] for row in rows}, asked.currency)
    end = asked.calibration_end or date.fromordinal(today[0][0])

    def purchases() -> Iterator[tuple[str, int, int]]:
        return ((subject, dayno, net) for subject, of, dayno, net in rows if of == currency)

    known = buyers(purchases(), end.toordinal(), asked.unit)
    return _Read(known, cursor, end.isoformat(), asked.unit, currency, today[0][0] - end.toordinal())


def _currency(there: set[str], asked: str | None) -> str:
    if asked is None and len(there) > 1:
        raise click.UsageError(f"purchases are in {', '.join(sorted(there))}: choose one with --currency")
    return asked or next(iter(there), "")


def _buying(model: str, known: "Buyers") -> "Buying":
    from projections.models.bgnbd import BgNbd
    from projections.models.paretonbd import ParetoNbd

    return (BgNbd if model == "bgnbd" else ParetoNbd).fitted(known)


def _worth(known: "Buyers") -> "tuple[GammaGamma | None, str]":
    """The model of value, or why there is none."""
    from projections.models.gammagamma import GammaGamma
    from projections.models.likelihood import NoFit

    try:
        return GammaGamma.fitted(known), ""
    except NoFit as refused:
        return None, refused.what
