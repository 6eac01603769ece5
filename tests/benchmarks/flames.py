"""Flame graphs of a work: which calls its time was spent in, sampled a thousand times a second, as one SVG each."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from types import FrameType
from typing import NamedTuple
from zlib import crc32

Stacks = Mapping[tuple[str, ...], int]
"""How often each stack was met, its outermost call first."""

_EVERY_S = 0.001
_WIDTH, _HEIGHT, _LINE = 1_200, 16, 4
_LETTER_WIDTH = 6.2
_SHARE_MIN = 0.002
"""What took a smaller share than this is not drawn."""
_OWN = ("adapters", "domain", "projections", "cli", "tests")


class _Box(NamedTuple):
    call: str
    depth: int
    begins: int
    samples: int


def sampled(work: Callable[[], object]) -> Stacks:
    """Do a work in the main thread, and answer where it was found: also when it waits, by the call that does.

    A call of compiled code shows as the Python call that made it.
    """
    stacks: Counter[tuple[str, ...]] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        calls: list[str] = []
        while frame is not None and frame.f_code is not work_code:
            calls.append(_named(frame))
            frame = frame.f_back
        stacks[tuple(reversed(calls))] += 1

    work_code = sampled.__code__
    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _EVERY_S, _EVERY_S)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return stacks


def _named(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    # Of our own files the room too; of others the package.
    room = next((part for part in _OWN if part in path.parts[:-1]), "")
    place = "/".join((*path.parts[path.parts.index(room) : -1], path.stem)) if room else path.stem
    return f"{place}: {frame.f_code.co_qualname}"


def svg(stacks: Stacks, title: str) -> str:
    """Draw stacks: a bar's width is its share of the time, callers stand above what they call."""
    total = sum(stacks.values())
    boxes = [box for box in _boxes(sorted(stacks.items())) if box.samples >= _SHARE_MIN * total]
    height = (2 + max((box.depth for box in boxes), default=0)) * _HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        ' font-family="monospace" font-size="10">',
        f'<text x="4" y="12">{escape(title)}</text>',
    ]
    for call, depth, begins, samples in boxes:
        left, width = begins / total * _WIDTH, samples / total * _WIDTH
        top, bar = (depth + 1) * _HEIGHT, max(width - 0.5, 0.5)
        letters = int(width / _LETTER_WIDTH)
        shown = call if len(call) <= letters else f"{call[: letters - 1]}…" if letters > 2 else ""
        lines += [
            f"<g><title>{escape(call)}: {samples / total:.1%}</title>",
            f'<rect x="{left:.1f}" y="{top}" width="{bar:.1f}" height="{_HEIGHT - 1}" fill="{_colour(call)}"/>',
            f'<text x="{left + 2:.1f}" y="{top + _HEIGHT - _LINE}">{escape(shown)}</text></g>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _boxes(stacks: list[tuple[tuple[str, ...], int]]) -> Iterator[_Box]:
    """Neighbours that begin alike become one box."""
    open_: list[tuple[str, int]] = []
    at = 0
    for stack, samples in [*stacks, ((), 0)]:
        same = 0
        while same < min(len(open_), len(stack)) and open_[same][0] == stack[same]:
            same += 1
        while len(open_) > same:
            call, begins = open_.pop()
            yield _Box(call, len(open_), begins, at - begins)
        open_ += [(call, at) for call in stack[same:]]
        at += samples


def _colour(call: str) -> str:
    """The same for all calls of a file; ours warm, those of others cold."""
    place = call.partition(":")[0]
    base = 20 if place.partition("/")[0] in _OWN else 200
    return f"hsl({base + crc32(place.encode()) % 40}, 70%, 72%)"
