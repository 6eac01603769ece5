"""Charts of answers as SVG that stands inline in a page, drawn by matplotlib, which only this module loads.

The pictures take their colours from the page (`currentColor`, `--c1` …), so that they follow its light or dark, and
their text is text. The same answer is always the same picture.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adapters.reports.answers import Answer
from adapters.reports.figures import NONE, number_of, shown
from projections.report import Bars, Grid, Lines

BARS_MAX = 12
"""How many groups of bars are drawn; the table has them all."""

LABELS_ALONG = 4
"""How many months or numbers are written beneath lines."""

FIELDS_NAMED = 12
"""How many fields of a grid are named beneath it."""

LABEL_MAX = 26
TOLD_MAX = 12
"""How many values the text in place of a picture tells."""

_INK, _MUTED = "#010203", "#010204"
_COLOURS = ("#010211", "#010212", "#010213", "#010214")
_PAGE_COLOURS = {_INK: "currentColor", _MUTED: "var(--line)"} | {
    colour: f"var(--c{at})" for at, colour in enumerate(_COLOURS, 1)
}
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "font.size": 10.5,
    "font.family": ["DejaVu Sans"],
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _MUTED,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _MUTED,
    "axes.prop_cycle": cycler(color=_COLOURS),
}
_WIDTH_IN = 4.3
_REFERENCES = re.compile(r"#([\w.-]+)")
_ID = re.compile(r' id="([^"]*)"')
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_SIZE = re.compile(r'(<svg[^>]*?) width="[^"]*"| height="[^"]*pt"')
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)


class Picture(NamedTuple):
    """A chart: its title (a currency, where there are several), the SVG, what stands in its place as text, a note."""

    title: str
    svg: str
    alternative: str
    note: str


def pictures(answer: Answer, day: str) -> Iterator[Picture]:
    """The charts of an answer as of a day, one for each currency: amounts of different currencies share no axis."""
    chart = answer.section.chart
    if not isinstance(chart, (Bars, Lines, Grid)):
        return
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    of_currency = sorted(rows, key=_currency)
    for currency, group in groupby(of_currency, _currency):
        drawn = list(group)
        unit = chart.unit or currency or "no currency"
        title = currency if "currency" in answer.columns else ""
        note = ""
        if isinstance(chart, Bars) and len(drawn) > BARS_MAX:
            note = f"The first {BARS_MAX} of {len(drawn)} are drawn; the table has the rest."
            drawn = drawn[:BARS_MAX]
        if isinstance(chart, Lines) and chart.absent:
            drawn = _without_gaps(chart, drawn, day)
        if any(number_of(name, row[name]) for row in drawn for name in _values(chart)):
            yield Picture(
                title,
                _svg(chart, drawn, unit, salt=f"{answer.section.title} {answer.section.sql} {currency}"),
                _told(chart, drawn, unit),
                note,
            )


def _currency(row: dict[str, Any]) -> str:
    return row.get("currency") or ""


def _values(chart: Bars | Lines | Grid) -> tuple[str, ...]:
    return (chart.value,) if isinstance(chart, Grid) else chart.values


def _name(column: str) -> str:
    return column.removesuffix("_micros").replace("_", " ")


def label_of(row: dict[str, Any], columns: Sequence[str]) -> str:
    """What a group of bars is called: `not stated` where its first column is null; other nulls are left out."""
    first, *others = columns
    told = ["not stated" if row[first] is None else shown(first, row[first])]
    return " · ".join([*told, *(shown(name, row[name]) for name in others if row[name] is not None)])


def _told(chart: Bars | Lines | Grid, rows: Sequence[dict[str, Any]], unit: str) -> str:
    """What the picture shows, as text for those who do not see it."""
    if isinstance(chart, Grid):
        top = max(rows, key=lambda row: row[chart.value] or 0)
        best = f"{shown(chart.value, top[chart.value])} at {top[chart.down]}, {top[chart.across]}"
        return f"Grid of {_name(chart.value)} by {_name(chart.down)} and {_name(chart.across)}; greatest {best}."
    label = chart.label if isinstance(chart, Bars) else (chart.along,)
    several = len(chart.values) > 1
    parts = [
        f"{label_of(row, label)} "
        + ", ".join((f"{_name(name)} " if several else "") + shown(name, row[name]) for name in chart.values)
        for row in (rows[:TOLD_MAX] if isinstance(chart, Bars) else rows[-TOLD_MAX:])
    ]
    form = "Bars" if isinstance(chart, Bars) else "Lines"
    what = ", ".join(map(_name, chart.values))
    scale = "" if unit in what else f" in {'percent' if unit == 'share' else unit}"
    return f"{form} of {what}{scale}: {'; '.join(parts)}."


def _svg(chart: Bars | Lines | Grid, rows: Sequence[dict[str, Any]], unit: str, salt: str) -> str:
    style: Any = {**_STYLE, "svg.hashsalt": salt}
    with warnings.catch_warnings(), mpl.rc_context(style):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts may have it
        figure = Figure(figsize=(_WIDTH_IN, _height(chart, rows)), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        match chart:
            case Bars():
                _bars(axes, chart, rows)
            case Lines():
                _lines(axes, chart, rows)
            case Grid():
                _grid(axes, chart, rows)
        if not isinstance(chart, Grid):
            scale = axes.xaxis if isinstance(chart, Bars) else axes.yaxis
            scale.set_major_formatter(lambda value, _: _tick(value, unit))
            (axes.set_xlabel if isinstance(chart, Bars) else axes.set_ylabel)("" if unit == "share" else unit)
            if len(chart.values) > 1:
                figure.legend(loc="outside upper left", ncols=2, frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(text.getvalue())


def _height(chart: Bars | Lines | Grid, rows: Sequence[dict[str, Any]]) -> float:
    legend = 0.25 * ((len(_values(chart)) + 1) // 2) if len(_values(chart)) > 1 else 0
    if isinstance(chart, Bars):
        return 0.75 + legend + len(rows) * max(0.3, 0.2 * len(chart.values))
    if isinstance(chart, Grid):
        return 0.9 + 0.26 * len({row[chart.down] for row in rows})
    return 2.6 + legend


def _tick(value: float, unit: str) -> str:
    if unit == "share":
        return f"{value * 100:g} %"
    for size, letter in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _cut(text: str) -> str:
    return text if len(text) <= LABEL_MAX else text[: LABEL_MAX - 1] + "…"


def _bars(axes: Axes, chart: Bars, rows: Sequence[dict[str, Any]]) -> None:
    many = len(chart.values)
    thick = 0.8 / many
    for at, name in enumerate(chart.values):
        numbers = [number_of(name, row[name]) for row in rows]
        places = [place + (at - (many - 1) / 2) * thick for place in range(len(rows))]
        bars = axes.barh(places, [number or 0 for number in numbers], thick * 0.92, label=_name(name))
        told = [_brief(name, number) for number in numbers]
        axes.bar_label(bars, told, padding=3, fontsize=9)
    axes.set_yticks(range(len(rows)), [_cut(label_of(row, chart.label)) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.locator_params(axis="x", nbins=4)


def _brief(name: str, number: float | None) -> str:
    if number is None:
        return NONE
    if name.endswith("_micros"):
        return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:,.2f}"
    return shown(name, int(number) if number.is_integer() and "share" not in name else number)


def _lines(axes: Axes, chart: Lines, rows: Sequence[dict[str, Any]]) -> None:
    places = [_place(row[chart.along]) for row in rows]
    for at, name in enumerate(chart.values):
        heights = [number_of(name, row[name]) for row in rows]
        drawn = [float("nan") if height is None else height for height in heights]
        axes.plot(places, drawn, marker="osD^"[at % 4], markersize=4, linewidth=2, label=_name(name))
    room = (places[-1] - places[0] + 1) / LABELS_ALONG
    ticks: dict[float, str] = {}
    for place, row in zip(places, rows, strict=True):
        if not ticks or place - max(ticks) >= room:
            ticks[place] = str(row[chart.along])
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.grid(axis="y", linewidth=0.6)
    axes.locator_params(axis="y", nbins=5)
    if all((number_of(name, row[name]) or 0) >= 0 for name in chart.values for row in rows):
        axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.05)  # the highest mark is not cut


def _without_gaps(chart: Lines, rows: Sequence[dict[str, Any]], day: str) -> list[dict[str, Any]]:
    """A row for every month from the first to that of a day."""
    known = {_place(row[chart.along]): row for row in rows}
    first, last = int(min(known)), int(max(*known, _place(day)))
    filled: list[dict[str, Any]] = []
    for place in range(first, last + 1):
        year, month = divmod(place - 1, 12)
        before = filled[-1] if chart.absent == "same" and filled else dict.fromkeys(chart.values, 0)
        filled.append(known.get(place) or {**before, chart.along: f"{year}-{month + 1:02}"})
    return filled


def _place(along: Any) -> float:
    """Where a month or a number lies; months without a row keep their room."""
    if isinstance(along, str):
        year, month = along.split("-")[:2]
        return int(year) * 12 + int(month)
    return float(along)


def _grid(axes: Axes, chart: Grid, rows: Sequence[dict[str, Any]]) -> None:
    downs = sorted({row[chart.down] for row in rows})
    acrosses = sorted({row[chart.across] for row in rows})
    top = max(row[chart.value] or 0 for row in rows) or 1
    for row in rows:
        x, y, value = acrosses.index(row[chart.across]), downs.index(row[chart.down]), row[chart.value] or 0
        axes.barh(y, 0.96, 0.92, left=x - 0.48, color=_COLOURS[0], alpha=round(0.08 + 0.52 * value / top, 3))
        told = f"{value * 100:.0f}" if chart.unit == "share" else shown(chart.value, value)
        axes.text(x, y, told, ha="center", va="center", fontsize=8 if len(acrosses) <= 14 else 6)
    axes.set_yticks(range(len(downs)), [str(down) for down in downs])
    step = (len(acrosses) + FIELDS_NAMED - 1) // FIELDS_NAMED
    axes.set_xticks(range(0, len(acrosses), step), [str(across) for across in acrosses[::step]])
    axes.set_xlabel(_name(chart.across) + (", in percent" if chart.unit == "share" else ""))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()


def _inline(svg: str) -> str:
    """SVG that may stand in a page beside others: without prolog, fixed size, and ids that nothing refers to."""
    svg = _METADATA.sub("", _HEAD.sub("", svg))
    svg = _SIZE.sub(lambda found: found.group(1) or "", svg)
    for colour, told in _PAGE_COLOURS.items():
        svg = svg.replace(colour, told)
    used = set(_REFERENCES.findall(svg))
    return _ID.sub(lambda found: found.group(0) if found.group(1) in used else "", svg).strip()
