"""Explain the columns of the views and questions: the data dictionary."""

import click

from cli.options import format_option
from cli.output import show


@click.command()
@click.argument("name", required=False)
@format_option
def command(name: str | None, style: str) -> None:
    """Say what every column of the view or question NAME means; without NAME, of all of them.

    The same stands in the database, for any program to read: lifecircle query "select * from dictionary"
    """
    from adapters.extensions import load_extensions
    from domain.errors import UnknownView
    from projections import views
    from projections.dictionary import entries, relations

    load_extensions()
    found = [each for each in relations(views().values()) if name in (None, each.name)]
    if not found:
        raise UnknownView(
            "there is no view or question of this name", where=str(name), way_out="list them with: lifecircle view"
        )
    if name is None:
        rows = [(each.relation, each.column_name, each.meaning) for each in entries(found)]
        show(("relation", "column", "meaning"), rows, style)
        return
    if style == "table":
        click.echo(f"{name} ({found[0].form}): {found[0].about}\n")
    show(("column", "meaning"), [(each.column_name, each.meaning) for each in entries(found)], style)
