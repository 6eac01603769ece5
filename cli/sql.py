"""Ask a mirror anything in SQL, by DuckDB: one query, or one after the other."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cli.options import format_option, mirror_option
from cli.output import show


@click.command()
@mirror_option(required=True)
@format_option
@click.argument("query", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="At most this many rows.")
def command(mirror: Path, style: str, query: str | None, limit: int | None) -> None:
    """Run QUERY over the files of a mirror; without QUERY, each statement that is typed or piped in, to its semicolon.

    There are touchpoints (as recorded), history (as corrected and merged), a view for each kind with its fields, such
    as OrderPlaced, and the tables of all views; dictionary says what their columns mean. Nothing is written, and no
    file is read but the mirror's.
    """
    from adapters.extras import need
    from domain.errors import QueryRefused

    need("explore", "SQL over a mirror")
    from adapters.mirror.sql import open_sql

    with open_sql(mirror) as asked:
        if query is not None:
            show(*asked.ask(query, limit), style)
            return
        interactive = sys.stdin.isatty()
        for statement in _statements(interactive=interactive):
            try:
                show(*asked.ask(statement, limit), style)
            except QueryRefused as error:
                if not interactive:
                    raise
                click.echo(f"{error.name}: {error}", err=True)


def _statements(*, interactive: bool) -> Iterator[str]:
    """What is typed or piped in, up to each line that ends in a semicolon; the end of the input ends the last."""
    if interactive:
        import readline  # noqa: F401 - a history of what was typed

    lines: list[str] = []
    while (line := _line(interactive=interactive, first=not lines)) is not None:
        if line.strip() or lines:
            lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _line(*, interactive: bool, first: bool) -> str | None:
    if interactive:
        try:
            return input("sql> " if first else "...> ")
        except EOFError:
            click.echo()
            return None
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None
