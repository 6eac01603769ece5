"""The few forms of Markdown that the pages are made of."""

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made by `make docs` from the code; change it there. -->"


def page(title: str, *parts: str) -> str:
    """A whole page: its title, the note that it is generated, and its parts."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip("\n") for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what would break a cell is escaped."""
    lines = [_line(head), _line(["---"] * len(head)), *(_line([_cell(cell) for cell in row]) for row in rows)]
    return "\n".join(lines)


def code(text: object) -> str:
    """A name, a value or an address within a sentence."""
    return f"`{text}`"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: object) -> str:
    return " ".join(str(cell).split()).replace("|", "\\|")
