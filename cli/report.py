"""Put answers on a page: reports with charts for people, or their figures for programs."""

import csv
import io
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import log_option, moment_of, moment_options
from cli.output import folding, show

if TYPE_CHECKING:  # help must not wait for the engine to load
    from adapters.reports.answers import Answer, Answers

ALL = "all"
FORMATS = ("html", "table", "json", "csv")
STYLE_HELP = "A page for people; a table for a terminal; JSON or CSV for programs."


@click.command()
@log_option
@click.argument("name", required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The page; report-NAME.html if not said."
)
@click.option("--format", "style", type=click.Choice(FORMATS), default="html", show_default=True, help=STYLE_HELP)
@moment_options
def command(
    url: str, name: str | None, output: Path | None, style: str, as_of: "int | date | None", known_at: str | None
) -> None:
    """Make the report NAME, or all of them, as one page that works offline; without NAME list the reports.

    The page says its cursor and moment, and how to have the same again. Personal data stays sealed. Views that were
    never built are folded for this call alone.
    """
    from adapters.durable_files import write_whole
    from adapters.engine import Engine
    from adapters.extensions import load_extensions
    from adapters.extras import need
    from adapters.reports.answers import ask
    from projections.reports import report_named, reports

    load_extensions()
    if name is None:
        show(("report", "what it shows"), [(each.name, each.says) for each in reports().values()], "table")
        return
    if output and style != "html":
        raise click.UsageError("-o is for the page: other formats go to the output")
    chosen = list(reports().values()) if name == ALL else [report_named(name)]
    if style == "html":
        need("plot", "charts")
    with Engine.open(url) as engine, folding() as on_progress:
        answers = ask(engine, chosen, moment_of(engine, as_of, known_at), on_progress)
    if style != "html":
        _tell(answers, style)
        return
    from adapters.reports.page import page_of

    path = output or Path(f"report-{name}.html")
    write_whole(path, page_of(name, "All reports" if name == ALL else chosen[0].title, answers))
    click.echo(f"wrote {path}, cursor {answers.cursor}")


def _tell(answers: "Answers", style: str) -> None:
    if style == "table":
        for _, found in answers.reports:
            for answer in found:
                click.echo(f"{answer.section.title}: {answer.section.says}")
                for reason in answer.untold:
                    click.echo(f"  no figure: {reason}\n")
                if answer.is_empty and not answer.untold:
                    click.echo("  nothing is recorded yet\n")
                elif not answer.is_empty:
                    show(answer.columns, answer.rows, style)
    elif style == "json":
        import orjson

        click.echo(orjson.dumps(_document(answers), default=str, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(_lines(answers), nl=False)
    click.echo(f"to have the same again: {answers.again}", err=True)


def _document(answers: "Answers") -> dict[str, Any]:
    return answers._asdict() | {
        "reports": [
            {"name": report.name, "title": report.title, "sections": list(map(_section, found))}
            for report, found in answers.reports
        ]
    }


def _section(answer: "Answer") -> dict[str, Any]:
    section, columns = answer.section, answer.columns
    return {
        "title": section.title,
        "says": section.says,
        "question": section.question,
        "sql": section.sql or None,
        "model": section.model or None,
        "untold": answer.untold,
        "rows": [dict(zip(columns, row, strict=True)) for row in answer.rows],
    }


def _lines(answers: "Answers") -> str:
    """A line for each figure, for answers of different columns share a file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("report", "section", "row", "column", "value"))
    for report, found in answers.reports:
        for answer in found:
            for number, row in enumerate(answer.rows, 1):
                for column, value in zip(answer.columns, row, strict=True):
                    writer.writerow((report.name, answer.section.title, number, column, value))
    return text.getvalue()
