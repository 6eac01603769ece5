"""Forget a customer: destroy the key of all that is personal."""

import click

from cli.options import format_option, log_option, principal
from cli.output import show


@click.command()
@log_option
@format_option
@click.argument("subject")
@click.option("--basis", required=True, help="The law or request that it rests on.")
@click.option("--by", required=True, metavar="WHO", help="Who of us does it, by id.")
@click.option("--second", metavar="WHO", help="Who else of us allows it, where the company's settings ask for two.")
def command(url: str, style: str, subject: str, basis: str, by: str, second: str | None) -> None:
    """Forget SUBJECT and all who were merged into it: nothing personal of them can be read any more, for ever.

    What happened stays in the log, and its proofs hold; names, addresses, words and traits are [erased]. One contact
    person of an organisation is a subject of their own, and is forgotten alone. A legal hold refuses it. It cannot be
    taken back.
    """
    from adapters.data_subjects.erasure import erase
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        receipt, persons = erase(engine, subject, basis=basis, by=by, second=second, recordedby=principal())
    position = f"{receipt.bucket}/{receipt.number}"
    show(("forgotten", "recorded at"), [(person, position) for person in persons], style)
