"""Propose merges: customers who may be one, what speaks for it, and the command that would merge them."""

import shlex
from contextlib import closing

import click

from cli.options import format_option, log_option
from cli.output import show

_UNKEYED = "select count(*) from identifiers where keyed is null and anonymous_id is null"
_PROPOSALS = "select * from merge_proposals order by score desc, identifiers desc, survivor, absorbed"


@click.command()
@log_option
@format_option
def command(url: str, style: str) -> None:
    """List customers who may be one and the same, and the command that merges each two of them.

    They share an identifier, such as an e-mail address, or one was a visitor who was identified as the other. Families
    and companies share addresses too, so nothing is merged by itself: run the command of a proposal to accept it. A
    merge that was taken back is proposed again only on new evidence; link two customers by a relation to say that they
    are two.
    """
    from adapters.engine import Engine
    from adapters.views.tables import open_tables

    with Engine.open(url) as engine, closing(open_tables(url, engine.company)) as tables:
        names, rows = tables.query(_PROPOSALS)
        ((unkeyed,),) = tables.query(_UNKEYED)[1]
    if unkeyed:
        click.echo(
            f"{unkeyed} identifiers are not compared: the views were built without the log's id key; "
            "put the key in its place, and then: lifecircle rebuild identifiers",
            err=True,
        )
    proposals = [dict(zip(names, row, strict=True)) for row in rows]
    commands = [_accepting(each) for each in proposals]
    if style != "table":
        show([*names, "accept"], [(*row, how) for row, how in zip(rows, commands, strict=True)], style)
        return
    show(names, rows, style, title=f"{len(rows)} merges proposed")
    for how in commands:
        click.echo(how)


def _accepting(proposal: dict[str, object]) -> str:
    """The command line that records the merge."""
    shared, score = proposal["identifiers"], float(str(proposal["score"]))
    fields = {
        "survivor": proposal["survivor"],
        "absorbed": proposal["absorbed"],
        "method": proposal["method"],
        "evidence": f"{shared} shared, {proposal['type'] or 'identifier'} first, score {score:.2f}",
    }
    subject = f"--subject={proposal['survivor']}"
    given = (f"{name}={value}" for name, value in fields.items())
    return shlex.join(["lifecircle", "record", "CustomersMerged", subject, *given])
